"""What a stack on this machine is made of: {MYCLI_HOME}/local/stacks/{stack}.json.

Written after each resource that is made, changed or deleted, so that whatever is interrupted is
finished by running it again. Secret inputs stand in it as digests.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mycli import config
from mycli.errors import LocalAccountError
from mycli.local.place import damaged


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource; its id is "" from before it is made until it is known to be.

    doomed: something newer is in its place, and it goes when nothing uses it.
    """

    type: str
    name: str
    id: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    doomed: bool = False

    @property
    def made(self) -> bool:
        return bool(self.id)

    @property
    def title(self) -> str:
        """Of `aws:ec2/vpc:Vpc`, called `vpc`: Vpc vpc."""
        return f"{self.type.rpartition(':')[2]} {self.name}"

    @property
    def state(self) -> dict[str, Any]:
        return {**self.inputs, **self.outputs, "id": self.id}


@dataclass
class Ledger:
    path: Path
    resources: list[Resource] = field(default_factory=list[Resource])
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)

    @classmethod
    def read(cls, path: Path) -> Ledger:
        """The ledger in this file, an empty one where there is none. Raises LocalAccountError."""
        if not path.exists():
            return cls(path)
        try:
            document = json.loads(path.read_bytes())
            resources = [Resource(**resource) for resource in document["resources"]]
            return cls(path, resources, document["outputs"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise damaged(path, error) from None

    @contextlib.contextmanager
    def mine(self) -> Generator[None]:
        """Within it, no other command works on this stack. Raises LocalAccountError."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                reason = f"another mycli is working on the stack {self.path.stem}"
                raise LocalAccountError(reason, "wait until it is through") from None
            yield
        finally:
            os.close(lock)

    def find(self, token: str, name: str) -> Resource | None:
        with self._lock:
            return next(
                (r for r in self.resources if (r.type, r.name, r.doomed) == (token, name, False)),
                None,
            )

    def put(self, resource: Resource, instead_of: Resource | None = None) -> None:
        """Write down a resource that now stands, at the end or where another one stood."""
        with self._lock:
            if instead_of:
                self.resources[self.resources.index(instead_of)] = resource
            else:
                self.resources.append(resource)
            self.write()

    def remove(self, resource: Resource) -> None:
        with self._lock:
            self.resources.remove(resource)
            self.write()

    def write(self) -> None:
        resources = [dataclasses.asdict(resource) for resource in self.resources]
        document = {"outputs": self.outputs, "resources": resources}
        config.write_private(self.path, json.dumps(document, indent=1).encode())
