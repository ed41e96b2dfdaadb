"""ECS's "Task State Change" events, which the emulator does not send.

Shaped as AWS documents them and put on the default bus the emulator's own way. One thread delivers
them, in order and one at a time: each starts the function, and a cold start of the function costs
more than the wait.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
"""

from __future__ import annotations

import copy
import json
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from mycli.local import emulator

logger = logging.getLogger("mycli")
_KEPT_EVENTS = 100  # the emulator remembers every event for good
_deliveries: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()


def mend() -> None:
    """Deliver what EventBridge has for a function in order; the emulator has a thread for each."""
    events, functions = emulator.service("eventbridge"), emulator.service("lambda_svc")

    def dispatch_to_lambda(arn: str, payload: str) -> None:
        function, config, _ = functions._get_func_record_for_ref(arn)
        if function and config:
            record = functions._execution_record_for_config(function, config)
            functions._execute_function_with_config_scope(record, json.loads(payload))

    events._dispatch_to_lambda = dispatch_to_lambda
    threading.Thread(target=_deliver, name="task-events", daemon=True).start()


def _deliver() -> None:
    while True:
        delivery = _deliveries.get()
        try:
            delivery()
        except Exception:
            logger.exception("an event could not be delivered")


def publish(task: dict[str, Any]) -> None:
    """Tell EventBridge how the task stands now. Returns at once."""
    detail = copy.deepcopy(emulator.service("ecs")._sanitize(task))
    detail["updatedAt"] = emulator.module("core.responses").now_iso()
    _, _, _, region, account_id, _ = task["taskArn"].split(":", 5)
    entry = {
        "Source": "aws.ecs",
        "DetailType": "ECS Task State Change",
        "Resources": [task["taskArn"]],
        "Detail": json.dumps(detail),
    }
    _deliveries.put(lambda: _put(entry, account_id, region))


def _put(entry: dict[str, Any], account_id: str, region: str) -> None:
    events = emulator.service("eventbridge")
    with emulator.module("core.responses").request_scope(account_id, region):
        events._ensure_default_bus()
        events._put_events({"Entries": [entry]}, allow_aws_source=True)
        del events._events_log_list()[:-_KEPT_EVENTS]
