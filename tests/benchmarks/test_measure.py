"""What a run of a program is measured by."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from benchmarks import measure
from benchmarks.measure import Ran

ENVIRONMENT = {"PATH": os.environ["PATH"]}
BUSY = "import time\nwhile time.process_time() < 0.2: pass\nprint('x' * 10)\nraise SystemExit(3)"


def test_a_run_has_its_cpu_its_memory_its_code_and_what_it_printed(tmp_path: Path) -> None:
    ran = measure.run((sys.executable, "-c", BUSY), ENVIRONMENT, tmp_path / "out")

    assert ran.code == 3
    assert 0.2 <= ran.cpu <= ran.wall + 1
    assert 1e6 < ran.peak < 1e9
    assert (tmp_path / "out").read_text() == "x" * 10 + "\n"


def test_a_peak_is_the_programs_own_however_large_this_process_is() -> None:
    ballast = bytearray(os.urandom(1 << 20) * 200)
    ran = measure.run(("/bin/sh", "-c", "true"), ENVIRONMENT)
    assert ran.peak < 50e6 < len(ballast)


def test_programs_are_run_in_turns_and_the_first_turns_do_not_count() -> None:
    order: list[str] = []

    def act(name: str) -> Ran:
        order.append(name)
        return Ran(len(order), 0, 0, 0)

    runs = measure.in_turns({name: lambda name=name: act(name) for name in "ab"}, 2, warm_up=1)

    assert "".join(order) == "ababab"
    assert [ran.wall for ran in runs["a"]] == [3, 5]


def test_a_program_that_fails_is_no_figure() -> None:
    with pytest.raises(RuntimeError, match="it ended with 1"):
        measure.in_turns({"it": lambda: Ran(1, 1, 1, 1)}, 1)


def test_what_is_started_is_gone_in_the_end() -> None:
    with measure.started(("/bin/sh", "-c", "echo $$; exec sleep 100"), ENVIRONMENT) as reader:
        pid = int(os.read(reader, 100))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
