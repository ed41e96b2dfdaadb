"""Pruning on moto, which is strict about what can be deregistered and deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from mycli.stack.task_definitions import Counts, prune

Ecs = Any


@pytest.fixture
def ecs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ecs]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield boto3.client("ecs", region_name="us-east-1")


def register(ecs: Ecs, family: str, stack: str | None = "mycli", times: int = 1) -> list[str]:
    tags = [{"key": "mycli:stack", "value": stack}] if stack else []
    arns: list[str] = []
    for _ in range(times):
        made = ecs.register_task_definition(
            family=family,
            containerDefinitions=[{"name": "executor", "image": "ubuntu:22.04", "memory": 512}],
            tags=tags,
        )
        arns.append(made["taskDefinition"]["taskDefinitionArn"])
    return arns


def left(ecs: Ecs) -> list[str]:
    """Revisions that are ACTIVE or INACTIVE, as family:revision."""
    arns = [
        arn
        for status in ("ACTIVE", "INACTIVE")
        for arn in ecs.list_task_definitions(status=status)["taskDefinitionArns"]
    ]
    return sorted(arn.rpartition("/")[2] for arn in arns)


def quiet(_: str) -> None:
    pass


def test_everything_of_the_stack_goes(ecs: Ecs) -> None:
    register(ecs, "mycli-task")
    register(ecs, "mycli-task-alpine-latest", times=2)
    register(ecs, "mycli-task-alpine-latest-git")
    [old] = register(ecs, "mycli-task-python-3-13")
    ecs.deregister_task_definition(taskDefinition=old)
    told: list[str] = []
    counts = prune(ecs, "mycli", told.append)
    assert counts == Counts(families=4, active=4, inactive=1, deleted=5, failed=0)
    assert left(ecs) == []
    assert len([text for text in told if text.startswith("Deregistered ")]) == 4
    assert len([text for text in told if text.startswith("Deleted ")]) == 5


def test_more_than_a_call_can_delete(ecs: Ecs) -> None:
    register(ecs, "mycli-task-alpine-latest", times=23)
    assert prune(ecs, "mycli", quiet).deleted == 23
    assert left(ecs) == []


def test_another_stack_is_not_touched(ecs: Ecs) -> None:
    register(ecs, "mycli-task")
    register(ecs, "second-task-alpine-latest", stack="second")
    register(ecs, "mycli-dev-task", stack="mycli-dev")
    register(ecs, "mycli-tasks", stack="mycli-tasks")
    prune(ecs, "mycli", quiet)
    assert left(ecs) == ["mycli-dev-task:1", "mycli-tasks:1", "second-task-alpine-latest:1"]


def test_what_only_has_the_name_is_not_touched(ecs: Ecs) -> None:
    register(ecs, "mycli-task-of-mine", stack=None)
    register(ecs, "mycli-task-theirs", stack="second")
    register(ecs, "mycli-task-mixed", stack=None)
    register(ecs, "mycli-task-mixed")
    assert prune(ecs, "mycli", quiet).deleted == 1
    assert left(ecs) == ["mycli-task-mixed:1", "mycli-task-of-mine:1", "mycli-task-theirs:1"]


def test_with_nothing_there_nothing_is_done(ecs: Ecs) -> None:
    assert prune(ecs, "mycli", quiet) == Counts()


def test_a_second_run_finds_nothing(ecs: Ecs) -> None:
    register(ecs, "mycli-task", times=2)
    prune(ecs, "mycli", quiet)
    assert prune(ecs, "mycli", quiet) == Counts()


def test_a_refusal_is_told_and_counted(ecs: Ecs) -> None:
    [arn] = register(ecs, "mycli-task")

    class Refusing:
        """ECS, but DeleteTaskDefinitions fails as it does for a definition in use."""

        def __getattr__(self, name: str) -> Any:
            return getattr(ecs, name)

        def delete_task_definitions(self, taskDefinitions: list[str]) -> Any:  # noqa: N803
            failures = [{"arn": name, "reason": "it is in use"} for name in taskDefinitions]
            return {"taskDefinitions": [], "failures": failures}

    told: list[str] = []
    counts = prune(Refusing(), "mycli", told.append)
    assert (counts.deleted, counts.failed) == (0, 1)
    assert told[-1] == f"Not deleted: {arn}: it is in use"
