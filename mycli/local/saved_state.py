"""The emulator's state on disk: a sealed file for each service, and a sealed journal.

The kernel is trusted to write what it was given: this is about a killed process, not about a power
cut.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mycli import config
from mycli.local import emulator
from mycli.local.place import damaged
from mycli.local.sealing import Seal

MAX_JOURNAL_BYTES = 16 * 1024 * 1024  # then the state is written, and it begins anew

# Of a task: its overrides hold the values of the user's variables, which no file may hold.
NOT_KEPT: dict[str, Any] = {"overrides": {}}


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
    """Entries in one file, a sealed line each. `lock` keeps writers out while state is written."""

    def __init__(self, folder: Path, seal: Seal, max_bytes: int = MAX_JOURNAL_BYTES) -> None:
        self._path = folder / "journal.sealed"
        self._in_clear = folder / "journal"  # as an older mycli wrote it
        self._seal = seal
        self._max_bytes = max_bytes
        self._too_long = False
        self.lock = threading.RLock()
        self.on_too_long: Callable[[], None] = lambda: None

    def write(self, entry: dict[str, Any]) -> None:
        encode = emulator.module("core.persistence")._json_default
        line = self._seal.close(json.dumps(entry, default=encode).encode()) + b"\n"
        with self.lock:
            if append_whole(self._path, line) > self._max_bytes and not self._too_long:
                self._too_long = True
                # Not here: whoever writes holds the lock, and others that the state needs.
                threading.Thread(target=self.on_too_long).start()

    def read(self) -> list[dict[str, Any]]:
        """The entries in order. One that a kill cut short was never answered, and is taken off.

        Raises LocalAccountError where another one is damaged.
        """
        entries: list[dict[str, Any]] = []
        for path in (self._in_clear, self._path):
            for line in _whole_lines(path):
                content = self._seal.open(line, path) if path == self._path else line
                entries.append(_parsed(content, path))
        return entries

    def begin_anew(self) -> None:
        for path in (self._in_clear, self._path):
            path.unlink(missing_ok=True)
        self._too_long = False


def _whole_lines(path: Path) -> list[bytes]:
    """A file's lines. What a kill left of another one is cut off, or the next would join it."""
    if not path.exists():
        return []
    *lines, rest = _content(path).split(b"\n")
    if rest:
        os.truncate(path, path.stat().st_size - len(rest))
    return lines


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise damaged(path, error.strerror) from None


def _parsed(content: bytes, path: Path) -> Any:
    decode = emulator.module("core.persistence")._json_object_hook
    try:
        return json.loads(content, object_hook=decode)
    except ValueError as error:
        raise damaged(path, error) from None


class SavedState:
    """The state of the emulator's services. With items and tasks in it, the journal begins anew."""

    def __init__(self, folder: Path, seal: Seal, journal: Journal) -> None:
        self._folder = folder
        self._written = folder / "written.sealed"
        self._seal = seal
        self._journal = journal
        self._one_at_a_time = threading.Lock()

    def read_all(self, keys: list[str]) -> dict[str, Any]:
        """The state of each service, None where there is none.

        Raises LocalAccountError where one cannot be read, or was written and is missing.
        """
        states = {key: self.read(key) for key in keys}
        if self._written.exists():
            for key in json.loads(self._seal.open(_content(self._written), self._written)):
                if states.get(key) is None:
                    raise damaged(self._paths(key)[0], "it is missing")
        return states

    def write_all(self, keys: list[str]) -> None:
        """Write the state of these services, and that from now on there is one of each."""
        self.write(keys)
        config.write_private(self._written, self._seal.close(json.dumps(keys).encode()))

    def _check_code(self, state: bytes) -> None:
        """The code of functions stands beside their state, in files named after its digest."""
        for digest in re.findall(r'"code_blob_ref": "([0-9a-f]{64})"', state.decode()):
            path = self._folder / "lambda-blobs" / f"{digest}.zip"
            if hashlib.sha256(_content(path)).hexdigest() != digest:
                raise damaged(path, "it is damaged")

    def read(self, key: str) -> Any:
        """A service's state, None where there is none. Raises LocalAccountError."""
        persistence = emulator.module("core.persistence")
        path, in_clear = self._paths(key)
        if path.exists():
            content = self._seal.open(_content(path), path)
            self._check_code(content)
            document = _parsed(content, path)
        elif in_clear.exists():
            document = _parsed(_content(in_clear), in_clear)
        else:
            return None
        version, known = document["__ministack_format__"], persistence._state_format_version(key)
        if version > known:
            raise damaged(path, "a newer mycli wrote it")
        return document["payload"]

    def write(self, keys: list[str]) -> None:
        """Write the state of these services.

        Raises OSError where the disk is full: the files are then the old ones or the new ones, each
        of them whole, and the journal, which can be played back over either, stays.
        """
        app = emulator.module("app")
        replaces_journal = {"dynamodb", "ecs"} <= set(keys)
        with (
            self._one_at_a_time,
            self._journal.lock if replaces_journal else contextlib.nullcontext(),
        ):
            for key in keys:
                get_state = emulator.service(app._state_map[key]).get_state
                self._write(key, _while_others_write(get_state))
            if replaces_journal:
                self._journal.begin_anew()

    def _write(self, key: str, state: Any) -> None:
        persistence = emulator.module("core.persistence")
        if key == "ecs":
            for task in state["tasks"]._data.values():
                task.update(NOT_KEPT)
        version = persistence._state_format_version(key)
        document = {"__ministack_format__": version, "payload": state}
        content = json.dumps(document, default=persistence._json_default).encode()
        path, in_clear = self._paths(key)
        config.write_private(path, self._seal.close(content))
        in_clear.unlink(missing_ok=True)

    def _paths(self, key: str) -> tuple[Path, Path]:
        """Where a service's state is, and where an older mycli wrote it in clear."""
        return self._folder / f"{key}.sealed", self._folder / f"{key}.json"


def _while_others_write(get_state: Callable[[], Any]) -> Any:
    for _ in range(100):
        with contextlib.suppress(RuntimeError):  # a dict changed its size while it was copied
            return get_state()
    return get_state()
