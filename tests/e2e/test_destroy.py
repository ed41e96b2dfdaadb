"""destroy leaves nothing that runs, and nothing half-done."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mycli.local.clients import clients_of
from mycli.local.place import load
from mycli.stack import package

from .conftest import Machine, new_machine

ORCHESTRATOR = Path(__file__).parents[2] / "orchestrator"


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
    pid = wait_for_pid(started)
    assert own.run("stop", execution).code == 0
    gone = own.run("destroy", "--force")
    assert gone.code == 0, gone
    assert "Left behind" not in gone.out + gone.err
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


HOLD = """
def run(*_: object) -> None:
    import os, pathlib, time
    pathlib.Path({!r}).write_text(f"{{os.getpid()}}\\n")
    time.sleep(600)
"""


def test_an_exec_that_has_not_come_to_its_task_never_does(
    own: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    another = ("--stack-name", "another")  # that the account outlives the stack for
    made = own.run("init", "--local", "--force", "--runtime", "process", *another)
    assert made.code == 0, made
    held, ran = tmp_path / "held", tmp_path / "ran"
    code = shutil.copytree(ORCHESTRATOR, tmp_path / "orchestrator")
    with (code / "tasks.py").open("a") as file:
        file.write(HOLD.format(str(held)))
    package.build(tmp_path / "function.zip", package.installed_bcrypt(), code)
    monkeypatch.setenv("MYCLI_HOME", str(own.home))
    clients_of(load())("lambda").update_function_code(
        FunctionName="mycli-orchestrator", ZipFile=(tmp_path / "function.zip").read_bytes()
    )
    client = own.start("exec", "--skip-git", f"touch {ran}")
    pid = wait_for_pid(held)

    gone = own.run("destroy", "--force")

    assert gone.code == 0, gone
    assert "Left behind" not in gone.out + gone.err
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    _, said = client.communicate(timeout=60)
    assert client.returncode == 125, said
    assert not ran.exists()
    assert own.run("destroy", "--force", *another).code == 0


def wait_for_pid(path: Path) -> int:
    deadline = time.monotonic() + 30
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return int(path.read_text())


def test_a_config_that_cannot_be_read_stops_it_before_anything_is_gone(own: Machine) -> None:
    config = own.home / "config.yaml"
    kept = config.read_text()
    config.write_text("garbage: : :")
    refused = own.run("destroy", "--force")
    assert refused.code == 2, refused
    assert "line 1" in refused.err
    config.write_text(kept)
    assert own.follow("echo still here").out == "still here\n"
