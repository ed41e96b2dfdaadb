"""Where the state of stacks is, what it is encrypted with, and who holds it.

A place is a folder of this machine, a bucket in the account (state_bucket.py), or any backend that
Pulumi knows by a URL.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from mycli import config
from mycli.errors import Lock, StackError

# https://github.com/pulumi/pulumi/blob/master/pkg/backend/diy/lock.go
LOCKS = ".pulumi/locks/organization/mycli/{stack}/"
_LOCKED_BY = re.compile(r"created by (\S+) \(pid (\d+)\) at (\S+)")


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A Pulumi backend. passphrase: None where the backend keeps secrets by itself."""

    url: str
    passphrase: str | None = field(repr=False)

    @property
    def environment(self) -> Mapping[str, str]:
        """What the engine is started with."""
        url = self.url
        if url.startswith("file:"):
            # Else the engine writes a second file beside each of its own, and not in one step: one
            # that is killed just then leaves a state that no engine can read any more.
            # https://pkg.go.dev/gocloud.dev/blob/fileblob (MetadataDontWrite)
            url += ("&" if "?" in url else "?") + "metadata=skip"
        given = {"PULUMI_BACKEND_URL": url}
        if self.passphrase is not None:
            given["PULUMI_CONFIG_PASSPHRASE"] = self.passphrase
        return given

    @property
    def secrets_provider(self) -> str:
        """As `pulumi stack init` knows it."""
        return "default" if self.passphrase is None else "passphrase"


class Place(Protocol):
    def find(self) -> Backend | None:
        """None where nothing was made yet, or only a half."""
        ...

    def make(self) -> Backend:
        """The same, made where it is missing; two that do so at once end up with the same."""
        ...

    def remove(self) -> bool:
        """Take away what `make` has made, all of it; whether there was anything."""
        ...

    def lock(self, stack: str) -> Lock | None:
        """Who is changing the stack, as far as that can be told."""
        ...


class Folder:
    """`--state file`: {MYCLI_HOME}/state, with the passphrase in a file beside it."""

    def __init__(self) -> None:
        self._path = config.home() / "state"
        self._passphrase = self._path / "passphrase"

    def find(self) -> Backend | None:
        if not self._passphrase.exists():
            if any(self._path.glob(".pulumi/stacks/**/*.json")):
                raise lost_passphrase(str(self._passphrase))
            return None
        return Backend(url=f"file://{self._path}", passphrase=self._passphrase.read_text("ascii"))

    def make(self) -> Backend:
        if found := self.find():
            return found
        draft = self._path / f".passphrase.{secrets.token_hex(4)}"
        config.write_private(draft, draw_passphrase().encode())
        with contextlib.suppress(FileExistsError):
            os.link(draft, self._passphrase)  # whoever comes first
        draft.unlink()
        return Backend(url=f"file://{self._path}", passphrase=self._passphrase.read_text("ascii"))

    def remove(self) -> bool:
        there = self._path.exists()
        shutil.rmtree(self._path, ignore_errors=True)
        return there

    def lock(self, stack: str) -> Lock | None:
        return lock_in_folder(self._path, stack)


class Address:
    """`--state URL`: whatever stands there is not mycli's to make or to remove."""

    def __init__(self, url: str, clients: Callable[[str], Any]) -> None:
        self._url = url
        self._clients = clients

    def find(self) -> Backend:
        return Backend(url=self._url, passphrase=_given_passphrase(self._url))

    def make(self) -> Backend:
        return self.find()

    def remove(self) -> bool:
        return False

    def lock(self, stack: str) -> Lock | None:
        url = urlsplit(self._url)
        if url.scheme == "file":
            return lock_in_folder(Path(self._url.removeprefix("file://")).expanduser(), stack)
        if url.scheme == "s3":
            prefix = url.path.strip("/")
            return lock_in_bucket(self._clients("s3"), url.netloc, stack, prefix and f"{prefix}/")
        return None  # the engine will say it


def passing(folder: Path) -> Backend:
    """A backend for once, in a folder that goes."""
    folder.mkdir(mode=0o700)
    return Backend(url=f"file://{folder}", passphrase=draw_passphrase())


def _given_passphrase(url: str) -> str | None:
    scheme = urlsplit(url).scheme
    if scheme in ("http", "https"):
        if not os.environ.get("PULUMI_ACCESS_TOKEN"):
            raise StackError(f"there is no login for {url}", "set PULUMI_ACCESS_TOKEN")
        return None
    if scheme not in ("file", "s3", "gs", "azblob", "postgres"):
        raise StackError(
            f"{url} is no place for a state", "file, or s3://…, gs://…, azblob://…, https://…"
        )
    passphrase = os.environ.get("PULUMI_CONFIG_PASSPHRASE")
    file = os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE")
    if passphrase is None and file:
        try:
            passphrase = Path(file).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise StackError(f"the passphrase cannot be read: {error}") from None
    if passphrase is None:
        raise StackError(
            f"the passphrase of the state in {url} is not known",
            "set PULUMI_CONFIG_PASSPHRASE; a new one for a new place, and keep it",
        )
    return passphrase


def draw_passphrase() -> str:
    return secrets.token_urlsafe(32)


def lost_passphrase(where: str) -> StackError:
    return StackError(
        f"there is a state, and its passphrase is lost: {where}",
        "put it back, for example from a backup; without it nobody can read the state's secrets",
    )


def lock_in_folder(folder: Path, stack: str) -> Lock | None:
    files = sorted((folder / LOCKS.format(stack=stack)).glob("*.json"))
    return _first(path.read_bytes() for path in files)


def lock_in_bucket(s3: Any, bucket: str, stack: str, prefix: str = "", **owner: str) -> Lock | None:
    """owner: ExpectedBucketOwner, where it is known."""
    listed = s3.list_objects_v2(
        Bucket=bucket, Prefix=prefix + LOCKS.format(stack=stack), **owner
    ).get("Contents", [])
    return _first(
        s3.get_object(Bucket=bucket, Key=item["Key"], **owner)["Body"].read() for item in listed
    )


def _first(documents: Iterable[bytes]) -> Lock | None:
    for document in documents:
        said = json.loads(document)
        return Lock(
            owner=f"{said['username']}@{said['hostname']} (pid {said['pid']})",
            taken_at=datetime.fromisoformat(said["timestamp"]),
        )
    return None


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
    return not _runs(int(found[2]))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # One that has ended keeps its number until its parent asks how.
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(") ")[2][0] != "Z"
    return True
