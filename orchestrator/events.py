"""ECS Task State Change events: what happened to a task, written into its execution's record.

An event may be lost, doubled, late or out of order: records.advance takes them in any way they
come. https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orchestrator import healing
from orchestrator.observations import observe
from orchestrator.records import Record
from orchestrator.settings import Runtime, log

DETAIL_TYPE = "ECS Task State Change"
_EXECUTION_ID = re.compile(r"[0-9a-f]{12}")


def receive(runtime: Runtime, event: Mapping[str, Any]) -> Record | None:
    """Note the event; None where it is about no execution of this stack, or cannot be read."""
    if event.get("detail-type") != DETAIL_TYPE:
        return None
    try:
        detail: dict[str, Any] = event["detail"]
        cluster = str(detail["clusterArn"]).rpartition("/")[2]
        execution_id = str(detail.get("startedBy", ""))
        if cluster != runtime.settings.cluster or not _EXECUTION_ID.fullmatch(execution_id):
            return None
        observe(detail, runtime.now())
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # It would be no better when Lambda delivers it again.
        log(message=f"an event that cannot be read: {type(error).__name__}")
        return None
    return healing.take(runtime, execution_id, detail)
