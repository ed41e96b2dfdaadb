"""A long log: how fast it is printed, and how much memory that takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks import measure, readers
from benchmarks.bench import Bench
from benchmarks.figures import Figure, Row, Target, ratio
from benchmarks.measure import Command, Ran

AHEAD = 5
FLAT = 1.1
LINE = "line %07.0f of a log that is about eighty characters long, as most lines are"
SMALL = 10_000
LONG_SECONDS = 60.0


def measured(bench: Bench) -> Row:
    lines = bench.pick(1_000_000, 50_000)
    row = Row(
        "volume",
        "Log volume",
        f"A task prints {lines:,} lines of 80 characters. Each reader prints its whole log into a"
        " file, in turns, after a run that is not counted on a small one; every line is looked for"
        " there. Peak memory is the process's own, here and with a log of 10,000 lines. Who takes"
        f" more than {LONG_SECONDS:.0f} s has one turn.",
    )
    small, large = (_printed(bench, count) for count in (SMALL, lines))
    everyone, on_small = (_readers(bench, of) for of in (large, small))
    first = {name: _read(bench, command) for name, command in on_small.items()}
    runs: dict[str, list[Ran]] = {name: [] for name in everyone}
    for _ in range(bench.pick(5, 1)):
        for name, command in everyone.items():
            if all(ran.wall <= LONG_SECONDS for ran in runs[name]):
                runs[name].append(_read(bench, command, lines))
    peaks: dict[str, float] = {}
    for name, found in runs.items():
        whose = "ours" if name.startswith("mycli") else "peer"
        row.figures.append(Figure(name, "lines/s", [lines / ran.wall for ran in found], whose))
        memory = {SMALL: [first[name].peak / 1e6], lines: [ran.peak / 1e6 for ran in found]}
        figures = [
            Figure(f"{name}, memory at {count:,}", "MB", peak, whose)
            for count, peak in memory.items()
        ]
        row.figures += figures
        peaks[name] = figures[1].median / figures[0].median
    rates = {figure.of: figure for figure in row.figures if figure.unit == "lines/s"}
    peers = [figure for figure in rates.values() if figure.whose == "peer"]
    faster = max(peers, key=lambda figure: figure.median, default=None)
    for name in ("mycli logs", "mycli logs --json"):
        what = f"{name}, of {faster.of if faster else 'a peer'}"
        row.targets.append(Target(what, ratio(rates[name], faster), AHEAD, at_least=True))
    for name in ("mycli logs", "mycli logs --json"):
        what = f"{name}: memory at {lines:,} lines, of that at {SMALL:,}"
        row.targets.append(Target(what, peaks[name], FLAT))
    return row


def _printed(bench: Bench, lines: int) -> dict[str, str]:
    """An execution that has printed so many lines and ended."""
    return bench.ask("exec", "--json", "--wait", "--skip-git", f"seq -f '{LINE}' 1 {lines}")


def _readers(bench: Bench, of: Mapping[str, str]) -> dict[str, Command]:
    found = readers.commands(bench, of["execution_id"], of["log_stream"], follow=False)
    plain = found["mycli logs"]
    return {"mycli logs": plain, "mycli logs --json": (*plain, "--json"), **found}


def _read(bench: Bench, command: Command, lines: int = SMALL) -> Ran:
    printed = bench.root / "printed"
    ran = measure.run(command, readers.environment(bench), printed)
    seen = _count(printed)
    if ran.code or seen != lines:
        raise RuntimeError(f"{Path(command[0]).name}: {seen:,} of {lines:,} lines, code {ran.code}")
    return ran


def _count(printed: Path) -> int:
    with printed.open("rb") as file:
        return sum(b"of a log that is about eighty" in line for line in file)
