"""What the account knows is on disk before it says so: a kill loses nothing that was answered.

The emulator writes its state on a clean shutdown only. Here

- a change to a service (a role, a function, a table, a task definition) writes that service's state
  before the answer goes out;
- what changes all the time, DynamoDB's items and ECS's tasks, goes line by line into a journal,
  which is played back over the state at the next start and then begun anew.

Both are sealed, and lie where saved_state.py puts them. Logs are kept by log_streams.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from mycli.local import emulator
from mycli.local.saved_state import Journal, SavedState

# Service -> the state files that a change to it touches, by the emulator's names.
_STATE = {
    "apigateway": ["apigateway_v1"],
    # A table made anew must not get the items of its namesake, so the journal ends here too.
    "dynamodb": ["dynamodb", "ecs"],
    "ec2": ["ec2"],
    "ecr": ["ecr"],
    "ecs": ["ecs"],
    "events": ["eventbridge"],
    "iam": ["iam"],
    "lambda": ["lambda"],
    "logs": ["cloudwatch_logs"],
    "secretsmanager": ["secretsmanager"],
    "ssm": ["ssm"],
}
_READS = ("Get", "List", "Describe", "BatchGet", "Query", "Scan", "Filter", "Search", "TransactGet")
_JOURNALED = {
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem",
    "TransactWriteItems",
    "RunTask",
    "StopTask",
    "CreateLogStream",
    "PutLogEvents",
}

logger = logging.getLogger("mycli")
Handler = Callable[[str, str, dict[str, str], bytes, dict[str, Any]], Awaitable[Any]]


def mend(saved: SavedState, journal: Journal, after_load: Iterable[Callable[[], None]]) -> None:
    """after_load: what is called once the state of the last run is back.

    Raises LocalAccountError where that state cannot be read. (The emulator would go on without.)
    """
    put, remove = _keep_items(journal)
    app = emulator.module("app")
    for name, keys in _STATE.items():
        app.SERVICE_HANDLERS[name] = _kept(app.SERVICE_HANDLERS[name], keys, saved)
    every_key = [key for key in app._state_map if any(key in keys for keys in _STATE.values())]
    states = saved.read_all(every_key)
    entries = journal.read()
    journal.on_too_long = partial(saved.write, ["dynamodb", "ecs"])

    def load_persisted_state() -> None:
        for key, state in states.items():
            if state is not None:
                emulator.service(app._state_map[key]).load_persisted_state(state)
        _play_back(entries, put, remove)
        for each in after_load:
            each()
        save_all()

    def save_all(_services: Any = None) -> None:
        try:
            saved.write_all(every_key)
        except OSError as error:  # all is there still: in the files as they were, and the journal
            logger.error("the state could not be written anew: %s", error)

    app._load_persisted_state = load_persisted_state
    app.save_all = save_all


def _kept(handler: Handler, keys: list[str], saved: SavedState) -> Handler:
    async def kept(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Any:
        answer = await handler(method, path, headers, body, query)
        if answer[0] < 400 and _changes(method, headers, body):
            await asyncio.to_thread(saved.write, keys)
        return answer

    return kept


def _changes(method: str, headers: dict[str, str], body: bytes) -> bool:
    action = headers.get("x-amz-target", "").rpartition(".")[2]
    if not action and headers.get("content-type", "").startswith("application/x-www-form"):
        action = parse_qs(body.decode()).get("Action", [""])[0]
    if action:
        return not action.startswith(_READS) and action not in _JOURNALED
    return method != "GET"


def _keep_items(journal: Journal) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Journal every change of an item, before anybody can see it: the disk may be full.

    Returns the emulator's own put and remove, to play back with.
    """
    dynamodb = emulator.service("dynamodb")
    put, remove = dynamodb._set_item, dynamodb._remove_item

    def set_item(table: dict[str, Any], hash_key: Any, range_key: Any, item: Any) -> Any:
        with journal.lock:
            journal.write({"item": [table["TableArn"], hash_key, range_key], "value": item})
            return put(table, hash_key, range_key, item)

    def remove_item(table: dict[str, Any], hash_key: Any, range_key: Any) -> Any:
        with journal.lock:
            journal.write({"item": [table["TableArn"], hash_key, range_key], "value": None})
            return remove(table, hash_key, range_key)

    dynamodb._set_item, dynamodb._remove_item = set_item, remove_item
    return put, remove


def _play_back(
    entries: list[dict[str, Any]], put: Callable[..., Any], remove: Callable[..., Any]
) -> None:
    dynamodb, ecs = emulator.service("dynamodb"), emulator.service("ecs")
    tables = {table["TableArn"]: table for _, table in dynamodb._tables.all_items()}
    for entry in entries:
        if "task" in entry:
            _, _, _, region, account_id, _ = entry["task"].split(":", 5)
            ecs._tasks.set_scoped(account_id, region, entry["task"], entry["value"])
        elif (arn := entry["item"][0]) in tables:
            if entry["value"] is None:
                remove(tables[arn], *entry["item"][1:])
            else:
                put(tables[arn], *entry["item"][1:], entry["value"])
