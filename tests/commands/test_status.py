"""mycli status."""

from __future__ import annotations

import json

from tests.conftest import Mycli
from tests.fake_endpoint import ARN, ID, STATUS, FakeEndpoint


def test_a_running_one_begins_as_it_always_did(configured: FakeEndpoint, mycli: Mycli) -> None:
    running = {**STATUS, "status": "RUNNING", "desired_status": "RUNNING", "exit_code": None}
    configured.says("status", running)
    ran = mycli("status", ID)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(
        "Status:         RUNNING\nDesired Status: RUNNING\nCreated At:     2026-01-31T11:59:00Z\n"
    )
    for unknown in ("Exit Code", "Folder", "Time Limit", "Variables"):
        assert unknown not in ran.out


def test_a_finished_one(configured: FakeEndpoint, mycli: Mycli) -> None:
    finished = {
        **STATUS,
        "exit_code": 7,
        "stopped_reason": "Essential container exited\x1b[2J",
        "cost_usd": 0.000312,
        "repo": "https://github.com/user/infra",
        "image": "hashicorp/terraform:1.6",
        "image_name": "terraform",
        "cpu": 256,
        "memory": 512,
        "arch": "arm64",
        "workdir": "infra/prod",
        "timeout_seconds": 5400,
        "env_names": ["CI", "TOKEN"],
    }
    configured.says("status", finished)
    ran = mycli("status", ARN)
    assert ran.code == 0, "the question was answered, whatever the answer"
    assert "Exit Code:      7\n" in ran.out
    assert "Essential container exited\\x1b[2J" in ran.out
    assert "$0.000312 (an estimate)" in ran.out
    assert "Image:          hashicorp/terraform:1.6 (named terraform)\n" in ran.out
    assert "CPU:            0.25 vCPU\nMemory:         512 MB\nArchitecture:   arm64\n" in ran.out
    assert "Folder:         infra/prod\nTime Limit:     90m\n" in ran.out
    assert "Variables:      CI TOKEN\n" in ran.out
    assert configured.asked("status")[0] == {"action": "status", "task_arn": ARN}


def test_one_that_never_came_to_an_exit_code_says_so_and_why(
    configured: FakeEndpoint, mycli: Mycli
) -> None:
    reason = "CannotPullContainerError: no such image"
    lost = {**STATUS, "exit_code": None}
    configured.says("status", {**lost, "stopped_reason": reason}, lost)
    shown = mycli("status", ID).out
    assert "Exit Code:      none: the command never came to one (counts as failed, 125)\n" in shown
    assert f"Reason:         {reason}\n" in shown
    for never in ("Started At", "Cost"):
        assert never not in shown
    assert "Reason:         no reason was given\n" in mycli("status", ID).out


def test_as_json(configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.says("status", STATUS)
    document = json.loads(mycli("status", ID, "--json").out)
    assert document["execution_id"] == ID
    assert document["exit_code"] == 0
    assert document["stopped_reason"] is None


def test_what_is_no_executions_name_is_refused(configured: FakeEndpoint, mycli: Mycli) -> None:
    ran = mycli("status", "the-last-one")
    assert (ran.code, ran.out) == (2, "")
    assert "execution is 'the-last-one'" in ran.err
    assert "execution_id" not in ran.err
    assert configured.seen == []


def test_an_execution_that_is_not_there(configured: FakeEndpoint, mycli: Mycli) -> None:
    ran = mycli("status", ID)
    assert (ran.code, ran.out) == (125, "")
    assert "no such execution" in ran.err
