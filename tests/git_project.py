"""A project in git, to build images of."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mycli.building.inputs import Inputs, read_inputs
from mycli.building.services import Service


@pytest.fixture
def no_git_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the machine's nor the user's, and no repository around the temporary folders."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "Somebody")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "somebody@example.com")


@dataclass(frozen=True)
class Project:
    """A repository, whose own folder has the .mycli.yaml."""

    folder: Path

    def git(self, *words: str | bytes) -> str:
        ran = subprocess.run(
            ["git", "-C", self.folder, *words], capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran
        return ran.stdout.strip()

    def write(
        self, path: str, content: str | bytes = "content\n", *, program: bool = False
    ) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(0o755 if program else 0o644)
        return file

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "a commit")

    def service(self, **said: Any) -> Service:
        return Service(name="api", repository="api", folder=self.folder, **said)

    def inputs(self, arch: str = "x86_64", **said: Any) -> Inputs:
        return read_inputs(self.service(**said), arch)

    def files(self, **said: Any) -> dict[str, str]:
        """What goes in, and as what."""
        return {entry.path: entry.kind for entry in self.inputs(**said).entries}


def new_project(folder: Path) -> Project:
    """One commit: a Dockerfile and a file."""
    folder.mkdir(parents=True, exist_ok=True)
    project = Project(folder)
    project.git("init", "--quiet", "--initial-branch=main")
    project.write("Dockerfile", "FROM scratch\nCOPY . /\n")
    project.write("main.py", "print()\n")
    project.commit()
    return project


@pytest.fixture
def project(no_git_settings: None, tmp_path: Path) -> Project:
    return new_project(tmp_path / "project")
