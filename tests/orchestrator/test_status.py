"""status, and how a record is healed whose events did not come."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.stub import Stubber

from orchestrator.healing import FORGOTTEN_SECONDS, IN_FLIGHT_SECONDS, NEVER_STARTED_SECONDS
from tests.orchestrator.conftest import Account, Hooks, new_task_arn, task_event, task_of

MISSING: dict[str, Any] = {"tasks": [], "failures": [{"reason": "MISSING"}]}


def describe(account: Account, answer: dict[str, Any], **name: str) -> dict[str, Any]:
    """The status when ECS describes the execution's task so."""
    with Stubber(account.runtime.ecs) as ecs:
        ecs.add_response("describe_tasks", answer)
        return account.ok("status", **name)


def test_the_status_of_a_running_execution(account: Account) -> None:
    execution_id = account.start(
        command="make test",
        image="python:3.13",
        cpu=1024,
        memory=2048,
        workdir="/srv",
        timeout_seconds=60,
        env={"TOKEN": "hunter2", "CI": "1"},
    )
    task_arn = account.task_arn(execution_id)
    running = task_of(execution_id, task_arn, "RUNNING", startedAt="2026-09-21T14:14:00Z")
    account.clock.seconds += 40 + 3600  # an hour after it started

    answer = describe(account, {"tasks": [_for_stubber(running)]}, execution_id=execution_id)

    assert answer.pop("task_definition").endswith("mycli-task-python-3-13:1")
    assert answer == {
        "execution_id": execution_id,
        "status": "RUNNING",
        "desired_status": "RUNNING",
        "created_at": "2026-09-21T14:13:20Z",
        "task_arn": task_arn,
        "started_at": "2026-09-21T14:14:00Z",
        "stopped_at": None,
        "exit_code": None,
        "stopped_reason": None,
        "image": "python:3.13",
        "image_name": None,
        "cpu": 1024,
        "memory": 2048,
        "arch": "x86_64",
        "repo": None,
        "branch": None,
        "command": "make test",
        "workdir": "/srv",
        "timeout_seconds": 60,
        "env_names": ["CI", "TOKEN"],
        "cost_usd": pytest.approx(0.01242124 + 2 * 0.00136308, abs=1e-6),
    }


def test_a_record_of_before_says_what_it_has(account: Account) -> None:
    """An upgrade leaves the records of 90 days without what they did not hold."""
    execution_id = account.start(env={"CI": "1"}, workdir="/srv")
    account.runtime.dynamodb.update_item(
        TableName="mycli-executions",
        Key={"execution_id": {"S": execution_id}},
        UpdateExpression="REMOVE workdir, timeout_seconds, env_names",
    )

    found = account.ok("status", execution_id=execution_id)

    assert (found["workdir"], found["timeout_seconds"], found["env_names"]) == (None, None, [])


def _for_stubber(task: dict[str, Any]) -> dict[str, Any]:
    """The Stubber wants the times that botocore would have parsed."""
    from datetime import datetime

    times = {
        name: datetime.fromisoformat(task[name])
        for name in ("startedAt", "stoppedAt")
        if name in task
    }
    return {**task, **times}


def test_a_lost_end_is_healed_from_describe_tasks(account: Account) -> None:
    execution_id = account.start()
    ended = task_of(
        execution_id,
        account.task_arn(execution_id),
        "STOPPED",
        startedAt="2026-09-21T14:14:00Z",
        stoppedAt="2026-09-21T14:15:00Z",
        containers=[{"name": "executor", "exitCode": 3}],
    )

    answer = describe(account, {"tasks": [_for_stubber(ended)]}, execution_id=execution_id)

    assert (answer["status"], answer["exit_code"]) == ("STOPPED", 3)
    assert account.ok("status", execution_id=execution_id) == answer


def test_an_event_and_describe_tasks_say_the_same(account: Account) -> None:
    detail: dict[str, Any] = {
        "startedAt": "2026-09-21T14:14:00.999Z",
        "stoppedAt": "2026-09-21T14:15:00.001Z",
        "containers": [{"name": "executor", "exitCode": 0}],
    }
    told, described = account.start(), account.start()
    account.tell(task_event(told, account.task_arn(told), "STOPPED", **detail))
    task = task_of(described, account.task_arn(described), "STOPPED", **detail)

    by_event = account.ok("status", execution_id=told)
    by_call = describe(account, {"tasks": [_for_stubber(task)]}, execution_id=described)

    for name in ("status", "desired_status", "started_at", "stopped_at", "exit_code", "cost_usd"):
        assert by_event[name] == by_call[name], name


def test_missing_just_after_run_task_means_wait(account: Account) -> None:
    execution_id = account.start()
    account.clock.seconds += FORGOTTEN_SECONDS

    answer = describe(account, MISSING, execution_id=execution_id)

    assert answer["status"] != "STOPPED"


def test_a_task_that_ecs_forgot_is_over_without_an_exit_code(account: Account) -> None:
    execution_id = account.start()
    running = {"startedAt": "2026-09-21T14:14:00Z"}
    account.tell(task_event(execution_id, account.task_arn(execution_id), "RUNNING", **running))
    account.clock.seconds += FORGOTTEN_SECONDS + 1

    answer = describe(account, MISSING, execution_id=execution_id)

    assert answer["status"] == "STOPPED"
    assert answer["exit_code"] is None
    assert "does not know this task any more" in answer["stopped_reason"]
    assert answer["started_at"] == "2026-09-21T14:14:00Z"
    assert answer["cost_usd"] is None  # nobody knows for how long it ran


def test_a_status_never_goes_back(account: Account) -> None:
    execution_id = account.start()
    task_arn = account.task_arn(execution_id)
    account.tell(task_event(execution_id, task_arn, "DEPROVISIONING"))

    answer = describe(
        account,
        {"tasks": [task_of(execution_id, task_arn, "PENDING")]},
        execution_id=execution_id,
    )

    assert answer["status"] == "DEPROVISIONING"


def test_a_fresh_execution_without_a_task_is_left_alone(account: Account) -> None:
    execution_id = account.start_unanswered()
    account.clock.seconds += IN_FLIGHT_SECONDS - 1
    account.calls.clear()

    assert account.ok("status", execution_id=execution_id)["status"] == "starting"
    assert account.calls == ["GetItem"]


def test_an_answer_that_never_came_is_found_by_startedby(account: Account) -> None:
    execution_id = account.start_unanswered()
    task_arn = account.task_arn(execution_id)
    account.clock.seconds += IN_FLIGHT_SECONDS

    answer = account.ok("status", execution_id=execution_id)

    assert answer["task_arn"] == task_arn
    assert answer["status"] not in ("starting", "STOPPED")


def test_it_is_found_among_the_stopped_ones_too(account: Account) -> None:
    """ListTasks by startedBy shows running tasks alone: which moto does not know."""
    execution_id = account.start_unanswered()
    others = [task_of("6ab000000000", new_task_arn(number), "STOPPED") for number in (1, 2)]
    del others[1]["startedBy"]  # started by hand
    ours = task_of(
        execution_id,
        new_task_arn(3),
        "STOPPED",
        containers=[{"name": "executor", "exitCode": 5}],
    )
    stopped = [task["taskArn"] for task in (*others, ours)]
    account.clock.seconds += IN_FLIGHT_SECONDS
    with Stubber(account.runtime.ecs) as ecs:
        cluster = {"cluster": "mycli-cluster"}
        ecs.add_response("list_tasks", {"taskArns": []}, {**cluster, "startedBy": execution_id})
        pages = {**cluster, "desiredStatus": "STOPPED"}
        ecs.add_response("list_tasks", {"taskArns": stopped[:2], "nextToken": "2"}, pages)
        ecs.add_response("list_tasks", {"taskArns": stopped[2:]}, {**pages, "nextToken": "2"})
        ecs.add_response(
            "describe_tasks", {"tasks": [*others, ours]}, {**cluster, "tasks": stopped}
        )
        answer = account.ok("status", execution_id=execution_id)

    assert (answer["status"], answer["exit_code"]) == ("STOPPED", 5)
    assert answer["task_arn"] == ours["taskArn"]


def test_a_hundred_tasks_are_described_at_once(account: Account) -> None:
    """DescribeTasks takes no more."""
    execution_id = account.start_unanswered()
    stopped = [new_task_arn(number) for number in range(101)]
    account.clock.seconds += IN_FLIGHT_SECONDS
    with Stubber(account.runtime.ecs) as ecs:
        cluster = {"cluster": "mycli-cluster"}
        ecs.add_response("list_tasks", {"taskArns": []})
        ecs.add_response("list_tasks", {"taskArns": stopped})
        ecs.add_response("describe_tasks", {"tasks": []}, {**cluster, "tasks": stopped[:100]})
        ecs.add_response("describe_tasks", {"tasks": []}, {**cluster, "tasks": stopped[100:]})
        assert account.ok("status", execution_id=execution_id)["status"] == "starting"


def test_a_task_of_somebody_else_is_not_taken_for_ours(account: Account) -> None:
    lost, other = account.start_unanswered(), account.start()
    account.forget_task(account.task_arn(lost))
    account.runtime.ecs.stop_task(
        cluster="mycli-cluster", task=account.task_arn(other), reason="by hand"
    )
    account.clock.seconds += NEVER_STARTED_SECONDS

    assert account.ok("status", execution_id=lost)["status"] == "starting"

    account.clock.seconds += 1
    answer = account.ok("status", execution_id=lost)
    assert (answer["status"], answer["exit_code"]) == ("STOPPED", None)
    assert answer["stopped_reason"] == "never started"
    assert answer["task_arn"] is None


def test_an_execution_is_found_by_its_task_before_the_index_knows_it(account: Account) -> None:
    execution_id = account.start_unanswered()
    task_arn = account.task_arn(execution_id)

    assert account.ok("status", task_arn=task_arn)["execution_id"] == execution_id


def test_a_task_that_was_not_started_by_us_is_no_execution(account: Account) -> None:
    execution_id = account.start()
    body = {**account.run_task_bodies[0], "startedBy": "somebody", "clientToken": "other"}
    foreign = account.runtime.ecs.run_task(**body)["tasks"][0]["taskArn"]

    assert account.ask("status", task_arn=foreign)[0] == 404
    assert account.ask("status", execution_id=execution_id)[0] == 200


def test_an_arn_of_another_account_is_a_404(account: Account) -> None:
    task_arn = account.task_arn(account.start())

    assert account.ask("status", task_arn=task_arn.replace("1234", "9999"))[0] == 404


def test_a_throttled_look_is_a_429(account: Account, hooks: Hooks) -> None:
    execution_id = account.start()
    hooks.fail("ecs.DescribeTasks", "ThrottlingException", "Rate exceeded")

    assert account.ask("status", execution_id=execution_id)[0] == 429


def test_a_lost_execution_is_healed_in_a_list_too(account: Account) -> None:
    execution_id = account.start_unanswered()
    account.clock.seconds += IN_FLIGHT_SECONDS

    [found] = account.ok("list")["executions"]

    assert found["execution_id"] == execution_id
    assert found["task_arn"] == account.task_arn(execution_id)


def test_a_task_that_turns_up_after_all_is_stopped(account: Account) -> None:
    """What the user was told stays true: STOPPED is final."""
    execution_id = account.start_unanswered()
    task_arn = account.task_arn(execution_id)
    with Stubber(account.runtime.ecs) as ecs:
        ecs.add_response("list_tasks", {"taskArns": []})
        ecs.add_response("list_tasks", {"taskArns": []})
        account.clock.seconds += NEVER_STARTED_SECONDS + 1
        assert account.ok("status", execution_id=execution_id)["status"] == "STOPPED"
    before = account.item(execution_id)

    account.tell(task_event(execution_id, task_arn, "RUNNING"))

    assert account.item(execution_id) == before
    assert account.tasks()[0]["desiredStatus"] == "STOPPED"
