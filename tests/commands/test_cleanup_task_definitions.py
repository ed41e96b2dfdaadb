"""mycli cleanup-task-definitions: what it chooses, asks, removes and says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycli.commands.cleanup_task_definitions import choose
from orchestrator.wire import TaskDefinition
from tests.conftest import Mycli, type_in
from tests.fake_endpoint import Answer, FakeEndpoint, definition

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


# --- What is chosen ------------------------------------------------------------------------------


def at(days_ago: int | None) -> str | None:
    return None if days_ago is None else (NOW - timedelta(days=days_ago)).isoformat()


@st.composite
def definitions(draw: st.DrawFn) -> list[TaskDefinition]:
    found: list[TaskDefinition] = []
    for family in draw(st.sets(st.sampled_from(["mycli-task", "mycli-task-a", "mycli-task-b"]))):
        for revision in draw(st.sets(st.integers(1, 12), max_size=8)):
            registered = draw(st.none() | st.integers(0, 60))
            used = draw(st.none() | st.integers(0, registered or 60))
            item = definition(
                family,
                revision,
                status=draw(st.sampled_from(["ACTIVE", "INACTIVE", "DELETE_IN_PROGRESS"])),
                registered_at=at(registered),
                last_used_at=at(used),
                template=family == "mycli-task",
            )
            found.append(TaskDefinition(**item))
    return draw(st.permutations(found))


@given(definitions(), st.integers(0, 60), st.integers(0, 4))
def test_what_is_chosen_and_what_is_not(found: list[TaskDefinition], days: int, keep: int) -> None:
    before = NOW - timedelta(days=days)
    chosen = choose(found, before, keep)
    assert len({item.arn for item in chosen}) == len(chosen)
    for item in found:
        newer = [
            other
            for other in found
            if other.family == item.family
            and other.status == "ACTIVE"
            and other.revision > item.revision
        ]
        known = item.last_used_at or item.registered_at
        stays = (
            item.template
            or item.status == "DELETE_IN_PROGRESS"
            or known is None
            or datetime.fromisoformat(known) >= before
            or (item.status == "ACTIVE" and len(newer) < keep)
        )
        assert (item in chosen) is not stays


@given(definitions(), st.integers(0, 60), st.integers(0, 4), st.data())
def test_after_an_interruption_the_rest_of_the_same_is_chosen(
    found: list[TaskDefinition], days: int, keep: int, data: st.DataObject
) -> None:
    before = NOW - timedelta(days=days)
    chosen = choose(found, before, keep)
    fate = {item.arn: data.draw(st.sampled_from(["", "INACTIVE", "gone"])) for item in chosen}
    left = [
        replace(item, status=fate.get(item.arn) or item.status)
        for item in found
        if fate.get(item.arn) != "gone"
    ]
    again = choose(left, before, keep)
    assert [item.arn for item in again] == [arn for arn in fate if fate[arn] != "gone"]


# --- The command ---------------------------------------------------------------------------------

OLD = [definition("mycli-task-old", n, registered_at="2020-01-01T00:00:00Z") for n in range(1, 24)]
TEMPLATE = definition("mycli-task", 1, registered_at="2020-01-01T00:00:00Z", template=True)


def test_a_dry_run_shows_and_removes_nothing(configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.has_task_definitions(TEMPLATE, *OLD)
    ran = mycli("cleanup-task-definitions", "--dry-run", "--keep", "21")
    assert ran.code == 0, ran
    assert [line.split("\t")[:2] for line in ran.out.splitlines()] == [
        ["FAMILY", "REV"],
        ["mycli-task-old", "1"],
        ["mycli-task-old", "2"],
    ]
    assert ran.err.endswith(
        "✓ Would remove 2 task definitions, unless in use by then; 22 would be left\n"
    )
    document = json.loads(mycli("cleanup-task-definitions", "--dry-run", "--json").out)
    assert [item["revision"] for item in document["chosen"]] == [*range(1, 24)]
    assert (document["dry_run"], document["removed"], document["left"]) == (True, [], 1)
    assert configured.asked("remove_task_definitions") == []


def test_it_asks_before_it_removes(
    configured: FakeEndpoint, mycli: Mycli, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = configured.has_task_definitions(TEMPLATE, *OLD)
    for answer in ("\n", "n\n", ""):
        type_in(monkeypatch, answer)
        ran = mycli("cleanup-task-definitions")
        assert ran.code == 2
        assert "Remove 23 task definitions? [y/N]: " in ran.err
        assert "nothing was removed" in ran.err
    assert len(left) == 24
    type_in(monkeypatch, "y\n")
    ran = mycli("cleanup-task-definitions")
    assert ran.code == 0, ran
    assert [*left] == [TEMPLATE["arn"]]
    said = ran.err.partition("[y/N]: ")[2].splitlines()
    told = [line.removeprefix("→ Removed ") for line in said]
    names = [f"mycli-task-old:{number}" for number in range(1, 24)]
    steps = [*names[:10], "10 of 23", *names[10:20], "20 of 23", *names[20:], "23 of 23"]
    assert told[:-1] == steps
    assert ran.err.endswith("✓ Removed 23 task definitions; 1 left\n")
    sizes = [len(asked["arns"]) for asked in configured.asked("remove_task_definitions")]
    assert sizes == [10, 10, 3]


def test_what_the_function_keeps_is_told(configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.has_task_definitions(TEMPLATE, *OLD[:2])
    used = {"arn": OLD[0]["arn"], "reason": "a task uses it"}
    configured.says("remove_task_definitions", {"removed": [OLD[1]["arn"]], "kept": [used]})
    ran = mycli("cleanup-task-definitions", "--force", "--older-than=12h")
    assert ran.code == 0
    assert "! mycli-task-old:1 stays: a task uses it\n" in ran.err
    assert "→ Removed mycli-task-old:2\n" in ran.err
    assert ran.err.endswith("✓ Removed 1 task definition of 2, the others stay; 2 left\n")
    document = json.loads(mycli("cleanup-task-definitions", "--force", "--json").out)
    assert (document["removed"], document["kept"]) == ([OLD[1]["arn"]], [used])


def test_nothing_to_remove(configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.has_task_definitions(TEMPLATE)
    ran = mycli("cleanup-task-definitions")
    assert (ran.code, ran.out) == (0, "")
    assert "✓ Nothing to remove" in ran.err
    document = json.loads(mycli("cleanup-task-definitions", "--json").out)
    assert document == {"dry_run": False, "chosen": [], "removed": [], "kept": [], "left": 1}


def test_throttling_is_waited_out(configured: FakeEndpoint, mycli: Mycli) -> None:
    left = configured.has_task_definitions(*OLD)
    removes = configured.script("remove_task_definitions")
    tries: list[int] = []

    def throttled(request: Mapping[str, Any]) -> Answer:
        tries.append(1)
        if len(tries) % 2:
            busy = {"error": "AWS throttles DeleteTaskDefinitions"}
            return Answer(busy, status=429, headers={"Retry-After": "0"})
        return removes(request)

    configured.runs("remove_task_definitions", throttled)
    ran = mycli("cleanup-task-definitions", "--force")
    assert (ran.code, left) == (0, {})
    assert "! AWS throttles DeleteTaskDefinitions: trying again in" in ran.err


def test_a_failure_on_the_way_says_how_far_it_came(configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.has_task_definitions(*OLD)
    done = {"removed": [item["arn"] for item in OLD[:10]], "kept": []}
    configured.says("remove_task_definitions", done, Answer({"error": "AWS refuses"}, status=502))
    ran = mycli("cleanup-task-definitions", "--force")
    assert ran.code == 125
    assert "! Removed 10 of 23: the same command goes on\n✗ AWS refuses\n" in ran.err


@pytest.mark.parametrize("time", ["30", "30 days", "-3d", "d", "soon", "", "999999w"])
def test_a_time_that_cannot_be(time: str, configured: FakeEndpoint, mycli: Mycli) -> None:
    ran = mycli("cleanup-task-definitions", f"--older-than={time}", "--force")
    assert (ran.code, ran.out) == (2, "")
    assert f"--older-than: {time!r}" in ran.err
    assert configured.seen == []
