"""Running programs: wall time, CPU time, memory, and what they printed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Command = Sequence[str | Path]
CHILD = Path(__file__).with_name("child.py")


@dataclass(frozen=True)
class Ran:
    """One run. wall, cpu: seconds. peak: bytes of memory. code: the exit code."""

    wall: float
    cpu: float
    peak: int
    code: int


def run(
    command: Command, environment: Mapping[str, str], stdout: Path | None = None, folder: str = "/"
) -> Ran:
    """Run a program to its end; what it prints goes to the file, or nowhere."""
    words = [str(word) for word in (stdout or os.devnull, *command)]
    told = subprocess.run(
        [sys.executable, "-I", "-S", CHILD, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        check=True,
    )
    wall, cpu, peak, code = told.stdout.split()
    return Ran(float(wall), float(cpu), int(peak), int(code))


def in_turns(
    acts: Mapping[str, Callable[[], Ran]], rounds: int, warm_up: int = 1
) -> dict[str, list[Ran]]:
    """Each of them so many times, in turns. Raises RuntimeError for one that fails."""
    runs: dict[str, list[Ran]] = {name: [] for name in acts}
    for turn in range(warm_up + rounds):
        for name, act in acts.items():
            ran = act()
            if ran.code:
                raise RuntimeError(f"{name} ended with {ran.code}")
            if turn >= warm_up:
                runs[name].append(ran)
    return runs


@contextlib.contextmanager
def started(command: Command, environment: Mapping[str, str]) -> Generator[int]:
    """Run a program meanwhile; gives where its stdout can be read. It is killed in the end."""
    reader, writer = os.pipe()
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, writer, 1),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    words = [str(word) for word in command]
    pid = os.posix_spawn(words[0], words, dict(environment), file_actions=actions)
    os.close(writer)
    try:
        yield reader
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(reader)


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
