"""Destroy closes a stack while an exec is under way: that is refused, or its task is stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from mycli.stack import executions
from tests.orchestrator.conftest import Account, Hooks
from tests.task_script import wait_until

DestroyBefore = Callable[[str], "Future[int]"]


@pytest.fixture
def destroy_before(account: Account, hooks: Hooks) -> Iterator[DestroyBefore]:
    """Let a destroy begin just before this call of the function's, and get as far as it can."""
    dynamodb, ecs = account.runtime.dynamodb, account.runtime.ecs
    stopped = Future[int]()
    looks: list[str] = []

    def destroy() -> None:
        stopped.set_result(executions.end_all(dynamodb, ecs, "mycli", lambda _: None))

    with ThreadPoolExecutor(1) as pool:

        def arm(operation: str) -> Future[int]:
            waiting = [operation]

            def begin(name: str) -> None:
                if waiting == [name]:
                    waiting.clear()
                    pool.submit(destroy)
                    wait_until(lambda: bool(looks) or stopped.done())

            hooks.watch("provide-client-params", begin)
            hooks.watch("after-call", lambda name: looks.append(name) if name == "Scan" else None)
            return stopped

        yield arm


def test_an_exec_between_its_record_and_its_task_is_waited_for(
    account: Account, destroy_before: DestroyBefore
) -> None:
    stopped = destroy_before("RunTask")

    account.start()

    assert stopped.result(10) == 1
    assert [task["lastStatus"] for task in account.tasks()] == ["STOPPED"]


def test_an_exec_whose_task_is_not_noted_yet_is_stopped_too(
    account: Account, destroy_before: DestroyBefore
) -> None:
    stopped = destroy_before("UpdateItem")

    account.start()

    assert stopped.result(10) == 1
    assert [task["lastStatus"] for task in account.tasks()] == ["STOPPED"]


def test_an_exec_that_has_no_record_yet_is_refused(
    account: Account, destroy_before: DestroyBefore
) -> None:
    stopped = destroy_before("TransactWriteItems")

    status, answer = account.ask("exec", command="true", skip_git=True)

    assert (status, answer["error"]) == (409, "this stack is being destroyed")
    assert stopped.result(10) == 0
    assert account.tasks() == []


def test_the_repeat_of_an_exec_that_was_throttled_is_refused(
    account: Account, hooks: Hooks
) -> None:
    request = {"command": "true", "skip_git": True, "request_id": "0123456789abcdef"}
    hooks.fail("ecs.RunTask", "ThrottlingException", "Rate exceeded")
    assert account.ask("exec", **request)[0] == 429
    executions.refuse_new(account.runtime.dynamodb, "mycli-executions")

    assert account.ask("exec", **request)[0] == 409
    assert account.tasks() == []


def test_one_whose_function_died_is_not_waited_for_for_ever(account: Account) -> None:
    account.start_unanswered()

    executions.wait_for_starts(
        account.runtime.dynamodb, "mycli-executions", seconds=0.1, poll_seconds=0.01
    )

    assert "Scan" in account.calls
