"""Task definitions are removed, but none that is used, the template, or another stack's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.healing import NEVER_STARTED_SECONDS
from tests.orchestrator.conftest import (
    ACCOUNT_ID,
    BEFORE,
    REGION,
    Account,
    Died,
    Fuse,
    Hooks,
    make_template,
    task_event,
)
from tests.soak import sizes

from .test_revisions import everything, register
from .test_task_definitions import new_process, register_foreign


def remove(account: Account, *arns: str) -> tuple[list[str], dict[str, str]]:
    answer = account.ok("remove_task_definitions", arns=arns)
    return answer["removed"], {kept["arn"]: kept["reason"] for kept in answer["kept"]}


def used(account: Account, execution_id: str) -> str:
    return account.ok("status", execution_id=execution_id)["task_definition"]


def test_what_nothing_uses_is_deregistered_and_deleted(account: Account) -> None:
    arns = [register(account, f"mycli-task-{letter}") for letter in "aab"]
    account.runtime.ecs.deregister_task_definition(taskDefinition=arns[0])
    account.calls.clear()

    assert remove(account, *arns) == ([arns[0], arns[1], arns[2]], {})

    assert everything(account, include_inactive=True) == ["mycli-task:1"]
    assert account.calls.count("DeleteTaskDefinitions") == 1


def test_twice_is_as_good_as_once(account: Account) -> None:
    arn = register(account, "mycli-task-a")

    assert remove(account, arn, arn) == remove(account, arn) == ([arn], {})


def test_the_template_stays_also_an_older_one(account: Account) -> None:
    older = account.runtime.settings.template
    new_process(account, make_template(account.runtime.ecs, command=["tomorrow's script"]))
    both = [older, account.runtime.settings.template]

    assert remove(account, *both) == ([], dict.fromkeys(both, "it is the stack's template"))

    assert everything(account, include_inactive=True) == ["mycli-task:2", "mycli-task:1"]


@pytest.mark.parametrize(
    ("family", "stack"),
    [
        ("mycli-task-x", None),
        ("mycli-task-x", "another"),
        ("another-task-x", "another"),
        ("another-task-x", "mycli"),
        ("mycli-tasks", "mycli"),
    ],
)
def test_what_is_not_this_stacks_stays(account: Account, family: str, stack: str | None) -> None:
    arn = register_foreign(account, family, "alpine", stack)
    account.calls.clear()

    assert remove(account, arn) == ([], {arn: "it is not of this stack"})

    assert not {"DeregisterTaskDefinition", "DeleteTaskDefinitions"} & set(account.calls)


def test_the_same_name_in_another_region_or_account_is_not_it(account: Account) -> None:
    arn = register(account, "mycli-task-a")
    others = [arn.replace(REGION, "eu-west-1"), arn.replace(ACCOUNT_ID, "999999999999")]

    assert remove(account, *others)[0] == []

    assert "mycli-task-a:1" in everything(account)


def test_what_a_task_runs_stays_until_it_has_ended(account: Account) -> None:
    execution_id = account.start()
    arn, task_arn = used(account, execution_id), account.task_arn(execution_id)
    account.clock.seconds += 10 * NEVER_STARTED_SECONDS

    assert remove(account, arn) == ([], {arn: "a task runs it"})

    account.runtime.ecs.stop_task(cluster="mycli-cluster", task=task_arn)
    account.tell(task_event(execution_id, task_arn, "STOPPED"))
    assert remove(account, arn) == ([arn], {})


def test_what_an_execution_is_about_to_run_stays(account: Account) -> None:
    execution_id = account.start()
    arn, task_arn = used(account, execution_id), account.task_arn(execution_id)
    account.forget_task(task_arn)  # RunTask is still under way

    removed, kept = remove(account, arn)

    assert removed == []
    assert kept == {arn: "it was used less than five minutes ago"}
    account.clock.seconds += NEVER_STARTED_SECONDS
    assert remove(account, arn) == ([arn], {})


def test_an_exec_after_it_registers_its_image_again(account: Account) -> None:
    execution_id = account.start(image="alpine")
    arn, task_arn = used(account, execution_id), account.task_arn(execution_id)
    account.runtime.ecs.stop_task(cluster="mycli-cluster", task=task_arn)
    account.clock.seconds += NEVER_STARTED_SECONDS

    assert remove(account, arn) == ([arn], {})

    account.calls.clear()
    again = account.ok("exec", command="true", skip_git=True, image="alpine")
    assert account.calls.count("RunTask") == 1  # ECS need not refuse it first
    assert again["task_definition_reason"] == "first use of this image"
    assert again["status"] == "starting"


def test_throttled_it_has_done_a_part_and_goes_on_when_it_is_asked_again(
    account: Account, hooks: Hooks
) -> None:
    arns = [register(account, f"mycli-task-{letter}") for letter in "abc"]
    error = {"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}
    answers = [None, error]
    hooks.answer("ecs.DeregisterTaskDefinition", lambda _: answers.pop(0) if answers else None)

    status, answer = account.ask("remove_task_definitions", arns=arns)
    assert (status, answer["error"]) == (429, "AWS throttled DeregisterTaskDefinition")
    assert remove(account, *arns) == (arns, {})


def test_a_death_at_any_call_is_finished_by_asking_again(account: Account, fuse: Fuse) -> None:
    for number in range(100):
        arns = [register(account, f"mycli-task-{number}-{letter}") for letter in "ab"]
        fuse.light(BEFORE, number)
        try:
            remove(account, *arns)
        except Died:
            assert remove(account, *arns) == (arns, {})
            assert everything(account, include_inactive=True) == ["mycli-task:1"]
        else:
            assert number > 5
            break
    else:
        raise AssertionError("it never ends")


def test_what_ecs_does_not_delete_is_said(account: Account, hooks: Hooks) -> None:
    arns = [register(account, f"mycli-task-{letter}") for letter in "ab"]
    failures = [{"arn": arns[0], "reason": "something stands on it"}]
    hooks.answer(
        "ecs.DeleteTaskDefinitions", lambda _: {"taskDefinitions": [{}], "failures": failures}
    )

    assert remove(account, *arns) == ([arns[1]], {arns[0]: "something stands on it"})


@sizes(30, 2000)
def test_thousands_go_ten_a_call(account: Account, hooks: Hooks, size: int) -> None:
    families = [f"mycli-task-image-{number:03}" for number in range(max(6, size * 3 // 20))]
    for number in range(size):
        register(account, families[number % len(families)])
    hooks.page_task_definitions(100)
    token: str | None = None
    most = 0
    while True:
        page: dict[str, Any] = account.ok("list_task_definitions", next_token=token, limit=100)
        arns = [found["arn"] for found in page["task_definitions"] if not found["template"]]
        for first in range(0, len(arns), 10):
            account.calls.clear()
            assert remove(account, *arns[first : first + 10])[1] == {}
            most = max(most, len(account.calls))
        token = page["next_token"]
        if token is None:
            break

    # Ten times: describe, look up, deregister, list the family's tasks. And one that deletes.
    assert most <= 4 * 10 + 1
    assert len(json.dumps(account.ok("list_task_definitions", include_inactive=True))) < 1000
