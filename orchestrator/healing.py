"""Bring records up to date with what ECS says, where an event was lost or is still under way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator import records, tasks
from orchestrator.observations import lost, observe
from orchestrator.records import Observation, Record
from orchestrator.settings import Runtime
from orchestrator.times import created_seconds

# The exec that wrote the record may still be waiting for RunTask's answer.
IN_FLIGHT_SECONDS = 30
NEVER_STARTED_SECONDS = 300
# ECS describes a task until about an hour after its end.
FORGOTTEN_SECONDS = 3600


def take(runtime: Runtime, execution_id: str, task: Mapping[str, Any]) -> Record | None:
    """Note what ECS says of an execution's task; the record as it then stands, None if unknown.

    A task that is not the one of the record is stopped: the execution was over before it started.
    """
    seen = observe(task, runtime.now())
    record = records.advance(runtime, execution_id, seen)
    stray = record is not None and record.task_arn != task["taskArn"]
    if stray and "desired_status" not in seen.fields:
        tasks.stop(runtime, str(task["taskArn"]), "the execution was over before this task started")
    return record


def heal(runtime: Runtime, stale: Sequence[Record], *, even_fresh: bool = False) -> list[Record]:
    """The same records, those that are not final as ECS has them now.

    One DescribeTasks for a hundred of them. A record without a task's ARN is looked for by
    startedBy, unless it is so fresh that its RunTask may be under way (even_fresh: also then).
    """
    open_records = [record for record in stale if not record.finished]
    fresh = 0 if even_fresh else IN_FLIGHT_SECONDS
    described = tasks.describe(runtime, [item.task_arn for item in open_records if item.task_arn])
    orphans = [
        item.execution_id
        for item in open_records
        if item.task_arn is None and _age(runtime, item) >= fresh
    ]
    found = tasks.started_by(runtime, orphans) if orphans else {}
    healed: dict[str, Record] = {}
    for record in open_records:
        task = described.get(record.task_arn or "") or found.get(record.execution_id)
        seen = observe(task, runtime.now()) if task else _gone(runtime, record)
        if seen and seen.adds_to(record):
            healed[record.execution_id] = (
                records.advance(runtime, record.execution_id, seen) or record
            )
    return [healed.get(record.execution_id, record) for record in stale]


def is_overdue(runtime: Runtime, record: Record) -> bool:
    """Whether RunTask's answer for this record must have come, if there is one."""
    return _age(runtime, record) > NEVER_STARTED_SECONDS


def _gone(runtime: Runtime, record: Record) -> Observation | None:
    """What it means that ECS knows no task for this record: nothing yet, or that it is over."""
    forgotten = _age(runtime, record) > FORGOTTEN_SECONDS
    if record.task_arn and forgotten:
        reason = "ECS does not know this task any more, and its end was not recorded"
        return lost(reason, record.task_arn, None)
    if record.task_arn is None and forgotten:
        return lost("nobody knows whether it started: ECS does not any more", None, None)
    if record.task_arn is None and is_overdue(runtime, record):
        return lost("never started", None, runtime.now())
    return None


def _age(runtime: Runtime, record: Record) -> float:
    """In seconds. A record far ahead of now is from before the clock was set back: no fresh one."""
    return abs(runtime.now() - created_seconds(record.execution_id))
