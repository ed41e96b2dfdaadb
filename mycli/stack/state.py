"""Where a stack's state is, and what it is encrypted with."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from mycli import config
from mycli.errors import Lock, StackError

_LOCKED_BY = re.compile(r"created by (\S+) \(pid (\d+)\) at (\S+)")


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A Pulumi backend. secrets_provider: as `pulumi stack init` knows it."""

    url: str
    passphrase: str | None = field(repr=False)

    @property
    def environment(self) -> Mapping[str, str]:
        given = {"PULUMI_BACKEND_URL": self.url}
        if self.passphrase is not None:
            given["PULUMI_CONFIG_PASSPHRASE"] = self.passphrase
        return given

    @property
    def secrets_provider(self) -> str:
        return "default" if self.passphrase is None else "passphrase"


def folder() -> Path:
    """Where `--state file` keeps everything."""
    return config.home() / "state"


def find_file() -> Backend | None:
    passphrase = folder() / "passphrase"
    if not passphrase.exists():
        return None
    return Backend(url=f"file://{folder()}", passphrase=passphrase.read_text("ascii"))


def make_file() -> Backend:
    passphrase = folder() / "passphrase"
    draft = folder() / f".passphrase.{os.getpid()}"
    config.write_private(draft, secrets.token_urlsafe(32).encode())
    with contextlib.suppress(FileExistsError):
        os.link(draft, passphrase)  # whoever comes first
    draft.unlink()
    found = find_file()
    if not found:
        raise StackError(f"{passphrase} cannot be written")
    return found


def remove_file() -> None:
    shutil.rmtree(folder())


def parse_lock(said: str) -> Lock:
    """From what the engine says of a stack that is locked."""
    found = _LOCKED_BY.search(said)
    if not found:
        return Lock(owner="somebody else", taken_at=None)
    who, pid, at = found.groups()
    return Lock(owner=f"{who} (pid {pid})", taken_at=datetime.fromisoformat(at))


def is_dead(lock: Lock) -> bool:
    """Whether the lock is of a process of this machine that is no more."""
    found = re.fullmatch(r".*@(.*) \(pid (\d+)\)", lock.owner)
    if not found or found[1] != socket.gethostname():
        return False
    try:
        os.kill(int(found[2]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
