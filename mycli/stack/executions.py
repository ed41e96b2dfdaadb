"""Executions of a stack that is about to go: none is let in any more, and those that run are ended.

All of it is asked of AWS directly, as the stack's own function may be broken or gone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from mycli.errors import StackError

STOPPING_SECONDS = 180.0  # Fargate gives a task its stopTimeout, 120 s, from TERM to KILL
POLL_SECONDS = 0.05
_STOPPED_BY = "The stack is being destroyed"

# An exec checks for this item in the transaction that would start it.
_CLOSING = {"execution_id": {"S": "closing"}}


def refuse_new(dynamodb: Any, table: str) -> None:
    """From now on the stack takes no execution."""
    dynamodb.put_item(TableName=table, Item=_CLOSING)


def accept_new(dynamodb: Any, table: str) -> None:
    """Take away what a destroy, perhaps an interrupted one, left to refuse new executions."""
    dynamodb.delete_item(TableName=table, Key=_CLOSING)


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
