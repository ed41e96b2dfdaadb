"""The function dies before or after any one of its calls to AWS: nothing is lost, stuck or doubled.

`test_repeat.py` has the first exec of an image, `test_orders.py` many deaths in one life.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from orchestrator.healing import NEVER_STARTED_SECONDS
from tests.orchestrator.conftest import (
    AFTER,
    BEFORE,
    Account,
    Died,
    Fuse,
    Hooks,
    task_event,
)

NUMBERS = itertools.count()


def each_death(fuse: Fuse, prepare: Callable[[], Callable[[], object]]) -> Iterator[None]:
    """Let what prepare answers die at its first call, another one at its second, … until none does.

    Yields after each death, in a new process.
    """
    for moment in (BEFORE, AFTER):
        for number in itertools.count():
            act = prepare()
            fuse.light(moment, number)
            try:
                act()
            except Died:
                yield
            else:
                fuse.put_out()
                assert number > 0
                break


def new_exec(account: Account) -> dict[str, Any]:
    account.clock.seconds += 1
    account.runtime.remembered.clear()
    return {"command": "true", "skip_git": True, "request_id": f"request-{next(NUMBERS)}"}


def tasks_of(account: Account, request: dict[str, Any]) -> list[str]:
    """The ARNs of the tasks that run for this request."""
    pointer = account.item(f"request#{request['request_id']}")
    started_by = pointer and pointer["started"]["S"]
    return [task["taskArn"] for task in account.tasks() if task["startedBy"] == started_by]


@pytest.mark.parametrize("look", ["status", "list"])
def test_nothing_is_starting_for_ever_though_nobody_repeats(
    account: Account, fuse: Fuse, look: str
) -> None:
    account.start()
    request: dict[str, Any] = {}

    def prepare() -> Callable[[], object]:
        request.update(new_exec(account))
        return lambda: account.ask("exec", **request)

    for _ in each_death(fuse, prepare):
        account.clock.seconds += NEVER_STARTED_SECONDS + 1
        pointer = account.item(f"request#{request['request_id']}")
        if pointer is None:
            assert tasks_of(account, request) == []
            continue
        execution_id = pointer["started"]["S"]
        if look == "status":
            found = account.ok("status", execution_id=execution_id)
        else:
            [found] = account.ok("list", limit=1)["executions"]
        assert found["execution_id"] == execution_id
        assert [found["task_arn"]] == (tasks_of(account, request) or [None])
        assert found["status"] != "starting"
        assert found["task_arn"] or found["stopped_reason"] == "never started"


def test_a_revision_that_is_gone_is_replaced_once(
    account: Account, hooks: Hooks, fuse: Fuse
) -> None:
    account.start()
    request: dict[str, Any] = {}
    gone: list[str] = []

    def refuse(body: dict[str, Any]) -> dict[str, Any] | None:
        words = "TaskDefinition is inactive"
        missing = body["taskDefinition"] in gone
        return {"Error": {"Code": "ClientException", "Message": words}} if missing else None

    hooks.answer("ecs.RunTask", refuse)

    def prepare() -> Callable[[], object]:
        request.update(new_exec(account))
        gone.append(account.ok("exec", command="true", skip_git=True)["task_definition"])
        account.runtime.ecs.deregister_task_definition(taskDefinition=gone[-1])
        return lambda: account.ask("exec", **request)

    for _ in each_death(fuse, prepare):
        account.runtime.remembered.clear()
        answer = account.ok("exec", **request)
        assert tasks_of(account, request) == [answer["task_arn"]]
        found = account.ok("status", execution_id=answer["execution_id"])
        assert found["task_arn"] == answer["task_arn"]
        assert found["task_definition"] == answer["task_definition"] != gone[-1]


@pytest.mark.parametrize("repeated", [True, False])
def test_a_start_that_was_refused_ends(
    account: Account, hooks: Hooks, fuse: Fuse, repeated: bool
) -> None:
    account.start()
    request: dict[str, Any] = {}
    refused = {"Error": {"Code": "AccessDeniedException", "Message": "not you"}}
    hooks.answer("ecs.RunTask", lambda _: refused)

    def prepare() -> Callable[[], object]:
        request.update(new_exec(account))
        return lambda: account.ask("exec", **request)

    for _ in each_death(fuse, prepare):
        if repeated:
            status, answer = account.ask("exec", **request)
            assert (status, "not you" in answer["error"]) in [(502, True), (409, True)]
        else:
            account.clock.seconds += NEVER_STARTED_SECONDS + 1
        pointer = account.item(f"request#{request['request_id']}")
        if pointer:
            found = account.ok("status", execution_id=pointer["started"]["S"])
            assert (found["status"], found["exit_code"]) == ("STOPPED", None)
            assert found["stopped_reason"].startswith("never started")


@pytest.mark.parametrize("noted", [True, False])
def test_a_stop_that_died_is_finished_by_the_next(
    account: Account, fuse: Fuse, noted: bool
) -> None:
    execution_id = ""

    def prepare() -> Callable[[], object]:
        nonlocal execution_id
        execution_id = account.start() if noted else account.start_unanswered()
        return lambda: account.ask("stop", execution_id=execution_id, reason="enough")

    for _ in each_death(fuse, prepare):
        assert account.ok("stop", execution_id=execution_id, reason="enough") == {
            "status": "STOPPED"
        }
        [task] = [task for task in account.tasks() if task["startedBy"] == execution_id]
        assert task["desiredStatus"] == "STOPPED"
        found = account.ok("status", execution_id=execution_id)
        assert (found["stopped_reason"], found["task_arn"]) == ("enough", task["taskArn"])


def test_an_event_whose_delivery_died_is_noted_when_it_comes_again(
    account: Account, fuse: Fuse
) -> None:
    ended = {"containers": [{"name": "executor", "exitCode": 3}]}
    event: dict[str, Any] = {}

    def prepare() -> Callable[[], object]:
        execution_id = account.start()
        event.update(task_event(execution_id, account.task_arn(execution_id), "STOPPED", **ended))
        return lambda: account.tell(event)

    for _ in each_death(fuse, prepare):
        account.tell(event)
        found = account.ok("status", execution_id=event["detail"]["startedBy"])
        assert (found["status"], found["exit_code"]) == ("STOPPED", 3)


def test_a_stray_task_is_stopped_though_the_first_delivery_died(
    account: Account, fuse: Fuse
) -> None:
    event: dict[str, Any] = {}

    def prepare() -> Callable[[], object]:
        execution_id = account.start()
        body = {**account.run_task_bodies[-1], "clientToken": f"stray-{next(NUMBERS)}"}
        stray = account.runtime.ecs.run_task(**body)["tasks"][0]["taskArn"]
        event.update(task_event(execution_id, stray, "RUNNING"))
        return lambda: account.tell(event)

    for _ in each_death(fuse, prepare):
        account.tell(event)
        stopped = [task for task in account.tasks() if task["desiredStatus"] == "STOPPED"]
        assert event["detail"]["taskArn"] in [task["taskArn"] for task in stopped]


def test_a_task_that_ran_unseen_is_not_said_to_have_never_started(account: Account) -> None:
    """Its answer and its events got lost, and ECS forgets a task an hour after its end."""
    execution_id = account.start_unanswered()
    account.forget_task(account.task_arn(execution_id))
    account.clock.seconds += 3 * 3600

    found = account.ok("status", execution_id=execution_id)

    assert (found["status"], found["exit_code"]) == ("STOPPED", None)
    assert "nobody knows whether it started" in found["stopped_reason"]


def test_two_repeats_at_once_finish_one_execution(
    account: Account, hooks: Hooks, fuse: Fuse
) -> None:
    """The second comes between any two calls of the first, after a death at any call."""
    account.start()
    request: dict[str, Any] = {}
    inner: list[dict[str, Any]] = []
    due: list[int] = []

    def repeat(_: str) -> None:
        if due and due[0] == 0:
            due.clear()
            inner.append(account.ok("exec", **request))
        elif due:
            due[0] -= 1

    hooks.watch(BEFORE, repeat)

    def prepare() -> Callable[[], object]:
        request.update(new_exec(account))
        return lambda: account.ask("exec", **request)

    for _ in each_death(fuse, prepare):
        for number in range(6):
            inner.clear()
            due[:] = [number]
            outer = account.ok("exec", **request)
            due.clear()
            assert [answer["task_arn"] for answer in inner] in ([], [outer["task_arn"]])
            assert tasks_of(account, request) == [outer["task_arn"]]
