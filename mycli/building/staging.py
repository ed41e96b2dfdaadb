"""A folder with exactly what was hashed, which is all that the build sees."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from mycli.building.inputs import LINK, PROGRAM, Entry, Inputs, link_target, open_plain
from mycli.errors import BuildError

LARGE_BYTES = 100_000_000
# A time is not hashed, so it must not differ: the same for all, and not before what zip can hold.
_MTIME = 946_684_800  # 2000-01-01
_FOLDER_MODE, _PROGRAM_MODE, _FILE_MODE = 0o755, 0o755, 0o644


@dataclass(frozen=True)
class Staged:
    """The context, and the Dockerfile, which need not stand in it."""

    context: Path
    dockerfile: Path


@contextlib.contextmanager
def staged(inputs: Inputs) -> Generator[Staged]:
    """A folder for this user alone, gone with the `with`. Raises BuildError."""
    with tempfile.TemporaryDirectory(prefix="mycli-build-") as folder:
        root = Path(folder).resolve()
        context = root / "context"
        try:
            context.mkdir()
            for entry in inputs.entries:
                _write(entry, _place(root, entry.path))
            _settle(context)
        except OSError as error:
            raise BuildError(
                f"{inputs.service.name}: its files cannot be copied: {error.strerror}",
                f"the copy would be in {tempfile.gettempdir()}; TMPDIR names another place",
            ) from None
        yield Staged(context, _place(root, inputs.dockerfile))


def _place(root: Path, path: str) -> Path:
    """A Dockerfile from outside of the context, and what belongs to it, stay outside."""
    if path.startswith("../"):
        return root / "outside" / Path(path).name
    return root / "context" / path


def _write(entry: Entry, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if entry.kind == LINK:
        target = link_target(entry.source)
        os.symlink(target, os.fsencode(place))  # noqa: PTH211 - to the byte, too
        digest = hashlib.sha256(target).digest()
    else:
        with open_plain(entry.source) as source, place.open("x+b") as copy:
            shutil.copyfileobj(source, copy)
            copy.seek(0)
            digest = hashlib.file_digest(copy, "sha256").digest()
        place.chmod(_PROGRAM_MODE if entry.kind == PROGRAM else _FILE_MODE)
    os.utime(place, (_MTIME, _MTIME), follow_symlinks=False)
    if digest != entry.digest:
        raise BuildError(f"{entry.source} changed while it was read", "run it again")


def _settle(context: Path) -> None:
    """Folders, too, are the same whatever the umask and the time."""
    for folder, _, _ in os.walk(context, topdown=False):
        Path(folder).chmod(_FOLDER_MODE)
        os.utime(folder, (_MTIME, _MTIME))


def largest(inputs: Inputs, number: int = 3) -> list[tuple[str, int]]:
    """What weighs most at the top of the context, and how many bytes."""
    sizes: dict[str, int] = {}
    for entry in inputs.entries:
        top, slash, _ = entry.path.partition("/")
        sizes[top + slash] = sizes.get(top + slash, 0) + entry.size
    return sorted(sizes.items(), key=lambda item: -item[1])[:number]
