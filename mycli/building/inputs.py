"""Exactly what goes into an image: the files that git tracks, as they are in the work tree.

The tag is a hash of it, and of nothing else: the same on every machine, whatever the folder, the
times of the files, and what git does not track.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from mycli.building.places import Places, find_places
from mycli.building.services import FILE_NAME, Service
from mycli.building.tracked import EXECUTABLE, Tracked
from mycli.errors import UsageError

PLATFORMS: Mapping[str, str] = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}
_FORMAT = "mycli image 1"  # another number gives every image another tag
_TAG_DIGITS = 16

FILE, PROGRAM, LINK = "file", "program", "link"


@dataclass(frozen=True)
class Entry:
    """A file, or a symbolic link, which is never followed. path: from the context.

    source: where it is in the work tree. digest: SHA-256 of the content; of a link, of what it
    says.
    """

    path: str
    kind: str
    digest: bytes
    size: int
    source: Path


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What goes into one image. arch: one of PLATFORMS. dockerfile: from the context.

    dirty: what is tracked and not as in HEAD, or missing. untracked: what stands beside the rest,
    and is left out. Both from the folder of .mycli.yaml.
    """

    service: Service
    arch: str
    dockerfile: str
    entries: tuple[Entry, ...]
    dirty: tuple[str, ...]
    untracked: tuple[str, ...]

    @property
    def platform(self) -> str:
        return PLATFORMS[self.arch]

    @property
    def tag(self) -> str:
        digest = hashlib.sha256()
        for part in self._parts():
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()[:_TAG_DIGITS] + ("-dirty" if self.dirty else "")

    def _parts(self) -> Iterator[bytes]:
        args = sorted(self.service.args.items())
        head = [_FORMAT, self.platform, self.dockerfile, str(len(args))]
        yield from map(os.fsencode, (*head, *(text for pair in args for text in pair)))
        for path, entry in sorted((os.fsencode(entry.path), entry) for entry in self.entries):
            yield from (path, entry.kind.encode(), entry.digest)

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.entries)


def read_inputs(service: Service, arch: str) -> Inputs:
    """Look at the work tree. Raises UsageError where there is nothing that could be built."""
    places = find_places(service)
    tracked = places.repository.tracked(places.all)
    read = list(_read_all(places, tracked))
    entries = [entry for _, entry in read if entry]
    _refuse_bad_dockerfile(places, tracked, entries)
    _refuse_empty(places, tracked)
    missing = {path for path, entry in read if entry is None}
    return Inputs(
        service=service,
        arch=arch,
        dockerfile=os.path.relpath(places.dockerfile, places.context),
        entries=tuple(entries),
        dirty=_shown(service, missing.union(places.repository.changed_since_commit(places.all))),
        untracked=_shown(service, places.repository.untracked(places.paths)),
    )


def changed_since(service: Service, commit: str) -> bool:
    """Whether the image may differ from the one of this commit.

    Looked at are its files and the project file that describes it. Raises UsageError.
    """
    places = find_places(service)
    described = service.folder.resolve() / FILE_NAME
    return bool(places.repository.changed([*places.all, described], commit))


def _read_all(places: Places, tracked: Iterable[Tracked]) -> Iterator[tuple[Path, Entry | None]]:
    """Each with its entry; None where no file or link stands there any more."""
    knows_modes = places.repository.knows_modes()
    plain: dict[Path, bool] = {}
    for item in tracked:
        folder = item.path.parent
        if folder not in plain:  # git would not look behind a link, either
            plain[folder] = folder.resolve() == folder
        read = _read(item.path) if plain[folder] else None
        if read is None:
            yield item.path, None
            continue
        kind, digest, size = read
        if kind != LINK and not knows_modes:
            kind = PROGRAM if item.mode == EXECUTABLE else FILE
        path = os.path.relpath(item.path, places.context)
        yield item.path, Entry(path, kind, digest, size, item.path)


def _read(path: Path) -> tuple[str, bytes, int] | None:
    """The kind, digest and size of a file or a link; None where there is something else."""
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            target = link_target(path)
            return LINK, hashlib.sha256(target).digest(), len(target)
        if not stat.S_ISREG(mode):
            return None
        with open_plain(path) as file:
            digest = hashlib.file_digest(file, "sha256").digest()
            return (PROGRAM if mode & stat.S_IXUSR else FILE), digest, file.tell()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}",
            "git tracks it, so it would go into the image",
        ) from None


def link_target(path: Path) -> bytes:
    """What a link says, to the byte: a Path would make `a//b/` an `a/b`."""
    return os.readlink(os.fsencode(path))  # noqa: PTH115


def open_plain(path: Path) -> BufferedReader:
    """Open a file for reading. Raises OSError for a link, whatever took the file's place."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")


def _refuse_bad_dockerfile(
    places: Places, tracked: Iterable[Tracked], entries: Iterable[Entry]
) -> None:
    name, shown = places.service.name, places.service.shown_dockerfile
    kinds = {entry.source: entry.kind for entry in entries}
    if places.dockerfile not in kinds:
        if not os.path.lexists(places.dockerfile):
            raise UsageError(
                f"{name}: there is no {shown}",
                "`dockerfile` names it, from the context, and `context` its folder",
            )
        if all(item.path != places.dockerfile for item in tracked):
            raise UsageError(f"{name}: git does not track {shown}", f"git add {shown}")
        raise UsageError(f"{name}: {shown} is not a file", "`dockerfile` names one")
    for path in (places.dockerfile, *places.ignore_files):
        if kinds.get(path) == LINK:  # the builder itself would follow it, out of the context too
            raise UsageError(
                f"{name}: {path.name} is a symbolic link", "name the file it leads to, or copy it"
            )


def _refuse_empty(places: Places, tracked: Iterable[Tracked]) -> None:
    for written, path in zip(places.service.paths, places.paths, strict=False):
        if not any(item.path.is_relative_to(path) for item in tracked):
            raise UsageError(
                f"{places.service.name}: git tracks nothing at {written}, which `paths` names",
                "correct it, or add what is new: git add",
            )


def _shown(service: Service, paths: Iterable[Path]) -> tuple[str, ...]:
    folder = service.folder.resolve()
    return tuple(os.path.relpath(path, folder) for path in sorted(paths))
