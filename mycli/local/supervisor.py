"""The parent of one task on this machine: whatever the task starts ends with it.

Run as a script of its own, with the standard library only, one for each task:

    python -I -S supervisor.py < pipe

The first line of stdin is a JSON object: argv, env, cwd, and at_end: null, or a command that ends
what the task left behind, which then is not ours to kill. Later lines are `stop SECONDS`: TERM now,
KILL after that time. The end of stdin means that the daemon is gone, by whatever death: then the
task is killed at once. stdout and stderr are the task's own. The exit status is the task's, or
128 + n where signal n ended it.
"""

# ruff: noqa: PTH123, PTH208
# Importing pathlib alone would add a fifth to the time that a task takes to start.
from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import sys
import time

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_OPEN_FILES = 65_535  # what a Fargate container gets
_PATIENCE_SECONDS = 5.0  # for a killed process to be gone


def main() -> int:
    first_line, asked = _first_line()
    spec = json.loads(first_line)
    if not spec["at_end"]:
        # What the task leaves behind comes to us, even if it made itself a session of its own.
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    ended, wake = os.pipe()
    for end in (ended, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
    me = os.getpid()
    task = os.fork()
    if task == 0:
        _become(spec["argv"], spec["env"], spec["cwd"], parent=me)
    code = _watch(task, ended, asked)
    if spec["at_end"]:
        _run(spec["at_end"], spec["env"])
    else:
        _kill_the_rest(task)
    return code


def _first_line() -> tuple[bytes, bytes]:
    """The first line of stdin, and what came behind it."""
    data = b""
    while b"\n" not in data:
        more = os.read(0, 65_536)
        if not more:
            sys.exit(0)
        data += more
    line, _, rest = data.partition(b"\n")
    return line, rest


def _become(argv: list[str], env: dict[str, str], cwd: str, parent: int) -> None:
    """In the forked child: turn into the task's first process."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ):  # Python changed these
        signal.signal(number, signal.SIG_DFL)
    os.setsid()
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(137)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.umask(0o022)  # as in a container; the daemon's own is stricter
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_files = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, hard))
    try:
        os.chdir(cwd)
        os.execvpe(argv[0], argv, env)  # noqa: S606 (no shell on purpose)
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _watch(task: int, ended: int, asked: bytes) -> int:
    """Wait for the task's first process; do what the daemon asks for. The exit status."""
    watched = [0, ended]
    kill_at: float | None = None
    while True:
        if asked and kill_at is None:
            _signal(task, signal.SIGTERM)
            kill_at = time.monotonic() + float(asked.split()[1])
        asked = b""
        timeout = None if kill_at is None else max(0.0, kill_at - time.monotonic())
        ready, _, _ = select.select(watched, [], [], timeout)
        if 0 in ready and not (asked := os.read(0, 4096)):
            watched, kill_at = [ended], time.monotonic()  # the daemon is gone
        if kill_at is not None and time.monotonic() >= kill_at:
            _signal(task, signal.SIGKILL)
            kill_at = None
        with contextlib.suppress(BlockingIOError):
            os.read(ended, 4096)
        code = _reap(task)
        if code is not None:
            return code


def _reap(task: int) -> int | None:
    """Bury every child that has ended; the task's exit status if it was one of them."""
    code = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == task:
                exit_code = os.waitstatus_to_exitcode(status)
                code = 128 - exit_code if exit_code < 0 else exit_code
    return code


def _kill_the_rest(task: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(task, signal.SIGKILL)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (left := _children()) and time.monotonic() < deadline:
        for pid in left:
            _signal(pid, signal.SIGKILL)
        time.sleep(0.002)
        _reap(0)


def _children() -> list[int]:
    """Our children, those that came to us as orphans included. Empty where there is no /proc."""
    me = str(os.getpid())
    found: list[int] = []
    for pid in filter(str.isdigit, os.listdir("/proc") if sys.platform == "linux" else ()):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", errors="replace") as file:
            # "pid (name) state ppid ...": a name may hold spaces and brackets.
            state, parent = file.read().rpartition(")")[2].split()[:2]
            if parent == me and state != "Z":
                found.append(int(pid))
    return found


def _run(argv: list[str], env: dict[str, str]) -> None:
    pid = os.fork()
    if pid == 0:
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nothing, stream)
        try:
            os.execvpe(argv[0], argv, env)  # noqa: S606 (no shell on purpose)
        finally:
            os._exit(127)
    os.waitpid(pid, 0)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main())
