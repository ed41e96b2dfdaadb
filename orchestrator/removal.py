"""The action `remove_task_definitions`: deregister, then delete, what nothing uses.

The client decides which ones are old enough; what may not go at all is decided here. The policy
leaves the template and other stacks' families out of DeleteTaskDefinitions, but
DeregisterTaskDefinition knows no resource: there the checks of this file are all that stands.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator import records, task_definitions, tasks
from orchestrator.families import family_of, short_name
from orchestrator.healing import NEVER_STARTED_SECONDS
from orchestrator.revisions import stack_and_definition
from orchestrator.settings import Runtime, log
from orchestrator.times import created_seconds
from orchestrator.wire import (
    KeptTaskDefinition,
    RemoveTaskDefinitionsRequest,
    RemoveTaskDefinitionsResponse,
)


def remove(
    runtime: Runtime, request: RemoveTaskDefinitionsRequest
) -> RemoveTaskDefinitionsResponse:
    """Remove these. Safe to repeat: what is gone already counts as removed.

    One that a task still has when it is deleted is gone when that task has ended.
    """
    removed: list[str] = []
    deletable: list[str] = []
    kept: dict[str, str] = {}
    used = _used_by_tasks(runtime, request.arns)
    for arn in dict.fromkeys(request.arns):
        status, why = _judge(runtime, arn, used)
        if why:
            kept[arn] = why
        elif status in (None, "DELETE_IN_PROGRESS"):
            removed.append(arn)
        else:
            if status == "ACTIVE":
                runtime.ecs.deregister_task_definition(taskDefinition=arn)
                task_definitions.forget(runtime, arn)
            deletable.append(arn)
    if deletable:
        answer = runtime.ecs.delete_task_definitions(taskDefinitions=deletable)
        failed = {failure["arn"]: failure["reason"] for failure in answer.get("failures", [])}
        kept |= failed
        removed += [arn for arn in deletable if arn not in failed]
    for arn in removed:
        log(message=f"Removed task definition {short_name(arn)}")
    return RemoveTaskDefinitionsResponse(
        removed=tuple(removed),
        kept=tuple(KeptTaskDefinition(arn=arn, reason=why) for arn, why in kept.items()),
    )


def _judge(runtime: Runtime, arn: str, used: set[str]) -> tuple[str | None, str]:
    """ECS's status, None where it is not there any more; and why it has to stay, or nothing."""
    stack = runtime.settings.stack
    if family_of(arn) == f"{stack}-task":
        return None, "it is the stack's template"
    if not family_of(arn).startswith(f"{stack}-task-"):
        return None, "it is not of this stack"
    its_stack, definition = stack_and_definition(runtime, arn)
    if definition is None:
        return None, ""
    if its_stack != stack or definition["taskDefinitionArn"] != arn:
        return None, "it is not of this stack"
    return str(definition["status"]), _use(runtime, arn, used)


def _use(runtime: Runtime, arn: str, used: set[str]) -> str:
    """What uses it at this moment, in words; nothing if nothing does."""
    if arn in used:
        return "a task runs it"
    newest = records.newest_use(runtime, arn)
    age = abs(runtime.now() - created_seconds(newest)) if newest else None
    if age is not None and age < NEVER_STARTED_SECONDS:
        # Its task may be about to start, and ECS would refuse that.
        return "it was used less than five minutes ago"
    return ""


def _used_by_tasks(runtime: Runtime, arns: Sequence[str]) -> set[str]:
    """The revisions that tasks of these families run, or are about to."""
    families = {family_of(arn) for arn in arns}
    ours = [family for family in families if family.startswith(f"{runtime.settings.stack}-task-")]
    running = [
        arn
        for family in ours
        for arn in tasks.list_arns(runtime, family=family, desiredStatus="RUNNING")
    ]
    return {task["taskDefinitionArn"] for task in tasks.describe(runtime, running).values()}
