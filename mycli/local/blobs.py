"""The layers of images, on disk: a folder for each repository, a file for each digest.

A blob is written to a file among the uploads, and is in its repository once it is whole and has
been found to be what its digest says. One that another repository has, too, is a link to the same
file: the room is free when the last one goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import re
import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mycli.local.full_disk import has_room
from mycli.local.trees import remove_tree

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
MAX_UPLOADS = 200  # begun, and not ended
_GIVEN_UP_AFTER_SECONDS = 3600
_UNUSED_AFTER_SECONDS = 86_400


class WrongDigest(Exception):
    """What was uploaded is not what its digest says."""


class TooManyUploads(Exception):
    """Nobody ends so many."""


@dataclass
class Upload:
    """A blob on its way. Its lock is for whoever writes to it."""

    repository: str
    path: Path
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    touched: float = field(default_factory=time.monotonic)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def write(self, data: bytes) -> None:
        """Raises OSError where the disk is full, FileNotFoundError once it was cancelled."""
        if not has_room(self.path.parent):  # what is left is for the records
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        with self.path.open("r+b") as file:  # and not "ab": one that was cancelled stays away
            file.seek(self.size)
            file.write(data)
        self.digest.update(data)
        self.size += len(data)
        self.touched = time.monotonic()


class Blobs:
    """All but `Upload.write` and `sync` is for one thread, the event loop's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "blobs"
        self._drafts = folder / "uploads"
        self._uploads: dict[str, Upload] = {}
        remove_tree(self._drafts)  # what a kill cut short
        for path in (folder, self._folder, self._drafts):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def begin(self, repository: str) -> str:
        """A new upload's id. Those that were given up make room. Raises TooManyUploads."""
        oldest = time.monotonic() - _GIVEN_UP_AFTER_SECONDS
        for key in [key for key, upload in self._uploads.items() if upload.touched < oldest]:
            self.cancel(key)
        if len(self._uploads) >= MAX_UPLOADS:
            raise TooManyUploads
        key = uuid.uuid4().hex
        upload = Upload(repository, self._drafts / key)
        upload.path.touch(mode=0o600)
        self._uploads[key] = upload
        return key

    def upload(self, repository: str, key: str) -> Upload | None:
        found = self._uploads.get(key)
        return found if found and found.repository == repository else None

    def cancel(self, key: str) -> None:
        upload = self._uploads.pop(key, None)
        if upload:
            upload.path.unlink(missing_ok=True)

    async def finish(self, key: str, digest: str) -> None:
        """Put the upload where its digest is looked for. Whatever happens, the upload is over.

        Raises WrongDigest.
        """
        upload = self._uploads[key]
        try:
            if f"sha256:{upload.digest.hexdigest()}" != digest:
                raise WrongDigest
            await asyncio.to_thread(_sync, upload.path)
            if key in self._uploads:  # the repository is still there
                target = self.path(upload.repository, digest)
                target.parent.mkdir(mode=0o700, exist_ok=True)
                upload.path.replace(target)
        finally:
            self.cancel(key)

    def link(self, source: str, repository: str, digest: str) -> bool:
        """Have the blob of another repository in this one, too; False where that has none."""
        target = self.path(repository, digest)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            try:
                os.link(self.path(source, digest), target)
            except FileNotFoundError:
                return False
        return True

    def path(self, repository: str, digest: str) -> Path:
        """Where the blob is, if it is there."""
        return self._of(repository) / digest.removeprefix("sha256:")

    def _of(self, repository: str) -> Path:
        return self._folder / hashlib.sha256(repository.encode()).hexdigest()

    def size(self, repository: str, digest: str) -> int | None:
        """None where the repository has no such blob. One that was asked for is in use for now."""
        path = self.path(repository, digest)
        try:
            os.utime(path)
            return path.stat().st_size
        except OSError:
            return None

    def remove_repository(self, repository: str) -> None:
        for key in [k for k, upload in self._uploads.items() if upload.repository == repository]:
            self.cancel(key)
        remove_tree(self._of(repository))

    def remove(self, repository: str, digests: Collection[str]) -> None:
        for digest in digests:
            self.path(repository, digest).unlink(missing_ok=True)

    def remove_unused(
        self, repository: str, used: Collection[str], age_seconds: float = _UNUSED_AFTER_SECONDS
    ) -> None:
        """Remove what no manifest names, once it is so old that none will come."""
        newest = time.time() - age_seconds
        with contextlib.suppress(FileNotFoundError):
            for path in self._of(repository).iterdir():
                if f"sha256:{path.name}" not in used and path.stat().st_mtime <= newest:
                    path.unlink(missing_ok=True)

    def keep_only(self, used: Mapping[str, Collection[str]]) -> None:
        """Keep what the manifests of each repository name. For the daemon's start."""
        known = {self._of(name) for name in used}
        for folder in self._folder.iterdir():
            if folder not in known:
                remove_tree(folder)
        for name, digests in used.items():
            self.remove_unused(name, digests, age_seconds=0)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
