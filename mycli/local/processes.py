"""A supervised process of the daemon: started, stopped, and read line by line.

What supervisor.py is asked on its stdin is said here.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

SUPERVISOR = Path(__file__).with_name("supervisor.py")
EVENT_BYTES = 256 * 1024 - 26  # awslogs splits a longer line; 26 bytes are CloudWatch's own
_PIPE_BYTES = 1024 * 1024


class CannotStart(Exception):
    """Why a task could not be started, in ECS's words."""


def _same(exit_code: int) -> int:
    return exit_code


@dataclass(frozen=True)
class Launch:
    """What the supervisor runs: the command, its whole environment and its folder.

    at_end: the command that ends what is left, where it is not the supervisor's to kill. finish:
    turns the supervisor's exit status into the task's, or raises CannotStart.
    """

    argv: list[str]
    env: dict[str, str]
    cwd: str
    at_end: list[str] | None = None
    finish: Callable[[int], int] = _same


def start(launch: Launch) -> subprocess.Popen[bytes]:
    """Run it under a supervisor. Its stdin is the lifeline: the task ends when that closes."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(SUPERVISOR)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={},
        start_new_session=True,
        bufsize=0,
    )
    with contextlib.suppress(AttributeError, OSError):  # a wider pipe where the system has one
        fcntl.fcntl(_output(process), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    asked = {name: getattr(launch, name) for name in ("argv", "env", "cwd", "at_end")}
    _tell(process, json.dumps(asked))
    return process


def stop(process: subprocess.Popen[bytes], seconds: float) -> None:
    """TERM now, KILL after that time."""
    _tell(process, f"stop {seconds}")


def hang_up(process: subprocess.Popen[bytes]) -> None:
    """KILL now, it and all it started, as when this process ends."""
    cast("IO[bytes]", process.stdin).close()


def _tell(process: subprocess.Popen[bytes], line: str) -> None:
    with contextlib.suppress(BrokenPipeError, ValueError):  # it is over
        cast("IO[bytes]", process.stdin).write(line.encode() + b"\n")


def _output(process: subprocess.Popen[bytes]) -> int:
    return cast("IO[bytes]", process.stdout).fileno()


def read_lines(process: subprocess.Popen[bytes]) -> Iterator[list[str]]:
    """The task's output as it comes: lines without their newline, the last one perhaps without one.

    A line of more than EVENT_BYTES comes in pieces of that size; what is not UTF-8 is replaced.
    """
    rest = b""
    while data := os.read(_output(process), _PIPE_BYTES):
        *lines, rest = (rest + data).split(b"\n")
        whole = [piece for line in lines for piece in _pieces(line)]
        *long, rest = _pieces(rest)
        if whole or long:
            yield [line.decode(errors="replace") for line in (*whole, *long)]
    if rest:
        yield [rest.decode(errors="replace")]


def _pieces(line: bytes) -> Iterator[bytes]:
    while len(line) > EVENT_BYTES:
        end = EVENT_BYTES
        while end > EVENT_BYTES - 4 and line[end] & 0xC0 == 0x80:  # not inside a character
            end -= 1
        yield line[:end]
        line = line[end:]
    yield line
