"""Tasks on ECS: start, find, stop. Nothing here knows the table."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from botocore.exceptions import ClientError

from orchestrator import refusals
from orchestrator.records import Record
from orchestrator.settings import Runtime
from orchestrator.task_definitions import STACK_TAG
from orchestrator.wire import CONTAINER_NAME, OVERRIDES_LIMIT, ExecRequest, WireError

CAPACITY_RETRY_SECONDS = 10
DESCRIBED_AT_ONCE = 100  # DescribeTasks takes no more
_MAX_TAG_LENGTH = 256
_MAX_REASON_LENGTH = 255
_NOT_FOR_TAGS = re.compile(r"[^\w +\-=.:/@]")
_TRY_LATER = re.compile(r"capacity is unavailable|reached the limit", re.IGNORECASE)


class MissingRevision(WireError):
    """ECS does not know the task definition, or not any more."""


def log_stream(task_arn: str) -> str:
    return f"task/{CONTAINER_NAME}/{task_id(task_arn)}"


def task_id(task_arn: str) -> str:
    return task_arn.rpartition("/")[2]


def overrides(
    request: ExecRequest, execution_id: str, image: str, size: tuple[int, int] | None
) -> dict[str, Any]:
    """What differs from one execution to the next. Raises WireError (413) where it is too large.

    size: cpu and memory, where they are not to be those of the task definition.

    The limit is on characters of the JSON that is sent (ECS API Reference, RunTask, `overrides`).
    The user's variables go in as shell text that is applied when the clone is over.
    """
    environment: dict[str, str | None] = {
        "MYCLI_EXECUTION_ID": execution_id,
        "MYCLI_COMMAND": request.command,
        "MYCLI_TIMEOUT_SECONDS": str(request.timeout_seconds),
        "MYCLI_IMAGE": image,
        "MYCLI_WORKDIR": request.workdir,
    }
    if not request.skip_git:
        environment |= {"MYCLI_REPO": request.repo, "MYCLI_BRANCH": request.branch}
    if request.env:
        names = sorted(request.env)
        exports = "\n".join(f"export {name}={shlex.quote(request.env[name])}" for name in names)
        environment |= {"MYCLI_ENV": exports, "MYCLI_ENV_NAMES": " ".join(names)}
    container: dict[str, Any] = {
        "name": CONTAINER_NAME,
        "environment": [
            {"name": name, "value": value} for name, value in environment.items() if value
        ],
    }
    task: dict[str, Any] = {"containerOverrides": [container]}
    if size:
        cpu, memory = size
        container |= {"cpu": cpu, "memory": memory}
        task |= {"cpu": str(cpu), "memory": str(memory)}
    over = len(json.dumps(task)) - OVERRIDES_LIMIT
    if over > 0:
        raise WireError(
            413,
            f"command and env are too large for ECS by {over} characters of JSON",
            f"all of it may have {OVERRIDES_LIMIT}: put a long script into the repository",
        )
    return task


def run(runtime: Runtime, request: ExecRequest, record: Record) -> dict[str, Any]:
    """Start the execution's task, or find it where an earlier try did: ECS's description of it.

    Raises WireError where ECS certainly started nothing: 429 where it may later, 502 where it
    refuses (MissingRevision is one). Raises ClientError where nobody knows what happened.
    """
    settings = runtime.settings
    size = (record.cpu, record.memory) if record.sized else None
    try:
        answer = runtime.ecs.run_task(
            cluster=settings.cluster,
            taskDefinition=record.task_definition,
            # Remembered for a day at most, and no longer than an hour after the task's end.
            clientToken=record.execution_id,
            startedBy=record.execution_id,
            count=1,
            networkConfiguration={
                "awsvpcConfiguration": {
                    "subnets": list(settings.subnets),
                    "securityGroups": [settings.security_group],
                    "assignPublicIp": "ENABLED",  # there is no NAT: nothing else reaches a registry
                }
            },
            overrides=overrides(request, record.execution_id, record.image, size),
            tags=_tags(settings.stack, record),
        )
    except ClientError as error:
        existing: list[str] = error.response.get("resourceIds", [])
        if refusals.code_of(error) == "ConflictException" and existing:
            return {"taskArn": existing[0], "lastStatus": "PROVISIONING"}
        refusal = refusals.to_wire_error(error)
        if refusals.is_missing_revision(error):
            raise MissingRevision(refusal.status, refusal.error) from error
        if not refusals.is_definite(error):
            raise
        raise _refusal(refusal) from error
    if answer["tasks"]:
        return answer["tasks"][0]
    reasons = [str(failure.get("reason", "no reason")) for failure in answer.get("failures", [])]
    raise _refusal(WireError(502, "ECS started nothing: " + ", ".join(reasons or ["no reason"])))


def _refusal(error: WireError) -> WireError:
    """The same, as a 429 where the words say that it may work later."""
    if error.status == 429 or not _TRY_LATER.search(error.error):
        return error
    return WireError(
        429,
        error.error,
        "AWS has no room for it now: try again in a moment",
        retry_after_seconds=CAPACITY_RETRY_SECONDS,
    )


def _tags(stack: str, record: Record) -> list[dict[str, str]]:
    tags = {STACK_TAG: stack, "ExecutionID": record.execution_id, "Repo": record.repo or ""}
    return [
        {"key": key, "value": _NOT_FOR_TAGS.sub("_", value)[:_MAX_TAG_LENGTH]}
        for key, value in tags.items()
        if value
    ]


def describe(runtime: Runtime, refs: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Tasks of the cluster by ARN; one that ECS does not know (yet, or any more) is left out.

    refs: ARNs or ids. ECS knows a task from a moment after RunTask to about an hour after its end.
    """
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(refs), DESCRIBED_AT_ONCE):
        answer = runtime.ecs.describe_tasks(
            cluster=runtime.settings.cluster, tasks=list(refs[start : start + DESCRIBED_AT_ONCE])
        )
        found |= {task["taskArn"]: task for task in answer["tasks"]}
    return found


def started_by(runtime: Runtime, execution_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The tasks that were started for these executions, running or stopped, by execution id.

    ListTasks takes startedBy only alone, and then lists running ones: so the stopped ones of the
    cluster (of the last hour) are all described.
    """
    wanted = set(execution_ids)
    running = [arn for wanted_id in wanted for arn in list_arns(runtime, startedBy=wanted_id)]
    found = {task["startedBy"]: task for task in describe(runtime, running).values()}
    if wanted - set(found):
        for task in describe(runtime, list_arns(runtime, desiredStatus="STOPPED")).values():
            if task.get("startedBy") in wanted:
                found.setdefault(task["startedBy"], task)
    return found


def list_arns(runtime: Runtime, **only: str) -> list[str]:
    """Tasks of the cluster that are to run, or that this filter of ListTasks names."""
    pages = runtime.ecs.get_paginator("list_tasks").paginate(
        cluster=runtime.settings.cluster, **only
    )
    return [arn for page in pages for arn in page["taskArns"]]


def stop(runtime: Runtime, task_arn: str, reason: str) -> dict[str, Any] | None:
    """Ask ECS to stop the task: its description, or None where ECS does not know it any more."""
    try:
        stopped = runtime.ecs.stop_task(
            cluster=runtime.settings.cluster, task=task_arn, reason=reason[:_MAX_REASON_LENGTH]
        )
    except ClientError as error:
        if "not found" in refusals.words_of(error):
            return None
        raise
    return stopped["task"]
