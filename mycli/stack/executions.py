"""Executions of a stack that is about to go: none is let in any more, and those that run are ended.

All of it is asked of AWS directly, as the stack's own function may be broken or gone.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

from mycli.errors import StackError

STOPPING_SECONDS = 180.0  # Fargate gives a task its stopTimeout, 120 s, from TERM to KILL
POLL_SECONDS = 0.05
STARTING_SECONDS = 30.0  # the function runs for 29 s at most (program.py)
_STOPPED_BY = "The stack is being destroyed"

# An exec checks for this item in the transaction that would start it.
_CLOSING = {"execution_id": {"S": "closing"}}


def end_all(dynamodb: Any, ecs: Any, stack_name: str, on_event: Callable[[str], None]) -> int:
    """Refuse new executions and stop those that run, as far as the stack stands; how many."""
    table = f"{stack_name}-executions"
    with contextlib.suppress(dynamodb.exceptions.ResourceNotFoundException):
        refuse_new(dynamodb, table)
        wait_for_starts(dynamodb, table)
    with contextlib.suppress(ecs.exceptions.ClusterNotFoundException):
        return stop_all(ecs, f"{stack_name}-cluster", on_event)
    return 0


def refuse_new(dynamodb: Any, table: str) -> None:
    """From now on the stack takes no execution."""
    dynamodb.put_item(TableName=table, Item=_CLOSING)


def accept_new(dynamodb: Any, table: str) -> None:
    """Take away what a destroy, perhaps an interrupted one, left to refuse new executions."""
    dynamodb.delete_item(TableName=table, Key=_CLOSING)


def wait_for_starts(
    dynamodb: Any, table: str, *, seconds: float = STARTING_SECONDS, poll_seconds: float = 0.5
) -> None:
    """Wait until each execution that was let in has its task, which can then be found and stopped.

    seconds: when whoever let one in is gone, and its task will not come any more.
    """
    deadline = time.monotonic() + seconds
    while _any_starting(dynamodb, table) and time.monotonic() < deadline:
        time.sleep(poll_seconds)


def _any_starting(dynamodb: Any, table: str) -> bool:
    """Of the table itself: an index follows it by a moment."""
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=table,
        ConsistentRead=True,
        FilterExpression="#status = :starting AND attribute_not_exists(task_arn)",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":starting": {"S": "starting"}},
    )
    return any(page["Items"] for page in pages)


def stop_all(
    ecs: Any,
    cluster: str,
    on_event: Callable[[str], None],
    *,
    seconds: float = STOPPING_SECONDS,
    poll_seconds: float = POLL_SECONDS,
) -> int:
    """Stop what runs in the cluster, and wait until it has; how many tasks that were.

    cluster: name or ARN. Raises StackError where a task has not stopped after `seconds`.
    """
    stopped: set[str] = set()
    deadline = time.monotonic() + seconds
    while live := running(ecs, cluster):
        for task in live:
            arn = task["taskArn"]
            if task["desiredStatus"] != "STOPPED":
                on_event(f"Stopping {arn}")
                ecs.stop_task(cluster=cluster, task=arn, reason=_STOPPED_BY)
            stopped.add(arn)
        if time.monotonic() > deadline:
            raise StackError("tasks of the stack do not stop", "try again in a minute")
        time.sleep(poll_seconds)
    return len(stopped)


def running(ecs: Any, cluster: str) -> list[dict[str, Any]]:
    """Tasks that have not ended: ListTasks names those that are to stop only if asked for them."""
    arns = [
        arn
        for status in ("RUNNING", "STOPPED")
        for page in ecs.get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus=status)
        for arn in page["taskArns"]
    ]
    return [
        task
        for first in range(0, len(arns), 100)
        for task in ecs.describe_tasks(cluster=cluster, tasks=arns[first : first + 100])["tasks"]
        if task["lastStatus"] != "STOPPED"
    ]
