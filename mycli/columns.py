"""A table on a terminal: which of its columns have room, and how much of their cells.

What tells rows apart stays: names are cut at their start, because their end (`name:tag`) is what
differs, and where two names would look the same they are folded instead of cut.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Literal

from rich.cells import cell_len, set_cell_size

# Where a column's cells are cut: never, at their start (names), or at their end (commands).
Cut = Literal["never", "start", "end"]

GAP = "  "
# So much of a cell says something; where there is less room, other columns are left out first.
_TELLING = {"start": 24, "end": 14}
_LEAST = 4


def fit(
    columns: Mapping[str, Cut], rows: Sequence[Sequence[str]], room: int, spare: Sequence[str] = ()
) -> tuple[list[str], list[str]]:
    """The table's lines, headings first, and the headings of the columns that had no room.

    room: the terminal's width in cells. spare: columns that are left out, in this order, where the
    others would have too little. A column that is empty in every row is left out anyway.
    """
    cells = {name: [row[at] for row in rows] for at, name in enumerate(columns)}
    shown = {name: values for name, values in cells.items() if any(values)}
    left_out: list[str] = []
    widths = _widths(columns, shown, room, _TELLING)
    for name in spare:
        if _total(widths) <= room:
            break
        if shown.pop(name, None):
            left_out.append(name)
            widths = _widths(columns, shown, room, _TELLING)
    if _total(widths) > room:
        widths = _widths(columns, shown, room, dict.fromkeys(_TELLING, _LEAST))
    lines = [_line(widths, widths.values())]
    for parts in _drawn(columns, shown, widths):
        lines += (_line(line, widths.values()) for line in zip_longest(*parts, fillvalue=""))
    return lines, left_out


def _widths(
    columns: Mapping[str, Cut],
    shown: Mapping[str, Sequence[str]],
    room: int,
    least: Mapping[str, int],
) -> dict[str, int]:
    """As wide as the cells are; what may be cut is narrowed, the widest first, down to `least`."""
    widths = {name: max(map(cell_len, (name, *values))) for name, values in shown.items()}
    floors = {
        name: max(least[columns[name]], len(name)) for name in shown if columns[name] != "never"
    }
    while _total(widths) > room:
        may_give = [name for name, floor in floors.items() if widths[name] > floor]
        if not may_give:
            break
        widest = max(may_give, key=lambda name: widths[name])
        widths[widest] = min(widths[widest] - 1, room)
    return widths


def _total(widths: Mapping[str, int]) -> int:
    return sum(widths.values()) + len(GAP) * (len(widths) - 1)


def _drawn(
    columns: Mapping[str, Cut], shown: Mapping[str, Sequence[str]], widths: Mapping[str, int]
) -> Iterator[list[list[str]]]:
    """Each row's cells, each as the lines that show it."""
    short = {
        name: [_shortened(cell, widths[name], columns[name]) for cell in cells]
        for name, cells in shown.items()
    }
    names = [name for name in shown if columns[name] == "start"]
    whole = [*zip(*(shown[name] for name in names), strict=True)]
    told = [*zip(*(short[name] for name in names), strict=True)]
    # Two whole names behind one that is told.
    behind = Counter(name for name, _ in {*zip(told, whole, strict=True)})
    for at, row in enumerate(zip(*short.values(), strict=True)):
        parts = {name: [cell] for name, cell in zip(shown, row, strict=True)}
        if told and behind[told[at]] > 1:
            parts |= {name: [*_folded(shown[name][at], widths[name])] for name in names}
        yield [*parts.values()]


def _shortened(text: str, width: int, cut: Cut) -> str:
    if cell_len(text) <= width:
        return text
    if cut == "start":
        return "…" + set_cell_size(text[::-1], width - 1)[::-1]
    return set_cell_size(text, width - 1) + "…"


def _folded(text: str, width: int) -> Iterator[str]:
    line = ""
    for char in text:
        if line and cell_len(line + char) > width:
            yield line
            line = ""
        line += char
    yield line


def _line(parts: Iterable[str], widths: Iterable[int]) -> str:
    padded = (set_cell_size(part, width) for part, width in zip(parts, widths, strict=True))
    return GAP.join(padded).rstrip()
