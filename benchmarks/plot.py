"""The plot: for each row, bars of what can be compared. Drawn by hand: nothing to install."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benchmarks.figures import Figure, Row, with_unit

WIDTH, LABEL, VALUE, BAR, GAP = 900, 300, 140, 18, 8
COLOURS = {"ours": "#0f766e", "peer": "#a3a3a3", "floor": "#d6d3d1"}
STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #262626 }
.title { font-size: 15px; font-weight: 600 }
.value { font-variant-numeric: tabular-nums }
.faint { fill: #737373; font-size: 12px }
.paper { fill: #ffffff }
@media (prefers-color-scheme: dark) { .paper { fill: #171717 } text { fill: #e5e5e5 } }
"""


def draw(rows: Sequence[Row]) -> str:
    """An SVG: a block of bars for each unit of a row in which there is something to compare."""
    parts: list[str] = []
    top = 56
    for row in rows:
        for (unit, part), bars in _blocks(row).items():
            if len({figure.whose for figure in bars}) > 1 or part:
                named = row.title + (f", {part}" if part else "")
                block, height = _block(f"{named}: {_better(unit)}", bars, top)
                parts += block
                top += height
    keys = (("ours", "mycli"), ("peer", "a peer"), ("floor", "the floor"))
    legend = "".join(
        f'<rect x="{24 + 100 * at}" y="20" width="14" height="14" rx="3" fill="{COLOURS[whose]}"/>'
        f'<text x="{44 + 100 * at}" y="32">{word}</text>'
        for at, (whose, word) in enumerate(keys)
    )
    size = f'width="{WIDTH}" height="{top}" viewBox="0 0 {WIDTH} {top}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">\n<style>{STYLE}</style>\n'
        f'<rect class="paper" width="{WIDTH}" height="{top}"/>\n{legend}\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _blocks(row: Row) -> dict[tuple[str, str], list[Figure]]:
    """The figures that share a scale: of one unit, the parts of another one for themselves."""
    blocks: dict[tuple[str, str], list[Figure]] = {}
    for figure in row.figures:
        part = figure.of.rpartition(": ")[0]
        blocks.setdefault((figure.unit, part), []).append(figure)
    return blocks


def _better(unit: str) -> str:
    return f"{unit}, longer is better" if unit.endswith("/s") else f"{unit}, shorter is better"


def _block(title: str, bars: Sequence[Figure], top: int) -> tuple[list[str], int]:
    longest = max(figure.median for figure in bars) or 1
    room = WIDTH - LABEL - VALUE - 24
    parts = [f'<text class="title" x="24" y="{top + 16}">{escape(title)}</text>']
    at = top + 30
    for figure in bars:
        length = max(2, room * figure.median / longest)
        low, high = (min(room, room * of(figure.values) / longest) for of in (min, max))
        middle, name = at + BAR - 5, escape(figure.of.rpartition(": ")[2])
        parts += [
            f'<text x="{LABEL - 8}" y="{middle}" text-anchor="end">{name}</text>',
            f'<rect x="{LABEL}" y="{at}" width="{length:.1f}" height="{BAR}" rx="3" '
            f'fill="{COLOURS[figure.whose]}"/>',
            f'<text class="value" x="{LABEL + max(length, high) + 8:.1f}" y="{middle}">'
            f"{escape(with_unit(figure.median, figure.unit))}</text>",
        ]
        if len(figure.values) > 1:
            parts.append(
                f'<line x1="{LABEL + low:.1f}" x2="{LABEL + high:.1f}" '
                f'y1="{at + BAR / 2}" y2="{at + BAR / 2}" stroke="#262626" stroke-width="1.5"/>'
            )
        at += BAR + GAP
    return parts, math.ceil(at - top + 22)
