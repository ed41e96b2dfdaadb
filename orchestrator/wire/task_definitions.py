"""The stack's task definitions: listed and removed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, cast

from orchestrator.wire.checks import checked, is_boolean, is_token, matches, text, whole
from orchestrator.wire.images import IMAGE
from orchestrator.wire.messages import Request, Response, invalid, json_type

CONTAINER_NAME = "executor"
REMOVED_AT_ONCE = 10  # ECS DeleteTaskDefinitions takes no more

_TASK_DEFINITION_ARN = re.compile(
    r"arn:[a-z-]+:ecs:[a-z0-9-]+:[0-9]{12}:task-definition/[A-Za-z0-9_-]{1,255}:[1-9][0-9]{0,9}"
)
_TASK_DEFINITIONS_ALLOWED = f"1 to {REMOVED_AT_ONCE} ARNs of task definitions, with revisions"


def _is_task_definitions(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise invalid(name, f"is {json_type(value)}", _TASK_DEFINITIONS_ALLOWED)
    arns = cast("Sequence[object]", value)
    if len(arns) > REMOVED_AT_ONCE:
        raise invalid(name, f"has {len(arns)}", _TASK_DEFINITIONS_ALLOWED)
    return tuple(
        matches(name, arn, _TASK_DEFINITION_ARN, _TASK_DEFINITIONS_ALLOWED) for arn in arns
    )


@dataclass(frozen=True, kw_only=True)
class ListTaskDefinitionsRequest(Request):
    """The stack's task definitions: by family, and in a family the newest revision first.

    include_inactive: those that were deregistered too, after the family's active ones. image: only
    those that run this image; never the template.
    """

    action: ClassVar[str] = "list_task_definitions"
    limit: int = whole(1, 100, 50)
    next_token: str | None = checked(is_token)
    include_inactive: bool = checked(is_boolean, False)
    image: str | None = text(IMAGE, "an image such as python:3.13")


@dataclass(frozen=True, kw_only=True)
class RemoveTaskDefinitionsRequest(Request):
    """Deregister and delete task definitions, as many as ECS deletes in a call."""

    action: ClassVar[str] = "remove_task_definitions"
    arns: Sequence[str] = checked(_is_task_definitions, ())

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.arns:
            raise invalid("arns", "is empty", _TASK_DEFINITIONS_ALLOWED)


@dataclass(frozen=True, kw_only=True)
class TaskDefinition(Response):
    """One revision. status: ACTIVE, INACTIVE or DELETE_IN_PROGRESS. cpu: vCPU units. memory: MB.

    git: the stack's git credentials are in reach of it. template: it is of the family that the
    others are copies of. last_used_at and executions tell of the 90 days that records are kept.
    """

    arn: str
    family: str
    revision: int
    image: str
    status: str
    arch: str = ""
    cpu: int = 0
    memory: int = 0
    git: bool = False
    template: bool = False
    registered_at: str | None = None
    last_used_at: str | None = None
    executions: int = 0


@dataclass(frozen=True, kw_only=True)
class ListTaskDefinitionsResponse(Response):
    """A page; it can be short, or empty, and still have a next_token."""

    task_definitions: Sequence[TaskDefinition] = ()
    next_token: str | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        found = tuple(TaskDefinition.from_json(item) for item in data.get("task_definitions", ()))
        return super().from_json({**data, "task_definitions": found})


@dataclass(frozen=True, kw_only=True)
class KeptTaskDefinition(Response):
    arn: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class RemoveTaskDefinitionsResponse(Response):
    """Which are gone, and which had to stay and why."""

    removed: Sequence[str] = ()
    kept: Sequence[KeptTaskDefinition] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        kept = tuple(KeptTaskDefinition.from_json(item) for item in data.get("kept", ()))
        return super().from_json({**data, "removed": tuple(data.get("removed", ())), "kept": kept})
