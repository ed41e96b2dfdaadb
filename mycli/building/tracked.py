"""What git tracks around a folder, and how the work tree differs from a commit."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mycli.errors import UsageError

SUBMODULE = "160000"  # the mode of one in git's index
EXECUTABLE = "100755"
_OF_ONE_REPOSITORY = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")


@dataclass(frozen=True)
class Tracked:
    """A path in git's index. mode: git's own; SUBMODULE: one that is not checked out."""

    path: Path
    mode: str


@dataclass(frozen=True)
class Repository:
    """A work tree. top: its own folder, an absolute path without links, as all paths here."""

    top: Path

    @classmethod
    def around(cls, folder: Path) -> Repository:
        """Raises UsageError outside of a work tree, and without git."""
        try:
            found = _git(folder, "rev-parse", "--show-toplevel")
        except GitFailed as error:
            raise UsageError(
                f"{folder} is in no work tree of git, and what git tracks is what goes into an "
                "image",
                str(error),
            ) from None
        return cls(Path(os.fsdecode(found.removesuffix(b"\n"))))

    def knows_modes(self) -> bool:
        """Whether a file's executable bit counts: not on a disk of Windows."""
        try:
            told = _git(self.top, "config", "--type=bool", "--get", "core.fileMode")
        except GitFailed:  # it is not set
            return True
        return told.strip() != b"false"

    def tracked(self, places: Sequence[Path]) -> list[Tracked]:
        """What stands at these places and below, also in submodules."""
        return list(dict.fromkeys(_tracked(self.top, places)))  # a conflict has a path thrice

    def untracked(self, places: Sequence[Path]) -> list[Path]:
        """What stands there and is neither tracked nor ignored; a folder as one."""
        words = ("ls-files", "--others", "--exclude-standard", "--directory", "-z", "--")
        found = _git(self.top, *words, *(place.relative_to(self.top) for place in places))
        return self._paths(found)

    def changed(self, places: Sequence[Path], since: str) -> list[Path]:
        """Tracked files there that are not as in a commit; of a submodule, the submodule."""
        # Without a fresh look at the files, a new time would count as a change.
        words = ("-c", "diff.autoRefreshIndex=true", "diff", "--name-only", "--no-renames", "-z")
        found = _git(self.top, *words, "--ignore-submodules=untracked", since, "--")
        return [path for path in self._paths(found) if _meets(places, path)]

    def changed_since_commit(self, places: Sequence[Path]) -> list[Path]:
        """The same since HEAD; where nothing was ever committed, all of them."""
        if self._commit("HEAD"):
            return self.changed(places, "HEAD")
        return [item.path for item in self.tracked(places)]

    def fork_point(self, since: str) -> str:
        """The newest commit that HEAD has in common with this one. Raises UsageError."""
        hint = "a CI checkout may have the newest commit only: fetch more (fetch-depth: 0)"
        commit = self._commit(since)
        if not commit:
            raise UsageError(f"git knows no commit {since!r}", hint)
        try:
            return _git(self.top, "merge-base", commit, "HEAD").decode().strip()
        except GitFailed:
            raise UsageError(f"HEAD has nothing in common with {since!r}", hint) from None

    def _commit(self, name: str) -> str:
        try:
            found = _git(self.top, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
            return found.decode().strip()
        except GitFailed:
            return ""

    def _paths(self, listed: bytes) -> list[Path]:
        return [self.top / os.fsdecode(name) for name in listed.split(b"\0")[:-1]]


def _meets(places: Sequence[Path], path: Path) -> bool:
    """Whether it stands at one of the places; a submodule is met by a place in it, too."""
    return any(path.is_relative_to(place) or place.is_relative_to(path) for place in places)


def _tracked(top: Path, places: Sequence[Path]) -> Iterator[Tracked]:
    for line in _git(top, "ls-files", "--stage", "-z").split(b"\0")[:-1]:
        facts, _, name = line.partition(b"\t")
        path, mode = top / os.fsdecode(name), facts[:6].decode()
        if not _meets(places, path):
            continue
        if mode == SUBMODULE and os.path.lexists(path / ".git"):
            yield from _tracked(path, places)
        else:
            yield Tracked(path, mode)


class GitFailed(Exception):
    """Its text is what git said last."""


def _git(folder: Path, *words: str | Path) -> bytes:
    # Meant is the repository around the folder, not the one whose hook may have started us; and a
    # path is a path, also with a * in it.
    around = {name: value for name, value in os.environ.items() if name not in _OF_ONE_REPOSITORY}
    literal = {"GIT_OPTIONAL_LOCKS": "0", "GIT_LITERAL_PATHSPECS": "1", "LC_ALL": "C"}
    try:
        ran = subprocess.run(
            ["git", "-C", folder, *words],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**around, **literal},
        )
    except OSError as error:
        raise GitFailed(f"git cannot be run: {error.strerror}") from None
    if ran.returncode != 0:
        said = ran.stderr.decode(errors="replace").strip().splitlines()
        raise GitFailed(f"git says: {said[-1].strip() if said else ran.returncode}")
    return ran.stdout
