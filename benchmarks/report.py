"""The results as a table on a terminal, as JSON, and as docs/benchmarks.md with its plot."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import plot
from benchmarks.bench import ROOT, Bench
from benchmarks.figures import Row, Target

PAGE, PLOT = "benchmarks.md", "benchmarks.svg"
_SIGNS = {True: "✓", False: "✗", None: "?"}
_WORDS = {True: "yes", False: "**no**", None: "not measured"}

HEAD = """# Benchmarks

mycli beside what a user would pick instead: all figures of one run, on one machine. This page and
its plot are written by `make bench`; `python -m benchmarks` prints the same, of the rows that are
named, and with `--quick` in a minute or two. A figure is a median. Programs are run in turns, with
their bytecode compiled. Nothing here is a test: what must not grow and can be counted (modules,
calls, requests, bytes, memory) is held by the gate, most of it in `tests/benchmarks/`.
"""


@dataclass(frozen=True)
class Report:
    rows: Sequence[Row]
    about: dict[str, str]

    @classmethod
    def of(cls, bench: Bench, rows: Sequence[Row], seconds: float) -> Report:
        about = {
            "Date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {seconds / 60:.0f} minutes"
            + (", quick (fewer rounds, smaller sizes)" if bench.quick else ""),
            "Machine": _machine(),
            "mycli": f"{importlib.metadata.version('mycli')} at {_commit()}",
            "Beside": ", ".join(f"{name} {of}" for name, of in bench.peers.versions.items())
            or "none",
        }
        if bench.peers.missing:
            left_out = (f"{name} ({why})" for name, why in bench.peers.missing.items())
            about["Left out"] = ", ".join(left_out)
        return cls(rows, about)

    @property
    def targets(self) -> list[Target]:
        return [target for row in self.rows for target in row.targets]

    @property
    def summary(self) -> str:
        reached = sum(target.reached is True for target in self.targets)
        missed = [target for target in self.targets if target.reached is False]
        skipped = len(self.targets) - reached - len(missed)
        told = f"{reached} of {len(self.targets)} targets are reached"
        return told + (f"; {skipped} could not be measured here" if skipped else "") + "."

    def to_json(self) -> dict[str, Any]:
        return {**self.about, "rows": [row.to_json() for row in self.rows]}

    def as_text(self) -> str:
        lines = [f"{name}: {value}" for name, value in self.about.items()]
        for row in self.rows:
            lines += ["", f"{row.title}"]
            width = max((len(figure.of) for figure in row.figures), default=0)
            lines += [f"    {figure.of:<{width}}  {figure}" for figure in row.figures]
            lines += [
                f"  {_SIGNS[target.reached]} {target.what}: {target.got} ({target.wanted})"
                for target in row.targets
            ]
            lines += [f"    {line}" for note in row.notes for line in textwrap.wrap(note, 90)]
        return "\n".join([*lines, "", self.summary])

    def as_markdown(self) -> str:
        parts = [HEAD, *(f"- {name}: {value}" for name, value in self.about.items())]
        parts += ["", f"![The figures as bars]({PLOT})", "", f"**{self.summary}**", ""]
        parts += ["| | what | measured | to reach | reached |", "|---|---|---|---|---|"]
        parts += [
            f"| {row.title} | {target.what} | {target.got} | {target.wanted} "
            f"| {_WORDS[target.reached]} |"
            for row in self.rows
            for target in row.targets
        ]
        for row in self.rows:
            parts += ["", f"## {row.title}", "", textwrap.fill(row.how, 108)]
            if row.figures:
                parts += ["", "| | median | lowest | highest |", "|---|---|---|---|"]
                parts += [_markdown_row(figure) for figure in row.figures]
            for note in row.notes:
                parts += ["", textwrap.fill(note, 108)]
        return "\n".join(parts) + "\n"

    def write(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        (folder / PAGE).write_text(self.as_markdown(), encoding="utf-8")
        (folder / PLOT).write_text(plot.draw(self.rows), encoding="utf-8")


def _markdown_row(figure: Any) -> str:
    from benchmarks.figures import with_unit

    median = with_unit(figure.median, figure.unit)
    if len(figure.values) == 1:
        return f"| {figure.of} | {median} | | |"
    low, high = (with_unit(of(figure.values), figure.unit) for of in (min, max))
    return f"| {figure.of} | {median} | {low} | {high} |"


def _machine() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in _read("/proc/cpuinfo").splitlines()
        if line.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    parts = (
        f"{os.cpu_count()} x {names[0] if names else platform.processor() or 'processor'}",
        f"{memory:.0f} GB",
        f"{platform.system()} {platform.release()}",
        f"Python {platform.python_version()}",
    )
    return ", ".join(parts)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


def _commit() -> str:
    told = subprocess.run(
        ["git", "-C", ROOT, "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip() or "an unknown commit"
