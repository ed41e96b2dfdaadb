"""The whole system as a user has it: the command line as a process, the daemon, real commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from mycli import Client

MYCLI = Path(sys.executable).with_name("mycli")


@dataclass(frozen=True)
class Machine:
    """A user's machine: a home of its own, and a folder to type commands in."""

    home: Path
    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MYCLI_")}
        return {**kept, "MYCLI_HOME": str(self.home), "NO_COLOR": "1", **self.env}

    def start(self, *args: str) -> subprocess.Popen[bytes]:
        """Type a command and do not wait for it."""
        return subprocess.Popen(
            [MYCLI, *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=self.environ(),
        )

    def run(self, *args: str, stdin: str = "", cwd: Path | None = None) -> Ran:
        """Type a command and wait until it has ended, two minutes at most."""
        done = subprocess.run(
            [MYCLI, *args],
            input=stdin.encode(),
            capture_output=True,
            check=False,
            cwd=cwd or self.folder,
            env=self.environ(),
            timeout=120,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def follow(self, *args: str) -> Ran:
        """`exec -f --skip-git ...`"""
        return self.run("exec", "-f", "--skip-git", *args)

    def json(self, verb: str, *args: str) -> Any:
        ran = self.run(verb, "--json", *args)
        assert ran.code == 0, ran
        return json.loads(ran.stdout)

    def reached_by(self) -> dict[str, str]:
        """The address of its stack and the key, as variables."""
        config = yaml.safe_load((self.home / "config.yaml").read_text())
        return {"MYCLI_API_ENDPOINT": config["api_endpoint"], "MYCLI_API_KEY": config["api_key"]}

    def client(self) -> Client:
        reached = self.reached_by()
        return Client(endpoint=reached["MYCLI_API_ENDPOINT"], api_key=reached["MYCLI_API_KEY"])


@dataclass(frozen=True)
class Ran:
    code: int
    stdout: bytes
    stderr: bytes

    @property
    def out(self) -> str:
        return self.stdout.decode()

    @property
    def err(self) -> str:
        return self.stderr.decode()


def new_machine(root: Path) -> Machine:
    (root / "folder").mkdir()
    return Machine(home=root / "home", folder=root / "folder")


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with one stack, `mycli`, in its local account; tasks run as processes."""
    machine = new_machine(tmp_path_factory.mktemp("machine"))
    made = machine.run("init", "--local", "--force", "--runtime", "process")
    assert made.code == 0, made
    yield machine
    gone = machine.run("destroy", "--force")
    assert gone.code == 0, gone
    assert not (machine.home / "local").exists()
