"""An exec that is sent again, after whatever happened to the first, starts one task."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.orchestrator.conftest import AFTER, BEFORE, Account, Died, Fuse, Hooks

BODY = {
    "command": "true",
    "skip_git": True,
    "env": {"B": "2", "A": "1"},
    "request_id": "one-request",
}
COLD_CALLS = [
    "DescribeTaskDefinition",  # the template
    "DescribeTaskDefinition",  # the image's two families
    "DescribeTaskDefinition",
    "PutItem",  # the lock
    "DescribeTaskDefinition",
    "DescribeTaskDefinition",
    "RegisterTaskDefinition",
    "DeleteItem",
    "TransactWriteItems",
    "RunTask",
    "UpdateItem",
]


@pytest.mark.parametrize("moment", [BEFORE, AFTER])
@pytest.mark.parametrize("number", range(len(COLD_CALLS)))
def test_a_death_between_any_two_calls_leaves_one_task(
    account: Account, fuse: Fuse, moment: str, number: int
) -> None:
    fuse.light(moment, number)
    with pytest.raises(Died):
        account.ask("exec", **BODY)
    if moment == BEFORE:
        assert account.calls == COLD_CALLS[: number + 1]
    account.runtime.remembered.clear()  # a new process

    answer = account.ok("exec", **BODY)
    again = account.ok("exec", **BODY)

    [task] = account.tasks()
    assert task["startedBy"] == answer["execution_id"]
    assert answer["task_arn"] == again["task_arn"] == task["taskArn"]
    assert answer["execution_id"] == again["execution_id"]
    assert [one["execution_id"] for one in account.ok("list")["executions"]] == [
        answer["execution_id"]
    ]


def test_the_repeat_sends_exactly_what_the_first_one_sent(account: Account, fuse: Fuse) -> None:
    fuse.light(f"{BEFORE}.dynamodb.UpdateItem", 0)
    with pytest.raises(Died):
        account.ask("exec", **BODY)
    account.clock.seconds += 60

    account.ok("exec", **{**BODY, "env": {"A": "1", "B": "2"}})

    first, second = account.run_task_bodies
    assert first == second


def test_a_template_that_changed_in_between_still_starts_one_task(
    account: Account, fuse: Fuse
) -> None:
    """ECS answers another request under a used token with a conflict that names the task."""
    fuse.light(f"{BEFORE}.dynamodb.UpdateItem", 0)
    with pytest.raises(Died):
        account.ask("exec", **BODY)
    account.runtime.settings = _with_other_subnet(account)

    answer = account.ok("exec", **BODY)

    [task] = account.tasks()
    assert answer["task_arn"] == task["taskArn"]


def _with_other_subnet(account: Account) -> Any:
    import dataclasses

    return dataclasses.replace(account.runtime.settings, subnets=("subnet-other",))


def test_a_repeat_while_the_first_is_in_flight_answers_the_same(
    account: Account, hooks: Hooks
) -> None:
    """The second comes between the first one's RunTask and its note of the answer."""
    inner: list[dict[str, Any]] = []

    def repeat(**_: object) -> None:
        if not inner:
            inner.append({})
            inner[0] = account.ok("exec", **BODY)

    hooks.add("before-call.dynamodb.UpdateItem", repeat)

    outer = account.ok("exec", **BODY)

    assert len(account.tasks()) == 1
    assert inner[0]["task_arn"] == outer["task_arn"]
    assert inner[0]["execution_id"] == outer["execution_id"]


def test_one_of_two_repeats_that_is_refused_answers_what_the_other_one_started(
    account: Account, hooks: Hooks
) -> None:
    account.start()
    inner: list[dict[str, Any]] = []
    answered: list[None] = []

    def refuse_the_first(_: Any) -> dict[str, Any] | None:
        answered.append(None)
        if len(answered) != 1:
            return None
        inner.append(account.ok("exec", **BODY))
        return {"Error": {"Code": "AccessDeniedException", "Message": "not you"}}

    hooks.answer("ecs.RunTask", refuse_the_first)

    outer = account.ok("exec", **BODY)

    assert outer["task_arn"] == inner[0]["task_arn"]
    assert len(account.tasks()) == 2


@pytest.mark.parametrize(
    "change",
    [{"command": "false"}, {"env": {"A": "1"}}, {"image": "alpine"}, {"timeout_seconds": 5}],
)
def test_another_body_under_the_same_request_id_is_a_409(
    account: Account, change: dict[str, object]
) -> None:
    account.ok("exec", **BODY)

    status, answer = account.ask("exec", **{**BODY, **change})

    assert status == 409
    assert "request_id" in answer["error"]
    assert len(account.tasks()) == 1


def test_a_field_that_this_version_ignores_is_no_other_body(account: Account) -> None:
    first = account.ok("exec", **BODY)

    assert account.ok("exec", **BODY, future=1)["execution_id"] == first["execution_id"]


def test_other_request_ids_start_other_tasks(account: Account) -> None:
    for number in range(3):
        account.ok("exec", **{**BODY, "request_id": f"request-{number}"})

    assert len(account.tasks()) == 3


def test_a_repeat_of_a_finished_execution_answers_it(account: Account) -> None:
    first = account.ok("exec", **BODY)
    account.ok("stop", execution_id=first["execution_id"])

    again = account.ok("exec", **BODY)

    assert again == {**first, "status": "STOPPED"}
    assert len(account.tasks()) == 1


def test_a_repeat_after_the_token_is_forgotten_starts_nothing_new(
    account: Account, fuse: Fuse
) -> None:
    """ECS remembers a token for a day at most: later, the cluster's tasks are asked instead."""
    fuse.light(f"{BEFORE}.dynamodb.UpdateItem", 0)
    with pytest.raises(Died):
        account.ask("exec", **BODY)
    account.clock.seconds += 2 * 24 * 3600

    answer = account.ok("exec", **BODY)

    assert account.calls.count("RunTask") == 1
    assert answer["task_arn"] == account.tasks()[0]["taskArn"]


def test_a_repeat_long_after_nothing_was_started_is_a_409(account: Account, fuse: Fuse) -> None:
    fuse.light(f"{BEFORE}.ecs.RunTask", 0)
    with pytest.raises(Died):
        account.ask("exec", **BODY)
    account.clock.seconds += 3600

    status, answer = account.ask("exec", **BODY)

    assert status == 409
    assert "never started" in answer["error"]
    assert account.tasks() == []


def test_the_fingerprint_of_the_body_is_keyed(account: Account) -> None:
    """Else a weak value could be found by guessing, by whoever reads the table."""
    account.ok("exec", **BODY)

    pointer = account.item("request#one-request")
    assert pointer
    body = {"action": "exec", "timeout_seconds": 1800, **BODY}
    del body["request_id"]
    key = account.runtime.settings.api_key_hash.encode()
    keyed = hmac.new(key, json.dumps(body, sort_keys=True).encode(), "sha256").hexdigest()
    assert pointer["digest"]["S"] == keyed


def test_a_task_that_starts_after_its_execution_was_stopped_is_stopped(
    account: Account, hooks: Hooks
) -> None:
    def stop_it(**_: object) -> None:
        [record] = [item for item in account.items() if "month" in item]
        account.ok("stop", execution_id=record["execution_id"]["S"])

    _once(hooks, "before-call.ecs.RunTask", stop_it)

    status, answer = account.ask("exec", **BODY)

    assert status == 409
    assert "before its task started" in answer["error"]
    [task] = account.tasks()
    assert task["desiredStatus"] == "STOPPED"


def _once(hooks: Hooks, moment: str, action: Callable[..., None]) -> None:
    todo = [action]

    def act(**_: object) -> None:
        if todo:
            todo.pop()()

    hooks.add(moment, act)
