"""status, logs, stop and list, on real executions."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from .conftest import Machine


def started(machine: Machine, *args: str) -> str:
    return machine.json("exec", "--skip-git", *args)["execution_id"]


def status_until(machine: Machine, execution: str, wanted: str) -> dict[str, Any]:
    """The status once it is `wanted`; half a minute at most."""
    deadline = time.monotonic() + 30
    while (status := machine.json("status", execution))["status"] != wanted:
        assert time.monotonic() < deadline, f"{execution} is not {wanted}: {status}"
    return status


def test_an_execution_is_known_by_its_id_and_by_its_arn(machine: Machine) -> None:
    answer = machine.json("exec", "--skip-git", "echo known")
    execution, arn = answer["execution_id"], answer["task_arn"]
    assert answer["status"] == "starting"
    by_id = status_until(machine, execution, "STOPPED")
    assert by_id == machine.json("status", arn)
    assert (by_id["exit_code"], by_id["command"]) == (0, "echo known")
    assert by_id["started_at"] <= by_id["stopped_at"]
    assert machine.run("logs", execution).out == machine.run("logs", arn).out
    assert " UTC | known\n" in machine.run("logs", execution).out


def test_a_running_execution_is_stopped(machine: Machine) -> None:
    execution = started(machine, "echo up; sleep 300")
    status_until(machine, execution, "RUNNING")
    assert machine.run("stop", execution, "--reason", "enough of it").code == 0
    status = status_until(machine, execution, "STOPPED")
    assert status["exit_code"] == 143
    assert "enough of it" in status["stopped_reason"]
    assert machine.run("stop", execution).code == 0, "stopping twice is no error"


def test_logs_follow_an_execution_that_runs(machine: Machine) -> None:
    execution = started(machine, "for i in 1 2 3; do echo line $i; sleep 0.3; done; exit 3")
    ran = machine.run("logs", "-f", execution)
    assert ran.code == 3, ran
    lines = [line.partition("| ")[2] for line in ran.out.splitlines()]
    assert [line for line in lines if line.startswith("line")] == ["line 1", "line 2", "line 3"]


def test_list_shows_the_newest_first_and_pages(machine: Machine) -> None:
    mine = [started(machine, f"echo {number}") for number in range(3)]
    listed = [item["execution_id"] for item in machine.json("list", "--limit", "3")["executions"]]
    assert set(mine) >= set(listed[:1])
    assert len(listed) == 3
    everything = machine.json("list", "--limit", "100")["executions"]
    assert {item["execution_id"] for item in everything} >= set(mine)
    assert machine.run("list", "--since", "1h").code == 0


def test_an_execution_that_is_not_there(machine: Machine) -> None:
    for verb in ("status", "logs", "stop"):
        ran = machine.run(verb, "0123456789ab")
        assert ran.code == 125, ran
        assert ran.out == ""
        assert "0123456789ab" in ran.err
        assert "Traceback" not in ran.err


def test_a_wrong_key_is_refused(machine: Machine, tmp_path: Path) -> None:
    stranger = Machine(
        tmp_path, machine.folder, machine.reached_by() | {"MYCLI_API_KEY": "sk_live_" + "0" * 64}
    )
    ran = stranger.run("list")
    assert ran.code == 125, ran
    assert "unauthorized" in ran.err


def test_the_environment_configures_a_ci_job(machine: Machine, tmp_path: Path) -> None:
    job = Machine(tmp_path, machine.folder, machine.reached_by())
    assert job.follow("echo from ci").out == "from ci\n"


def test_an_error_under_json_is_a_document(machine: Machine) -> None:
    ran = machine.run("status", "0123456789ab", "--json")
    assert ran.code == 125
    assert "0123456789ab" in json.loads(ran.stdout)["error"]


def test_configure_checks_the_key_before_it_saves(machine: Machine, tmp_path: Path) -> None:
    reached = machine.reached_by()
    other = Machine(tmp_path / "other", machine.folder)
    wrong = other.run(
        "configure", "--endpoint", reached["MYCLI_API_ENDPOINT"], stdin="sk_live_" + "0" * 64
    )
    assert wrong.code == 125, wrong
    assert not (other.home / "config.yaml").exists()
    right = other.run(
        "configure", "--endpoint", reached["MYCLI_API_ENDPOINT"], stdin=reached["MYCLI_API_KEY"]
    )
    assert right.code == 0, right
    assert reached["MYCLI_API_KEY"] not in right.out + right.err
    assert other.follow("echo configured").out == "configured\n"


def test_doctor_finds_a_stack_on_this_machine_well(machine: Machine) -> None:
    told = machine.json("doctor")
    assert told["healthy"] is True
    verdicts = {check["check"]: check["verdict"] for check in told["checks"]}
    looked_at = {"configuration", "account", "runtime", "API key", "function"}
    assert verdicts == dict.fromkeys(looked_at, "ok"), told


def test_doctor_says_that_the_account_has_stopped(machine: Machine) -> None:
    machine.run("local", "stop")
    try:
        ran = machine.run("doctor")
    finally:
        machine.run("local", "start")
    assert ran.code == 1
    assert "✗ account: the account on this machine is stopped\n    `mycli local start`" in ran.out
    assert machine.run("doctor").code == 0
