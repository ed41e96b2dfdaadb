"""One run of the Pulumi engine, with Ctrl-C in our hands.

The SDK starts the engine in our process group and gives up waiting as soon as Ctrl-C comes: the
engine would lose the program that it is served, in the middle of a resource.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Generator, Mapping
from types import FrameType
from typing import Any

from pulumi.automation import CommandResult, PulumiCommand
from pulumi.automation.errors import create_command_error
from semver import VersionInfo

STOP_AT_ONCE = 3  # the interrupt that no engine outlives


class Engine(PulumiCommand):
    """The engine that stands at `command`.

    The first Ctrl-C or TERM lets it finish what it has begun, and is passed on to us when it has
    ended; a second one cancels what it is doing, a third one kills it. on_interrupt: told of each.
    """

    def __init__(self, command: str, version: VersionInfo) -> None:
        # Without the constructor of PulumiCommand, which would run the engine once more.
        self.command = command
        self.version = version
        self.on_interrupt: Callable[[], None] = lambda: None

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], Any] | None = None,
        on_error: Callable[[str], Any] | None = None,
    ) -> CommandResult:
        """As in PulumiCommand; on_output and on_error are given the lines when all is over."""
        process = subprocess.Popen(
            [self.command, "--non-interactive", *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=self._environment(additional_env),
            encoding="utf-8",
            errors="replace",
            process_group=0,  # the terminal's ^C reaches us only
        )
        with process, self._interruptible(process):
            out, err = process.communicate()
        for told, text in ((on_output, out), (on_error, err)):
            for line in text.splitlines() if told else ():
                told(line)  # pyright: ignore[reportOptionalCall]
        result = CommandResult(stdout=out, stderr=err, code=process.returncode)
        if process.returncode:
            raise create_command_error(result)
        return result

    def _environment(self, additional: Mapping[str, str]) -> dict[str, str]:
        environment = {**os.environ, **additional, "PULUMI_AUTOMATION_API": "true"}
        if "PULUMI_CONFIG_PASSPHRASE" in additional:
            environment.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)
        beside = os.path.dirname(self.command)  # noqa: PTH120 (plugins stand beside it)
        return {**environment, "PATH": os.pathsep.join([beside, environment.get("PATH", "")])}

    @contextlib.contextmanager
    def _interruptible(self, process: subprocess.Popen[str]) -> Generator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread hears signals
            return
        received: list[int] = []

        def pass_on(number: int, _: FrameType | None) -> None:
            received.append(number)
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(
                    signal.SIGINT if len(received) < STOP_AT_ONCE else signal.SIGKILL
                )
            self.on_interrupt()

        before = {
            number: signal.signal(number, pass_on)
            for number in (signal.SIGINT, signal.SIGTERM)
            if signal.getsignal(number) is not signal.SIG_IGN
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler or signal.SIG_DFL)
        if received:
            signal.raise_signal(received[0])
