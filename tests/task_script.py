"""Run orchestrator/task.sh as ECS does, `/bin/sh -c TEXT`, with each shell that can be /bin/sh."""

from __future__ import annotations

import contextlib
import functools
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.wire import begin_marker, split_end_marker

SCRIPT = Path(__file__).parents[1] / "orchestrator" / "task.sh"
EXECUTION_ID = "67a1a8f4a3b5"
MANAGERS = ("apk", "apt-get", "dnf", "yum", "microdnf")

# As process 1, as in a container.
UNSHARE = ("unshare", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc")

every_shell = pytest.mark.parametrize(
    "shell",
    [
        pytest.param(
            name,
            marks=pytest.mark.skipif(shutil.which(name) is None, reason=f"there is no {name} here"),
        )
        for name in ("dash", "busybox", "bash")
    ],
)


@dataclass(frozen=True)
class Ended:
    """A task that is over. log: all that it printed; its end marker has been checked."""

    exit_code: int
    log: str

    @property
    def setup(self) -> str:
        """What was printed before the command began."""
        return self._parts()[0]

    @property
    def output(self) -> str:
        """What the command printed."""
        before, began, after = self._parts()
        assert began, f"it never began:\n{before}"
        return after

    def _parts(self) -> tuple[str, str, str]:
        last_line_starts = self.log.rstrip("\n").rfind("\n") + 1
        found = split_end_marker(EXECUTION_ID, self.log[last_line_starts:].rstrip("\n"))
        assert found, f"no end marker:\n{self.log}"
        assert found[1] == self.exit_code
        text = self.log[:last_line_starts] + found[0]
        return text.partition(f"{begin_marker(EXECUTION_ID)}\n")


@dataclass(frozen=True)
class Running:
    """A task that runs in a session of its own."""

    process: subprocess.Popen[bytes]

    def wait_for(self, path: Path) -> None:
        wait_until(lambda: path.exists() or self.process.poll() is not None)
        assert path.exists(), self.end()

    def terminate(self) -> None:
        """As ECS does: TERM to the first process only, once that waits for the command.

        Before, the script would end the command at once: it could not tell whether it can hear.
        """
        stat = Path(f"/proc/{self.process.pid}/stat")
        wait_until(lambda: not stat.exists() or ") S" in stat.read_text())
        self.process.send_signal(signal.SIGTERM)

    def end(self) -> Ended:
        """Wait for the end of its output, which is when the last process that holds it is gone."""
        try:
            log, errors = self.process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        assert errors == b""  # all goes to one stream, in order
        return Ended(self.process.returncode, log.decode(errors="surrogateescape"))


@dataclass(frozen=True)
class Container:
    """What stands in for a container: folders of its own, and nothing of this environment."""

    folder: Path

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace" / "repo"

    @property
    def tmp(self) -> Path:
        return self.folder / "tmp"

    def start(
        self,
        shell: str,
        command: str,
        *,
        script: str | None = None,
        prefix: tuple[str, ...] = (),
        **environment: str | None,
    ) -> Running:
        """Start a task. environment: variables besides the usual ones; None takes one away."""
        self.tmp.mkdir(parents=True, exist_ok=True)
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        usual = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TMPDIR": str(self.tmp),
            "MYCLI_EXECUTION_ID": EXECUTION_ID,
            "MYCLI_IMAGE": "sample:1",
            "MYCLI_TIMEOUT_SECONDS": "15",
            "MYCLI_INSTALL_GIT": "0",
            "MYCLI_GIT_PROTOCOLS": "https:ssh:http:file",
            "MYCLI_WORKSPACE": str(self.workspace),
            "MYCLI_COMMAND": command,
        }
        text = SCRIPT.read_text("utf-8") if script is None else script
        process = subprocess.Popen(
            [*prefix, str(self.sh(shell)), "-c", text],
            env={name: value for name, value in (usual | environment).items() if value is not None},
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            umask=0o022,
        )
        return Running(process)

    def run(self, shell: str, command: str, **environment: str | None) -> Ended:
        return self.start(shell, command, script=None, prefix=(), **environment).end()

    def sh(self, shell: str) -> Path:
        """This shell under the name `sh`, as an image has it; the name decides how it behaves."""
        path = self.folder / "bin" / shell / "sh"
        if not path.exists():
            path.parent.mkdir(parents=True)
            path.symlink_to(str(shutil.which(shell)))
        return path

    def processes(self) -> set[int]:
        """What still runs of its tasks."""
        found: set[int] = set()
        mark = f"TMPDIR={self.tmp}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.add(int(folder.name))
        return found

    def programs(self, *names: str, **fakes: str) -> str:
        """A PATH with these programs of this machine, and fake ones given as shell text."""
        folder = self.folder / "programs"
        folder.mkdir(exist_ok=True)
        for name in names:
            (folder / name).symlink_to(str(shutil.which(name)))
        for name, text in fakes.items():
            write_program(folder / name.replace("_", "-"), text)
        return str(folder)


@pytest.fixture
def container(tmp_path: Path) -> Container:
    return Container(tmp_path)


@functools.cache
def can_unshare() -> bool:
    """Whether this machine lets us be process 1 of a namespace."""
    if shutil.which("unshare") is None:
        return False
    asked = subprocess.run([*UNSHARE, "true"], stderr=subprocess.DEVNULL, check=False)
    return asked.returncode == 0


def run_alone(
    sh: Path | str, command: str, environment: Mapping[str, str], folder: Path
) -> tuple[int, bytes]:
    """What a command comes to without mycli, by plain `sh -c`: its exit code and its output.

    Raises subprocess.TimeoutExpired where it hangs.
    """
    with subprocess.Popen(
        [str(sh), "-c", "--", command],
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        umask=0o022,
    ) as process:
        try:
            output, _ = process.communicate(timeout=5)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    code = process.returncode
    return (code if code >= 0 else 128 - code), output


def write_program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Poll until it holds; fails after this many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def exports(variables: Mapping[str, str]) -> str:
    """MYCLI_ENV, as the function writes it."""
    return "\n".join(f"export {name}={shlex.quote(text)}" for name, text in variables.items())
