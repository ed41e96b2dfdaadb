"""The stack's task definitions: listed whole, in pages, and nobody else's."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from orchestrator.revisions import PAGE_SECONDS
from tests.orchestrator.conftest import Account, Hooks, make_template
from tests.soak import sizes

from .test_task_definitions import SECRETS, new_process, register_foreign


def names(answer: dict[str, Any]) -> list[str]:
    return [f"{found['family']}:{found['revision']}" for found in answer["task_definitions"]]


def pages(account: Account, **fields: object) -> list[dict[str, Any]]:
    """Every page, as a client reads them on."""
    found = [account.ok("list_task_definitions", **fields)]
    while token := found[-1]["next_token"]:
        assert len(found) < 2000, "the list has no end"
        found.append(account.ok("list_task_definitions", next_token=token, **fields))
    return found


def everything(account: Account, **fields: object) -> list[str]:
    return [name for page in pages(account, **fields) for name in names(page)]


def register(account: Account, family: str, image: str = "alpine") -> str:
    return register_foreign(account, family, image, "mycli")


def deregister(account: Account, arn: str) -> None:
    account.runtime.ecs.deregister_task_definition(taskDefinition=arn)


def test_a_task_definition_is_told_whole(account: Account) -> None:
    new_process(account, make_template(account.runtime.ecs, secrets=SECRETS))
    fields = {"image": "python:3.13", "arch": "arm64", "repo": "git@host:x", "skip_git": False}
    account.start(**fields)
    account.clock.seconds += 90
    account.start(**fields)

    found = account.ok("list_task_definitions", image="python:3.13")["task_definitions"]

    [told] = found
    family = "mycli-task-python-3-13-arm64-git"
    assert told == {
        "arn": f"arn:aws:ecs:us-east-1:123456789012:task-definition/{family}:1",
        "family": family,
        "revision": 1,
        "image": "python:3.13",
        "status": "ACTIVE",
        "arch": "arm64",
        "cpu": 256,
        "memory": 512,
        "git": True,
        "template": False,
        "registered_at": told["registered_at"],
        "last_used_at": "2026-09-21T14:14:50Z",
        "executions": 2,
    }


def test_by_family_and_the_newest_first(account: Account) -> None:
    for family in ("mycli-task-b", "mycli-task-a", "mycli-task-b", "mycli-task-b"):
        register(account, family)

    assert everything(account) == [
        "mycli-task:1",
        "mycli-task-a:1",
        *("mycli-task-b:3", "mycli-task-b:2", "mycli-task-b:1"),
    ]
    template = account.ok("list_task_definitions", limit=1)["task_definitions"][0]
    assert (template["template"], template["last_used_at"], template["executions"]) == (
        True,
        None,
        0,
    )


def test_what_is_not_this_stacks_is_not_told(account: Account) -> None:
    register_foreign(account, "mycli-task-x", "alpine", None)
    register_foreign(account, "mycli-task-y", "alpine", "another")
    register(account, "mycli-tasks")
    register(account, "another-task-z")

    assert everything(account, include_inactive=True) == ["mycli-task:1"]


def test_what_somebody_made_by_hand_and_gave_our_tag_is_told_too(account: Account) -> None:
    account.runtime.ecs.register_task_definition(
        family="mycli-task-by-hand",
        containerDefinitions=[
            {"name": name, "image": name, "memory": 512} for name in ("one", "two")
        ],
        tags=[{"key": "mycli:stack", "value": "mycli"}],
    )

    found = account.ok("list_task_definitions")["task_definitions"]

    assert [(told["image"], told["cpu"]) for told in found] == [("ubuntu:22.04", 256), ("one", 0)]


def test_with_the_inactive_ones(account: Account) -> None:
    for _ in range(3):
        register(account, "mycli-task-a")
    deregister(account, register(account, "mycli-task-a"))
    deregister(account, register(account, "mycli-task-gone"))

    assert everything(account) == ["mycli-task:1", *(f"mycli-task-a:{n}" for n in (3, 2, 1))]
    assert everything(account, include_inactive=True) == [
        "mycli-task:1",
        *(f"mycli-task-a:{number}" for number in (3, 2, 1, 4)),
        "mycli-task-gone:1",
    ]


def test_of_one_image(account: Account) -> None:
    for image in ("alpine:3", "alpine/3", "alpine:3.20", "ubuntu:22.04"):
        account.start(image=image)
    hashed = everything(account, image="alpine/3")

    assert everything(account, image="alpine:3") == ["mycli-task-alpine-3:1"]
    assert len(hashed) == 1
    assert hashed[0].startswith("mycli-task-alpine-3-")
    assert everything(account, image="ubuntu:22.04") == ["mycli-task-ubuntu-22-04:1"]
    assert everything(account, image="nothing") == []


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_pages_join_without_gap_or_double(
    account: Account, hooks: Hooks, limit: int, size: int
) -> None:
    for number in range(12):
        arn = register(account, f"mycli-task-{'abcd'[number % 4]}")
        if number % 3 == 0:
            deregister(account, arn)
    whole = everything(account, include_inactive=True)
    hooks.page_task_definitions(size)

    assert len(whole) == 13
    assert everything(account, include_inactive=True, limit=limit) == whole


def test_what_is_removed_between_two_pages_is_passed_over(account: Account, hooks: Hooks) -> None:
    arns = [register(account, f"mycli-task-{letter}") for letter in "aabbcc"]
    hooks.page_task_definitions(100)
    first = account.ok("list_task_definitions", limit=4)  # the template, both of a, one of b
    deregister(account, arns[2])  # the very one that the next page begins with

    second = account.ok("list_task_definitions", next_token=first["next_token"])

    assert names(second) == ["mycli-task-c:2", "mycli-task-c:1"]


def test_a_page_that_takes_long_is_cut_short_and_gone_on_with(
    account: Account, hooks: Hooks
) -> None:
    for letter in "abcdef":
        register(account, f"mycli-task-{letter}")
    hooks.watch("before-call.ecs.DescribeTaskDefinition", lambda _: account.clock.sleep(6))

    found = pages(account)

    assert max(len(page["task_definitions"]) for page in found) <= PAGE_SECONDS / 6 + 1
    assert [name for page in found for name in names(page)] == [
        "mycli-task:1",
        *(f"mycli-task-{letter}:1" for letter in "abcdef"),
    ]


def test_throttling_cuts_a_page_short_or_is_a_429(account: Account, hooks: Hooks) -> None:
    register(account, "mycli-task-a")
    calls: list[str] = []

    def throttle_the_second(_: object) -> dict[str, Any] | None:
        calls.append("")
        error = {"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}
        return error if len(calls) in (2, 3) else None

    hooks.answer("ecs.DescribeTaskDefinition", throttle_the_second)

    first = account.ok("list_task_definitions")
    assert names(first) == ["mycli-task:1"]
    assert account.ask("list_task_definitions", next_token=first["next_token"])[0] == 429
    second = account.ok("list_task_definitions", next_token=first["next_token"])
    assert names(second) == ["mycli-task-a:1"]


@pytest.mark.parametrize(
    "values",
    ["x", 1, None, [], [None] * 5, [None, "", "active", None, None], [1, "", "ACTIVE", None, None]],
)
def test_a_bad_token_is_a_400(account: Account, values: object) -> None:
    for token in (json.dumps(values), base64.b64encode(json.dumps(values).encode()).decode()):
        status, answer = account.ask("list_task_definitions", next_token=token)
        assert status == 400
        assert "next_token" in answer["error"]


@sizes(40, 2000)
def test_thousands_are_told_in_pages_of_few_calls(
    account: Account, hooks: Hooks, size: int
) -> None:
    """2,000 revisions in 300 families: each once, and no page asks AWS without end."""
    families = [f"mycli-task-image-{number:03}" for number in range(max(6, size * 3 // 20))]
    for number in range(size):
        arn = register(account, families[number % len(families)])
        if number % 5 == 0:
            deregister(account, arn)
    execution_id = account.start(image="alpine")
    hooks.page_task_definitions(100)
    found: list[dict[str, Any]] = []
    fields: dict[str, Any] = {"include_inactive": True, "limit": 25}
    most = 0
    token = None
    while True:
        account.calls.clear()
        page = account.ok("list_task_definitions", next_token=token, **fields)
        most = max(most, len(account.calls))
        assert len(page["task_definitions"]) <= fields["limit"]
        assert len(json.dumps(page)) < 64 * 1024
        found += page["task_definitions"]
        token = page["next_token"]
        if token is None:
            break

    told = [definition["arn"] for definition in found]
    assert len(told) == len(set(told)) == size + 2
    # Two calls a revision and one more for a used one, three lists a family, a list of families.
    assert most <= fields["limit"] * (2 + 3) + 10
    [used] = [definition for definition in found if definition["executions"]]
    assert used["family"] == "mycli-task-alpine"
    assert used["last_used_at"] == account.ok("status", execution_id=execution_id)["created_at"]
