"""Killed at any moment, and run again: all is finished, and nothing is left that should not be."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mycli.client import Client
from mycli.errors import EndpointError, LocalAccountError
from mycli.local import account, stacks, teardown
from mycli.local.clients import clients_of
from mycli.local.ledger import Ledger
from mycli.local.place import place
from mycli.local.stacks import Made, Options
from mycli.stack import package
from tests.local.conftest import new_account, until
from tests.local.inventory import inventory
from tests.soak import sizes

pytestmark = pytest.mark.usefixtures("ended")

ORCHESTRATOR = Path(__file__).parents[2] / "orchestrator"
Deed = Callable[[], Any]


def lasting_account() -> Callable[[str], Any]:
    """Clients of a new account, which another stack keeps from going with this one."""
    made = new_account()
    Ledger(place().stacks / "another.json").write()
    return clients_of(made)


def quietly(_: str) -> None:
    pass


def up(on_event: Callable[[str], None] = quietly) -> Made:
    return stacks.up(Options(runtime="process"), on_event)


def run(made: Made, command: str) -> int | None:
    with Client(made.profile) as client:
        return client.exec(command, skip_git=True).wait()


def kill() -> None:
    pid = account.status()["pid"]
    if pid:
        os.kill(pid, signal.SIGKILL)
        until(lambda: not account.is_running(place()))


def at_event(number: int, deed: Deed) -> Callable[[str], None]:
    """Do it once, when something is said for the number-th time."""
    said = iter(range(1000))
    return lambda _: deed() if next(said) == number else None


def test_what_was_made_and_not_noted_goes_with_its_stack() -> None:
    """Of every kind: the create was answered, and whoever asked was dead by then."""
    clients = lasting_account()
    before = inventory(clients)
    options = Options(runtime="process", credentials={"github_token": "x"})
    stacks.up(options, quietly)
    ledger = Ledger.read(place().stacks / "mycli.json")
    ledger.resources = [
        dataclasses.replace(resource, id="", outputs={}) for resource in ledger.resources
    ]
    ledger.write()
    gone = teardown.destroy("mycli", False, quietly)
    assert gone.leftovers == []
    assert inventory(clients) == before


def moments(size: int, last: int) -> list[int]:
    """So many numbers up to the last one, spread evenly."""
    return sorted({last * number // size for number in range(1, size + 1)})


@sizes(2, 35)
def test_an_init_that_was_killed_with_its_daemon_is_finished_by_the_next(size: int) -> None:
    clients = lasting_account()
    before = inventory(clients)
    for moment in moments(size, last=30):
        with pytest.raises(LocalAccountError):
            up(on_event=at_event(moment, kill))
        assert run(up(), "exit 7") == 7
        assert teardown.destroy("mycli", False, quietly).leftovers == []
        assert inventory(clients) == before


@sizes(2, 40)
def test_a_destroy_that_was_killed_with_its_daemon_is_finished_by_the_next(size: int) -> None:
    clients = lasting_account()
    before = inventory(clients)
    for moment in moments(size, last=34):
        assert run(up(), "true") == 0
        with pytest.raises(LocalAccountError):
            teardown.destroy("mycli", False, at_event(moment, kill))
        assert teardown.destroy("mycli", False, quietly).leftovers == []
        assert inventory(clients) == before


def test_a_task_that_starts_while_destroy_runs_is_ended_too() -> None:
    """An exec may have passed the last check when destroy came, and reach RunTask only later."""
    clients = lasting_account()
    before = inventory(clients)
    up()
    ecs, started = clients("ecs"), list[str]()
    template = ecs.describe_task_definition(taskDefinition="mycli-task")["taskDefinition"]
    settings = ("containerDefinitions", "cpu", "memory", "networkMode", "executionRoleArn")
    [container] = template["containerDefinitions"]
    container["command"] = ["exec sleep 300"]
    wanted = {name: template[name] for name in settings}
    wanted |= {"family": "mycli-task-late", "tags": [{"key": "mycli:stack", "value": "mycli"}]}

    def start_another(_: str) -> None:
        if inventory(clients)["functions"] == before["functions"]:
            return  # the only one who would
        arn = ecs.register_task_definition(**wanted)["taskDefinition"]["taskDefinitionArn"]
        answer = ecs.run_task(cluster="mycli-cluster", taskDefinition=arn)
        started.append(answer["tasks"][0]["taskArn"])

    gone = teardown.destroy("mycli", False, start_another)
    assert started
    assert gone.leftovers == []
    assert inventory(clients) == before
    assert not any(place().tasks.iterdir())


HELD = """
def run(*_: object) -> None:
    import os, pathlib, time
    pathlib.Path({!r}).write_text(f"{{os.getpid()}}\\n")
    time.sleep(600)
"""


def test_an_exec_that_has_not_come_to_its_task_never_does(tmp_path: Path) -> None:
    """It has passed the last check: with the function goes the process that would start it."""
    clients = lasting_account()
    made = up()
    code = shutil.copytree(ORCHESTRATOR, tmp_path / "orchestrator")
    with (code / "tasks.py").open("a") as file:
        file.write(HELD.format(str(tmp_path / "held")))
    package.build(tmp_path / "function.zip", package.installed_bcrypt(), code)
    clients("lambda").update_function_code(
        FunctionName="mycli-orchestrator", ZipFile=(tmp_path / "function.zip").read_bytes()
    )
    with ThreadPoolExecutor(1) as pool:
        exec_ = pool.submit(run, made, "true")
        held = until(lambda: read_line(tmp_path / "held"))
        gone = teardown.destroy("mycli", False, quietly)
        with pytest.raises(ProcessLookupError):
            os.kill(int(held), 0)
        with pytest.raises(EndpointError):
            exec_.result(60)
    assert gone.leftovers == []
    assert not any(place().tasks.iterdir())


def read_line(path: Path) -> str | None:
    """None until it is whole."""
    text = path.read_text() if path.exists() else ""
    return text if text.endswith("\n") else None
