from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from tests.orchestrator.conftest import Account, Hooks, api_event, task_event, task_of


def stopping(
    account: Account, execution_id: str, reason: str, sent: dict[str, Any]
) -> dict[str, Any]:
    """The answer to a stop, when ECS sends TERM and the container takes its time."""
    task_arn = account.task_arn(execution_id)
    task = task_of(execution_id, task_arn, "RUNNING", desiredStatus="STOPPED")
    with Stubber(account.runtime.ecs) as ecs:
        ecs.add_response("stop_task", {"task": task}, {"cluster": "mycli-cluster", **sent})
        return account.ok("stop", execution_id=execution_id, reason=reason)


def test_a_running_execution_is_stopping(account: Account) -> None:
    execution_id = account.start()
    task_arn = account.task_arn(execution_id)

    answer = stopping(account, execution_id, "too slow", {"task": task_arn, "reason": "too slow"})

    assert answer == {"status": "STOPPING"}
    item = account.item(execution_id)
    assert item
    assert item["desired_status"] == {"S": "STOPPED"}


@pytest.mark.parametrize("name", ["execution_id", "task_arn"])
def test_it_ends_with_the_reason(account: Account, name: str) -> None:
    execution_id = account.start()
    names = {"execution_id": execution_id, "task_arn": account.task_arn(execution_id)}

    assert account.ok("stop", **{name: names[name]}, reason="too slow") == {"status": "STOPPED"}
    found = account.ok("status", execution_id=execution_id)
    assert found["stopped_reason"] == "too slow"


def test_a_stop_without_a_reason_has_one(account: Account) -> None:
    execution_id = account.start()

    account.ok("stop", execution_id=execution_id)

    found = account.ok("status", execution_id=execution_id)
    assert found["stopped_reason"] == "stopped by the user"


def test_a_long_reason_is_cut_to_what_ecs_takes(account: Account) -> None:
    execution_id = account.start()

    stopping(account, execution_id, "x" * 300, {"task": ANY, "reason": "x" * 255})


def test_stopping_again_is_safe(account: Account) -> None:
    execution_id = account.start()

    for _ in range(3):
        assert account.ok("stop", execution_id=execution_id) == {"status": "STOPPED"}

    assert account.calls.count("StopTask") == 1


def test_a_finished_execution_keeps_its_end(account: Account) -> None:
    execution_id = account.start()
    ended = {"containers": [{"name": "executor", "exitCode": 0}]}
    account.tell(task_event(execution_id, account.task_arn(execution_id), "STOPPED", **ended))

    assert account.ok("stop", execution_id=execution_id) == {"status": "STOPPED"}
    assert account.ok("status", execution_id=execution_id)["exit_code"] == 0


def test_a_task_that_ecs_does_not_know_any_more(account: Account) -> None:
    execution_id = account.start()
    account.clock.seconds += 7200
    with Stubber(account.runtime.ecs) as ecs:
        ecs.add_client_error(
            "stop_task", "InvalidParameterException", "The referenced task was not found."
        )
        ecs.add_response("describe_tasks", {"tasks": []})
        assert account.ok("stop", execution_id=execution_id) == {"status": "STOPPED"}


def test_nobody_is_told_that_it_stops_where_ecs_does_not_know_the_task(
    account: Account, hooks: Hooks
) -> None:
    """Just after RunTask ECS may not know it yet: the client asks again."""
    execution_id = account.start()
    hooks.fail("ecs.StopTask", "InvalidParameterException", "The referenced task was not found.")

    answer = account.send(api_event(json.dumps({"action": "stop", "execution_id": execution_id})))

    assert answer["statusCode"] == 502
    assert answer["headers"]["Retry-After"]
    assert account.ok("stop", execution_id=execution_id) == {"status": "STOPPED"}


def test_another_refusal_is_a_502(account: Account, hooks: Hooks) -> None:
    execution_id = account.start()
    hooks.fail("ecs.StopTask", "AccessDeniedException", "you may not")

    assert account.ask("stop", execution_id=execution_id)[0] == 502


def test_an_execution_whose_task_is_not_noted_yet_is_found_and_stopped(account: Account) -> None:
    execution_id = account.start_unanswered()

    account.ok("stop", execution_id=execution_id, reason="too slow")

    [task] = account.tasks()
    assert task["desiredStatus"] == "STOPPED"
    assert account.ok("status", execution_id=execution_id)["stopped_reason"] == "too slow"


def test_an_execution_that_has_no_task_yet_ends_at_once(account: Account) -> None:
    execution_id = account.start_unanswered()
    with Stubber(account.runtime.ecs) as ecs:
        ecs.add_response("list_tasks", {"taskArns": []})
        ecs.add_response("list_tasks", {"taskArns": []})
        assert account.ok("stop", execution_id=execution_id) == {"status": "STOPPED"}

    found = account.ok("status", execution_id=execution_id)
    assert found["stopped_reason"] == "stopped by the user, before its task started"
    assert found["exit_code"] is None


def test_a_task_that_is_noted_at_that_moment_is_stopped(account: Account, hooks: Hooks) -> None:
    """Looked for and not found, then noted by its event, just before the record is ended."""
    execution_id = account.start_unanswered()
    account.forget_task(account.task_arn(execution_id))
    body = {**account.run_task_bodies[0], "startedBy": "unseen", "clientToken": "unseen"}
    task_arn = account.runtime.ecs.run_task(**body)["tasks"][0]["taskArn"]
    events = iter([task_event(execution_id, task_arn, "RUNNING")])

    def note(_: str) -> None:
        for event in events:
            account.tell(event)

    hooks.watch("before-call.dynamodb.UpdateItem", note)

    assert account.ok("stop", execution_id=execution_id, reason="x") == {"status": "STOPPED"}

    [task] = account.tasks()
    assert task["desiredStatus"] == "STOPPED"
    assert account.ok("status", execution_id=execution_id)["task_arn"] == task_arn
