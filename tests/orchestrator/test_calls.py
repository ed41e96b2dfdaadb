"""How many calls to AWS an action makes."""

from __future__ import annotations

import pytest

from tests.orchestrator.conftest import Account, task_event


def test_an_exec_of_a_known_image_on_a_warm_function_makes_three(account: Account) -> None:
    account.start(image="python:3.13")
    account.calls.clear()

    account.start(image="python:3.13", request_id="a-request")

    assert account.calls == ["TransactWriteItems", "RunTask", "UpdateItem"]


def test_a_named_image_makes_one_more(account: Account) -> None:
    account.ok("register_image", name="py", image="python:3.13")
    account.start(image="py")
    account.calls.clear()

    account.start(image="py", request_id="a-request")

    assert account.calls == ["GetItem", "TransactWriteItems", "RunTask", "UpdateItem"]


def test_a_cold_function_that_finds_the_image_makes_two_more(account: Account) -> None:
    account.start()
    account.runtime.remembered.clear()
    account.calls.clear()

    answer = account.ok("exec", command="true", skip_git=True)

    assert answer["task_definition_cached"]
    assert account.calls == ["DescribeTaskDefinition"] * 2 + [
        "TransactWriteItems",
        "RunTask",
        "UpdateItem",
    ]


@pytest.mark.parametrize("name", ["execution_id", "task_arn"])
@pytest.mark.parametrize("action", ["status", "logs", "stop"])
def test_a_finished_execution_is_answered_with_two(
    account: Account, name: str, action: str
) -> None:
    execution_id = account.start()
    task_arn = account.task_arn(execution_id)
    account.write_log(task_arn, "a line")
    account.tell(task_event(execution_id, task_arn, "STOPPED"))
    account.calls.clear()

    account.ok(action, **{name: {"execution_id": execution_id, "task_arn": task_arn}[name]})

    read = {"execution_id": "GetItem", "task_arn": "Query"}[name]
    assert account.calls == [read, *(["GetLogEvents"] if action == "logs" else [])]


def test_an_event_is_one(account: Account) -> None:
    execution_id = account.start()
    task_arn = account.task_arn(execution_id)
    account.calls.clear()

    account.tell(task_event(execution_id, task_arn, "STOPPED"))

    assert account.calls == ["UpdateItem"]


def test_a_list_heals_a_hundred_with_one_more(account: Account) -> None:
    for _ in range(5):
        account.start()
    account.calls.clear()

    account.ok("list", limit=5)

    assert account.calls[:2] == ["Query", "DescribeTasks"]
    assert set(account.calls[2:]) <= {"UpdateItem"}


def test_a_look_that_shows_an_older_status_is_not_written(account: Account) -> None:
    execution_id = account.start()
    task_arn = account.task_arn(execution_id)
    account.tell(task_event(execution_id, task_arn, "DEPROVISIONING", desiredStatus="STOPPED"))
    account.calls.clear()

    account.ok("status", execution_id=execution_id)

    assert account.calls == ["GetItem", "DescribeTasks"]
