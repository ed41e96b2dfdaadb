"""The Pulumi engine: one that is there and new enough, else one of mycli's own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mycli import config
from mycli.errors import EngineError
from mycli.stack import installation

if TYPE_CHECKING:
    from mycli.stack.invocation import Engine

# The SDK refuses to refresh or destroy an inline program before 3.181, and takes the engine's
# events from a file that it polls before 3.206. A newer engine than the SDK is no trouble, and
# neither is one that is a few minors older: so this is a minimum, and what is on PATH is used.
MINIMUM = (3, 206, 0)
# What is installed where there is none: the version that the tests run with.
PINNED = "3.256.0"
KEPT_FILES = 30  # of each kind that the engine writes for each of its runs and never takes away
ANSWER_SECONDS = 30.0  # how long an engine may think about its own version

_BY_HAND = "put a `pulumi` of at least {} on PATH: https://www.pulumi.com/docs/install/"

OnEvent = Callable[[str], None]


def pulumi_home() -> Path:
    """Where the engine keeps its plugins and settings: mycli's own, never the user's."""
    return config.home() / "pulumi"


def own_engine() -> Path:
    """Where mycli installs an engine."""
    return pulumi_home() / "versions" / PINNED


def find(
    on_event: OnEvent,
    *,
    fetch: installation.Fetch | None = None,
    seconds: float = ANSWER_SECONDS,
) -> Engine:
    """The engine on PATH, if it will do, else mycli's own, which is installed where it is missing.

    fetch: puts an engine into a folder; from the vendor where it is left out. seconds: how long
    each engine that is there may take to say its version. Raises EngineError with what was tried.
    """
    tidy()
    own = own_engine()
    found, tried = look(seconds)
    for refused in tried:
        on_event(f"Not used: {refused}")
    if found:
        return found
    installation.check_room(
        pulumi_home(), engine=True, plugin=not installation.has_plugin(pulumi_home())
    )

    def works(root: Path) -> str | None:
        answer = examine(str(root / "bin" / "pulumi"), seconds)
        return answer if isinstance(answer, str) else None

    hint = _BY_HAND.format(_dotted(MINIMUM))
    try:
        installation.install_engine(own, PINNED, works, on_event, fetch)
    except EngineError as error:
        message = f"{error.message}; {'; '.join(tried)}" if tried else error.message
        raise EngineError(message, f"{error.hint}, or {hint}") from None
    installed = examine(str(own / "bin" / "pulumi"), seconds)
    if isinstance(installed, str):
        raise EngineError(f"the engine in {own} {installed}", hint)
    return installed


def tidy(logs: int = KEPT_FILES) -> None:
    """Take away all but the newest files that the engine's runs have left. logs: how many stay."""
    for name, kept in (("logs", logs), ("workspaces", KEPT_FILES)):
        with contextlib.suppress(OSError):  # another mycli tidies, too
            files = list((pulumi_home() / name).iterdir())
            files.sort(key=lambda file: file.stat().st_mtime)
            for file in files[: max(0, len(files) - kept)]:
                file.unlink()


def look(seconds: float = ANSWER_SECONDS) -> tuple[Engine | None, list[str]]:
    """The engine that is there and will do, or None; and those before it that will not, and why."""
    tried: list[str] = []
    for command in (shutil.which("pulumi"), str(own_engine() / "bin" / "pulumi")):
        if command and Path(command).exists():
            found = examine(command, seconds)
            if not isinstance(found, str):
                return found, tried
            tried.append(f"{command} {found}")
    return None, tried


def provide_plugin(found: Engine, on_event: OnEvent) -> None:
    """Install the aws plugin that pulumi_aws names, where it is missing. Raises EngineError."""
    if not installation.has_plugin(pulumi_home()):
        installation.check_room(pulumi_home(), engine=False, plugin=True)
        installation.install_plugin(found, pulumi_home(), on_event)


def examine(command: str, seconds: float = ANSWER_SECONDS) -> Engine | str:
    """The engine, or why it will not do, as what it is or does: `is too old`."""
    try:
        code, said = _ask(command, seconds)
    except OSError as error:
        return f"cannot be run on this machine: {error.strerror}"
    except subprocess.TimeoutExpired:
        return f"did not say its version in {seconds:g} s"
    return f"does not work (exit code {code})" if code else _accept(command, said.strip())


def _accept(command: str, said: str) -> Engine | str:
    from semver import VersionInfo

    from mycli.stack.invocation import Engine

    try:
        version = VersionInfo.parse(said.removeprefix("v"))
    except ValueError:
        return f"says no version but {said[:40]!r}"
    if version < _dotted(MINIMUM):
        return f"is {version}: {_dotted(MINIMUM)} or newer is needed"
    if version.major > MINIMUM[0]:
        return f"is {version}: mycli knows the engine up to {MINIMUM[0]}.x"
    return Engine(command, version)


def _dotted(version: tuple[int, int, int]) -> str:
    return ".".join(map(str, version))


def _ask(command: str, seconds: float) -> tuple[int, str]:
    """Exit code and stdout of `pulumi version`.

    It keeps a log of even that in its home: whoever only looks leaves nothing in ours.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        return _ask_in(scratch, command, seconds)


def _ask_in(home: str, command: str, seconds: float) -> tuple[int, str]:
    process = subprocess.Popen(
        [command, "version"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        errors="replace",
        env={**os.environ, "PULUMI_HOME": home, "PULUMI_SKIP_UPDATE_CHECK": "1"},
        process_group=0,  # so that what it has started ends with it
    )
    with process:
        try:
            said, _ = process.communicate(timeout=seconds)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, said
