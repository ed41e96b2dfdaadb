"""How long a line takes from the task to the terminal."""

from __future__ import annotations

import os
import re
import select
import shlex
import time

from benchmarks import measure, readers
from benchmarks.bench import MYCLI, PYTHON, Bench
from benchmarks.figures import Figure, Row, Target, ratio

LINES_A_SECOND = 20
P50_MS = 300
PATIENCE_SECONDS = 20  # after the last line was printed
TASK = """
import sys, time
began = time.monotonic()
for number in range({lines}):
    time.sleep(max(0, began + {lead} + number / {rate} - time.monotonic()))
    print("line", number, "at", time.time_ns(), flush=True)
"""
_LINE = re.compile(rb"line (\d+) at (\d{19})")


def measured(bench: Bench) -> Row:
    lines = bench.pick(1000, 100)
    row = Row(
        "follow",
        "Follow",
        f"A task prints {lines:,} lines, {LINES_A_SECOND} a second, each with the time at which it"
        " is printed; measured is how much later it comes out of the follower. In the account on"
        " this machine: on AWS the log driver alone adds up to 5 s, to all three alike.",
    )
    names = readers.commands(bench, "0" * 12, "", follow=True)
    for name in names:
        late = _followed(bench, name, lines)
        whose = "ours" if name.startswith("mycli") else "peer"
        if len(late) < lines:
            row.notes.append(f"{name} showed {len(late):,} of the {lines:,} lines.")
        if late:
            row.figures.append(Figure(name, "ms", late, whose))
            p99 = measure.percentile(late, 0.99)
            row.notes.append(f"{name}: 99 of 100 lines within {p99:,.0f} ms.")
    ours = next((figure for figure in row.figures if figure.whose == "ours"), None)
    row.targets.append(Target("p50", ours and ours.median, P50_MS, unit="ms"))
    for peer in row.figures[1:]:
        what = f"{peer.of}, p50, of ours"
        row.targets.append(Target(what, ratio(peer, ours), 1, at_least=True))
    return row


def _followed(bench: Bench, name: str, lines: int) -> list[float]:
    """Milliseconds from printing to showing, of every line that was shown."""
    program = TASK.format(lines=lines, rate=LINES_A_SECOND, lead=2)
    command = shlex.join([str(PYTHON), "-c", program])
    began = bench.ask("exec", "--json", "--skip-git", command)
    follower = readers.commands(bench, began["execution_id"], began["log_stream"], follow=True)
    last_at = time.monotonic() + 2 + lines / LINES_A_SECOND
    late: dict[int, float] = {}
    rest = b""
    environment = readers.environment(bench)
    with measure.started(follower[name], environment) as reader:
        while len(late) < lines and time.monotonic() < last_at + PATIENCE_SECONDS:
            if not select.select([reader], [], [], 0.5)[0]:
                continue
            data = os.read(reader, 1 << 16)
            now = time.time_ns()
            if not data:
                break
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                if found := _LINE.search(line):
                    late.setdefault(int(found[1]), (now - int(found[2])) / 1e6)
    bench.act(MYCLI, "logs", "-f", began["execution_id"])  # its end, before the next one begins
    return [*late.values()]
