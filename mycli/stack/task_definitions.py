"""Prune the task definitions of a stack: the template, and those that executions registered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mycli.stack.names import STACK_TAG

MAX_DELETE = 10  # revisions a DeleteTaskDefinitions call takes


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What was found, and how many revisions are gone. in_use: deleted once their tasks end."""

    families: int = 0
    active: int = 0
    inactive: int = 0
    deleted: int = 0
    failed: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(**{name: value + getattr(other, name) for name, value in vars(self).items()})


def prune(
    ecs: Any, stack_name: str, on_event: Callable[[str], None], *, template: bool = True
) -> Counts:
    """Deregister and delete every task definition that carries this stack's tag.

    ecs: a boto3 client. on_event is told what happens, in sentences. template: also those of the
    template's family. A revision without the tag is left alone, whatever its name. A revision that
    a task still uses goes once the task has ended.
    """
    active: list[str] = []
    inactive: list[str] = []
    families = 0
    # A deregistered revision need not show its tags, so what is ours is noted before.
    for family in _families(ecs, stack_name):
        if family == f"{stack_name}-task" and not template:
            continue
        found = [_ours(ecs, family, status, stack_name) for status in ("ACTIVE", "INACTIVE")]
        active += found[0]
        inactive += found[1]
        families += any(found)
    if not families:
        return Counts()
    on_event(
        f"Found {len(active)} active and {len(inactive)} inactive task definitions "
        f"across {families} {'family' if families == 1 else 'families'}"
    )
    for arn in active:
        ecs.deregister_task_definition(taskDefinition=arn)
        on_event(f"Deregistered {arn}")
    deleted = _delete(ecs, [*inactive, *active], on_event)
    return Counts(
        families=families,
        active=len(active),
        inactive=len(inactive),
        deleted=deleted,
        failed=len(active) + len(inactive) - deleted,
    )


def _families(ecs: Any, stack_name: str) -> list[str]:
    """Families that this stack may have made: the template's and those named after it."""
    prefix = f"{stack_name}-task"
    paginator = ecs.get_paginator("list_task_definition_families")
    pages = paginator.paginate(familyPrefix=prefix, status="ALL")
    families: Iterable[str] = (family for page in pages for family in page["families"])
    return [family for family in families if family == prefix or family.startswith(f"{prefix}-")]


def _ours(ecs: Any, family: str, status: str, stack_name: str) -> list[str]:
    """The family's revisions in this status that carry the stack's tag."""
    paginator = ecs.get_paginator("list_task_definitions")
    pages = paginator.paginate(familyPrefix=family, status=status)
    arns = (arn for page in pages for arn in page["taskDefinitionArns"])
    return [arn for arn in arns if _stack_of(ecs, arn) == stack_name]


def _stack_of(ecs: Any, arn: str) -> str | None:
    described = ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])
    tags = {tag["key"]: tag["value"] for tag in described.get("tags", [])}
    return tags.get(STACK_TAG)


def _delete(ecs: Any, arns: list[str], on_event: Callable[[str], None]) -> int:
    """Delete INACTIVE revisions, ten a call; how many were."""
    deleted = 0
    for batch in batches(arns, MAX_DELETE):
        answer = ecs.delete_task_definitions(taskDefinitions=batch)
        for definition in answer["taskDefinitions"]:
            on_event(f"Deleted {definition['taskDefinitionArn']}")
        for failure in answer["failures"]:
            on_event(f"Not deleted: {failure['arn']}: {failure['reason']}")
        deleted += len(answer["taskDefinitions"])
    return deleted


def batches(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]
