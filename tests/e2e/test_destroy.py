"""destroy leaves nothing that runs, and nothing half-done."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Machine, new_machine


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Machine]:
    """A machine with a stack of this test's own."""
    machine = new_machine(tmp_path)
    assert machine.run("init", "--local", "--force", "--runtime", "process").code == 0
    yield machine
    machine.run("destroy", "--force")


def test_a_task_that_is_already_stopping_is_waited_for(own: Machine, tmp_path: Path) -> None:
    started = tmp_path / "pid"
    command = f'trap "sleep 2; exit 5" TERM; echo $$ >{started}; while :; do sleep 0.1; done'
    execution = own.json("exec", "--skip-git", command)["execution_id"]
    deadline = time.monotonic() + 30
    while not (started.exists() and started.read_text().endswith("\n")):
        assert time.monotonic() < deadline
    assert own.run("stop", execution).code == 0
    gone = own.run("destroy", "--force")
    assert gone.code == 0, gone
    assert "Left behind" not in gone.out + gone.err
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


def test_a_config_that_cannot_be_read_stops_it_before_anything_is_gone(own: Machine) -> None:
    config = own.home / "config.yaml"
    kept = config.read_text()
    config.write_text("garbage: : :")
    refused = own.run("destroy", "--force")
    assert refused.code == 2, refused
    assert "line 1" in refused.err
    config.write_text(kept)
    assert own.follow("echo still here").out == "still here\n"
