"""A builder, run to its end: also where we are interrupted, with nothing of it left."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

END_SECONDS = 10.0  # what a builder may take to clean up after itself
_STDERR = 2
_ENDING = (signal.SIGTERM, signal.SIGHUP)


def run(argv: Sequence[str], more: Mapping[str, str] | None = None, *, alone: bool = False) -> int:
    """The exit code; what it prints goes to stderr as it comes.

    alone: a terminal's ^C reaches us only. Podman would end at once, and leave what it runs.
    """
    process = None
    try:
        with _undisturbed():
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=_STDERR,
                env={**os.environ, **(more or {})},
                process_group=0 if alone else None,
            )
        return process.wait()
    except BaseException:
        if process:
            _end(process)
        raise


@contextlib.contextmanager
def _undisturbed() -> Generator[None]:
    """Hear a signal when this is done: a process that has just started must not be lost."""
    heard: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: heard.append(number))
        for number in (signal.SIGINT, *_ENDING)
        if _is_main_thread() and callable(signal.getsignal(number))
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in heard[:1]:
        signal.raise_signal(number)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        # Podman cleans up after a command of the build that failed, not after its own end.
        started = list(_sessions_of_their_own(process.pid))
        for pid in started:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if not started:
            process.terminate()
        process.wait(END_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
        process.wait()


def _sessions_of_their_own(pid: int) -> Iterator[int]:
    """The processes below that lead a session: on Linux, the commands that a build runs."""
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in listed.read_text().split()]
        except OSError:
            continue
        for child in children:
            with contextlib.suppress(OSError):
                if os.getsid(child) == child:
                    yield child
                    continue
            yield from _sessions_of_their_own(child)


@contextlib.contextmanager
def ending_cleanly() -> Generator[None]:
    """Let TERM and HUP end us as Ctrl-C does: with what is temporary taken away.

    That is how a pipeline is cancelled. One that is ignored, as under nohup, stays so.
    """

    def end(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    heard = [
        number
        for number in _ENDING
        if _is_main_thread() and signal.getsignal(number) is signal.SIG_DFL
    ]
    for number in heard:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, signal.SIG_DFL)


def _is_main_thread() -> bool:
    """No other hears signals, nor may say what is done with them."""
    return threading.current_thread() is threading.main_thread()
