"""What the account knows is on disk before it says so: a kill loses nothing that was answered.

The emulator writes its state on a clean shutdown only. Here

- a change to a service (a role, a function, a table, a task definition) writes that service's state
  before the answer goes out;
- what changes all the time, DynamoDB's items and ECS's tasks, goes line by line into a journal,
  which is played back over the state at the next start and then begun anew.

Logs are kept by log_streams.py. The kernel is trusted to write what it was given: this is about a
killed process, not about a power cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import os
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from mycli import config
from mycli.local import emulator

MAX_JOURNAL_BYTES = 16 * 1024 * 1024  # then the state is written, and it begins anew

# Service -> the state files that a change to it touches, by the emulator's names.
_STATE = {
    "apigateway": ["apigateway_v1"],
    # A table made anew must not get the items of its namesake, so the journal ends here too.
    "dynamodb": ["dynamodb", "ecs"],
    "ec2": ["ec2"],
    "ecs": ["ecs"],
    "events": ["eventbridge"],
    "iam": ["iam"],
    "lambda": ["lambda"],
    "logs": ["cloudwatch_logs"],
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

# Of a task: its overrides hold the values of the user's variables, which no file may hold.
NOT_KEPT: dict[str, Any] = {"overrides": {}}

logger = logging.getLogger("mycli")
Handler = Callable[[str, str, dict[str, str], bytes, dict[str, Any]], Awaitable[Any]]


def append_whole(path: Path, data: bytes) -> int:
    """Add all of it, or nothing and raise OSError (the disk is full); the file's size then."""
    with path.open("ab", buffering=0) as file:
        size = file.tell()
        try:
            if file.write(data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        except OSError:
            file.truncate(size)
            raise
        return size + len(data)


class Journal:
    """Lines of JSON in one file. `lock` keeps writers out while the state under it is written."""

    def __init__(self, path: Path, max_bytes: int = MAX_JOURNAL_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._too_long = False
        self.lock = threading.RLock()
        self.on_too_long: Callable[[], None] = lambda: None

    def write(self, entry: dict[str, Any]) -> None:
        encode = emulator.module("core.persistence")._json_default
        line = json.dumps(entry, default=encode).encode() + b"\n"
        with self.lock:
            if append_whole(self._path, line) > self._max_bytes and not self._too_long:
                self._too_long = True
                # Not here: whoever writes holds the lock, and others that the state needs.
                threading.Thread(target=self.on_too_long).start()

    def read(self) -> list[dict[str, Any]]:
        """The entries in order; one that a kill cut short was never answered, and is left out."""
        if not self._path.exists():
            return []
        decode = emulator.module("core.persistence")._json_object_hook
        lines = self._path.read_bytes().split(b"\n")[:-1]
        return [json.loads(line, object_hook=decode) for line in lines]

    def begin_anew(self) -> None:
        self._path.unlink(missing_ok=True)
        self._too_long = False


def mend(journal: Journal, after_load: Callable[[], None]) -> None:
    """after_load: called once the state of the last run is back."""
    put, remove = _keep_items(journal)
    journal.on_too_long = partial(write_state, ["dynamodb", "ecs"], journal)
    app = emulator.module("app")
    for name, keys in _STATE.items():
        app.SERVICE_HANDLERS[name] = _kept(app.SERVICE_HANDLERS[name], keys, journal)
    load = app._load_persisted_state
    every_key = sorted({key for keys in _STATE.values() for key in keys})

    def load_persisted_state() -> None:
        load()
        _play_back(journal, put, remove)
        after_load()
        write_state(every_key, journal)

    def save_all(_services: Any) -> None:
        try:
            write_state(every_key, journal)
        except OSError:  # all is there still: in the files as they were, and in the journal
            logger.exception("the state could not be written anew")

    app._load_persisted_state = load_persisted_state
    app.save_all = save_all


_one_at_a_time = threading.Lock()


def write_state(keys: list[str], journal: Journal) -> None:
    """Write the state of these services. With items and tasks in it, the journal begins anew.

    Raises OSError where the disk is full: the files are then the old ones or the new ones, each of
    them whole, and the journal, which can be played back over either, stays.
    """
    app = emulator.module("app")
    replaces_journal = {"dynamodb", "ecs"} <= set(keys)
    with _one_at_a_time, journal.lock if replaces_journal else contextlib.nullcontext():
        for key in keys:
            get_state = emulator.service(app._state_map[key]).get_state
            _save(key, _while_others_write(get_state))
        if replaces_journal:
            journal.begin_anew()


def _save(key: str, state: Any) -> None:
    """As the emulator saves and loads it; but the emulator only logs that it could not."""
    persistence = emulator.module("core.persistence")
    if key == "ecs":
        for task in state["tasks"]._data.values():
            task.update(NOT_KEPT)
    document = {"__ministack_format__": persistence._state_format_version(key), "payload": state}
    content = json.dumps(document, default=persistence._json_default).encode()
    config.write_private(Path(persistence.STATE_DIR) / f"{key}.json", content)


def _while_others_write(get_state: Callable[[], Any]) -> Any:
    for _ in range(100):
        with contextlib.suppress(RuntimeError):  # a dict changed its size while it was copied
            return get_state()
    return get_state()


def _kept(handler: Handler, keys: list[str], journal: Journal) -> Handler:
    async def kept(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Any:
        answer = await handler(method, path, headers, body, query)
        if answer[0] < 400 and _changes(method, headers, body):
            await asyncio.to_thread(write_state, keys, journal)
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
    """Journal every change of an item. The emulator's own put and remove, to play back with."""
    dynamodb = emulator.service("dynamodb")
    put, remove = dynamodb._set_item, dynamodb._remove_item

    def set_item(table: dict[str, Any], hash_key: Any, range_key: Any, item: Any) -> Any:
        with journal.lock:
            old = put(table, hash_key, range_key, item)
            journal.write({"item": [table["TableArn"], hash_key, range_key], "value": item})
        return old

    def remove_item(table: dict[str, Any], hash_key: Any, range_key: Any) -> Any:
        with journal.lock:
            old = remove(table, hash_key, range_key)
            journal.write({"item": [table["TableArn"], hash_key, range_key], "value": None})
        return old

    dynamodb._set_item, dynamodb._remove_item = set_item, remove_item
    return put, remove


def _play_back(journal: Journal, put: Callable[..., Any], remove: Callable[..., Any]) -> None:
    dynamodb, ecs = emulator.service("dynamodb"), emulator.service("ecs")
    tables = {table["TableArn"]: table for _, table in dynamodb._tables.all_items()}
    for entry in journal.read():
        if "task" in entry:
            _, _, _, region, account_id, _ = entry["task"].split(":", 5)
            ecs._tasks.set_scoped(account_id, region, entry["task"], entry["value"])
        elif (arn := entry["item"][0]) in tables:
            if entry["value"] is None:
                remove(tables[arn], *entry["item"][1:])
            else:
                put(tables[arn], *entry["item"][1:], entry["value"])
