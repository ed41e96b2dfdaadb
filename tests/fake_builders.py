"""Docker and Podman as far as their command lines go: programs that note what they are asked."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Tools:
    """A PATH of git and of what a test puts there, and what was asked of the latter."""

    folder: Path

    def add(self, name: str, script: str) -> None:
        """A program that notes its arguments, and then does what the shell script says.

        Where that has not ended it, it writes the files that it was asked for.
        """
        noted = f'printf "%s\\n" "$*" >> "{self.log}"\n'
        file = self.folder / name
        file.write_text(f"#!/bin/sh\n{noted}{script}\n{_WRITE_FILES}")
        file.chmod(0o755)

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def asked(self, word: str) -> list[str]:
        """The command lines with this word."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in lines if word in line.split()]


_WRITE_FILES = """
code=$?
while [ $# -gt 1 ]; do
    case $1 in --iidfile|--digestfile) echo sha256:0 > "$2";; esac
    shift
done
exit $code
"""
ANSWERS: Mapping[str, str] = {
    "podman": 'case "$1" in --version) echo podman version 4.3.1;; esac',
    "docker": 'case "$1" in --version) echo Docker version 28;; buildx) [ "$2" != version ];; esac',
    "buildx": 'case "$1" in --version) echo Docker version 28;; esac',
    "dead": 'case "$1" in version) echo no daemon >&2; exit 1;; esac',
}


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    folder = tmp_path / "bin"
    folder.mkdir()
    for program in ("git", "sh", "cat", "ls", "find", "sleep", "kill", "touch", "test", "base64"):
        found = shutil.which(program)
        assert found
        (folder / program).symlink_to(found)
    monkeypatch.setenv("PATH", str(folder))
    return Tools(folder)
