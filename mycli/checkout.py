"""The git repository around a folder: its remote, its branch, and what of it is not pushed."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """The work tree around a folder, or a bare repository. root: its own folder.

    head: its branch, or the commit where it is detached; None in a bare repository.
    origin: the address of the remote, None without one. ahead: commits that the branch of this name
    on origin lacks, as far as git knows (whatever it follows); None where there is none.
    """

    root: Path
    origin: str | None
    head: str | None
    detached: bool
    ahead: int | None
    dirty: int

    def not_running(self, *, in_image: bool = False) -> list[str]:
        """What of this checkout a task will not see, in sentences.

        in_image: the task's image is built of what is here.
        """
        told: list[str] = []
        if self.head is None:
            return told
        if self.dirty:
            files = "1 file is" if self.dirty == 1 else f"{self.dirty} files are"
            where = "the clone has none of it, the image has what goes into it"
            told.append(
                f"{files} not committed: "
                + (where if in_image else "what is not committed will not run")
            )
        if self.detached:
            if not _git(self.root, "branch", "--remotes", "--contains", "HEAD"):
                told.append(
                    "this commit is on no branch of the remote: what is not pushed will not run"
                )
        elif self.ahead is None:
            told.append(
                f"branch {self.head} is not on origin, as far as git knows: it will not run"
            )
        elif self.ahead:
            commits = "1 commit is" if self.ahead == 1 else f"{self.ahead} commits are"
            told.append(f"{commits} not pushed: what is not pushed will not run")
        return told


def read_checkout(folder: Path) -> Checkout | None:
    """What git says about the repository around `folder`; None outside of one or without git."""
    root = _git(folder, "rev-parse", "--show-toplevel") or _git(
        folder, "rev-parse", "--absolute-git-dir"
    )
    if not root:
        return None
    status = _git(folder, "status", "--porcelain=v2", "--branch") or ""
    lines = status.splitlines()
    told = {
        name: value
        for name, _, value in (line[2:].partition(" ") for line in lines if line.startswith("# "))
    }
    commit, name = told.get("branch.oid", "(initial)"), told.get("branch.head", "(detached)")
    detached = name == "(detached)"
    there = f"refs/remotes/origin/{name}"
    ahead = None if detached else _git(folder, "rev-list", "--count", f"{there}..HEAD", "--")
    return Checkout(
        root=Path(root),
        origin=_git(folder, "remote", "get-url", "origin"),
        head=(commit if commit != "(initial)" else None) if detached else name,
        detached=detached,
        ahead=int(ahead) if ahead else None,
        dirty=sum(not line.startswith("# ") for line in lines),
    )


def _git(folder: Path, *args: str) -> str | None:
    """What a git command prints; None where it fails, or where there is no git."""
    try:
        ran = subprocess.run(
            ["git", "-C", folder, *args],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        )
    except OSError:
        return None
    return os.fsdecode(ran.stdout).rstrip("\n") if ran.returncode == 0 else None


def same_repository(one: str, other: str) -> bool:
    """Whether two addresses name one repository, whatever the transport, user and `.git`."""
    return _host_and_path(one) == _host_and_path(other)


def _host_and_path(repo: str) -> str:
    address = re.sub(r"^[a-z]+://", "", repo)
    if "://" not in repo:
        address = re.sub(r"^([^/:]+):", r"\1/", address)
    address = re.sub(r"^[^/@]*@", "", address)
    host, slash, path = address.rstrip("/").removesuffix(".git").partition("/")
    return f"{host.lower()}{slash}{path}"
