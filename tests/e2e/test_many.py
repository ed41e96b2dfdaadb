"""Many at once, many in a row, and two stacks beside each other."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import Machine, new_machine


def test_eight_at_once(machine: Machine) -> None:
    processes = [
        machine.start("exec", "-f", "--skip-git", f"echo {number}; exit {number}")
        for number in range(8)
    ]
    for number, process in enumerate(processes):
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out.decode()) == (number, f"{number}\n"), err


def test_the_same_request_twice_at_once_is_one_execution(machine: Machine) -> None:
    repeated = ("exec", "--json", "--skip-git", "--request-id", "the-same-request", "echo once")
    processes = [machine.start(*repeated) for _ in range(2)]
    answers = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    assert answers[0]["execution_id"] == answers[1]["execution_id"]
    assert answers[0]["task_arn"] == answers[1]["task_arn"]
    other = machine.run("exec", "--skip-git", "--request-id", "the-same-request", "echo other")
    assert other.code == 125, other
    assert "request_id" in other.err


def test_a_new_image_is_registered_once_however_many_ask(machine: Machine) -> None:
    image = "new-for-six:at-once"
    asked = ("exec", "--json", "--skip-git", "--image", image, "true")
    processes = [machine.start(*asked) for _ in range(6)]
    answers = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    assert len({answer["task_definition"] for answer in answers}) == 1
    assert sum(bool(answer["task_definition_reason"]) for answer in answers) == 1
    [told] = machine.json("list-task-definitions", "--all", "--image", image)["task_definitions"]
    assert (told["revision"], told["executions"]) == (1, 6)


def test_forty_in_a_row(machine: Machine) -> None:
    with machine.client() as client:
        for number in range(40):
            run = client.exec(f"echo number {number}; exit {number}", skip_git=True)
            assert list(run.logs()) == [f"number {number}"]
            assert run.wait() == number


def test_two_stacks_in_one_account(tmp_path: Path) -> None:
    machine = new_machine(tmp_path)
    for stack in ("mycli", "second"):
        made = machine.run(
            "init", "--local", "--force", "--runtime", "process", "--stack-name", stack
        )
        assert made.code == 0, made
    first = ("--skip-git", "--image", "alpine:3.20")
    assert machine.run("exec", "--wait", *first, "true").code == 0
    assert machine.run("exec", "--wait", *first, "--profile", "second", "true").code == 0
    gone = machine.run("destroy", "--force", "--stack-name", "second")
    assert gone.code == 0, gone
    answer = json.loads(machine.run("exec", "--json", *first, "exit 5").stdout)
    assert answer["task_definition_cached"] is True
    assert machine.run("logs", "-f", answer["execution_id"]).code == 5
    assert machine.run("list", "--profile", "second").code == 2
    assert machine.run("destroy", "--force").code == 0
    assert not (machine.home / "local").exists()
    assert not (machine.home / "config.yaml").exists()
