"""An execution on this terminal: what is going to run, its output, Ctrl-C, its exit code."""

from __future__ import annotations

import itertools
import os
import time
from typing import TYPE_CHECKING

from mycli import output
from mycli.errors import MycliError
from orchestrator import wire

if TYPE_CHECKING:
    from mycli.execution import Execution
    from mycli.project import Settings

SECOND_CTRL_C_SECONDS = 2.0
DETACHED_EXIT_CODE = 130  # as a shell has it for SIGINT
_MEANINGS = {
    wire.TIMED_OUT_EXIT_CODE: " (the code of a timeout)",
    wire.SETUP_FAILED_EXIT_CODE: " (the code of a failed setup: see above)",
    126: " (found, but not executable)",
    127: " (the shell did not find a command)",
    137: " (killed: perhaps out of memory)",
}


def tell_settings(settings: Settings, command: str) -> None:
    """Say what is going to run, and where each value came from."""
    if settings.file:
        output.step(f"Loaded configuration from {os.path.relpath(settings.file)}")
    told = {
        "Repository": ("repo", settings.repo),
        "Branch": ("branch", settings.branch),
        "Image": ("image", settings.image),
        "Service": ("service", settings.service and settings.service.name),
        "Environment": ("env", ", ".join(settings.env)),
        "Timeout": ("timeout", f"{settings.timeout} s" if "timeout" in settings.sources else None),
        "Folder": ("workdir", settings.workdir),
        "Architecture": ("arch", settings.arch),
    }
    for name, (key, value) in told.items():
        source = settings.sources.get(key)
        if value:
            output.step(
                f"{name}: {output.escaped(value)}" + (f" (from {source})" if source else "")
            )
    output.step(f"Command: {output.cut(command, 200)}")
    for warning in settings.warnings:
        output.warn(warning)


def tell_started(execution: Execution, *, beside: bool, flags: str) -> None:
    """Print what was started, and how to watch it; beside: on stderr, as it will be watched."""
    started = execution.started
    if started is None:
        return
    output.step(_task_definition(started))
    output.done("Execution started")
    say = output.story if beside else output.result
    say("\nExecution Details:")
    output.fields(
        {
            "Execution ID": execution.id,
            "Task ARN": started.task_arn,
            "Log Stream": started.log_stream,
            "Image": image(started),
        },
        indent=2,
        beside=beside,
    )
    say("")
    if not beside:
        say("Monitor execution:")
        say(f"  mycli status{flags} {execution.id}")
        say(f"  mycli logs{flags} {execution.id}")
        say(f"  mycli logs -f{flags} {execution.id}  # follow it live")


def _task_definition(started: wire.ExecResponse) -> str:
    revision = started.task_definition.rpartition("/")[2]
    if started.task_definition_cached:
        return f"Using cached task definition {revision}"
    reason = started.task_definition_reason
    return f"Registered task definition {revision}" + (f" ({reason})" if reason else "")


def image(of: wire.ExecResponse | wire.StatusResponse) -> str:
    """What runs, and the name that it was asked for by."""
    return f"{of.image} (named {of.image_name})" if of.image_name else of.image


def attach(execution: Execution, *, show: bool, beside: bool, flags: str) -> int:
    """Stay until the command has ended, and return its exit code.

    show: print its output as it comes; beside: on stderr. flags: what a mycli command line needs
    to reach the same stack. Ctrl-C detaches (130), a second one soon after stops the execution.
    Raises ExecutionFailed where the command never came to an exit code, and other MycliErrors:
    then it may still run (`tell_left`).
    """
    try:
        tell_started(execution, beside=True, flags=flags)
        output.step(f"{'Following' if show else 'Waiting for the end'}. Ctrl-C leaves it running.")
        if show:
            _print_pages(execution, beside)
        code = execution.wait() if execution.exit_code is None else execution.exit_code
    except KeyboardInterrupt:
        return _detach(execution, flags)
    except BrokenPipeError:
        tell_left(execution, flags, f"Nobody reads the output any more. {execution.id} runs on:")
        raise
    except OSError as error:
        raise MycliError(f"the output cannot be written: {error.strerror}") from error
    if code == 0:
        output.done("Command completed (exit code 0)")
    else:
        output.failed(f"Command failed with exit code {code}{_MEANINGS.get(code, '')}")
    return code


def _print_pages(execution: Execution, beside: bool) -> None:
    for page in execution.pages():
        for is_output, parts in itertools.groupby(page, lambda lines: lines.phase == "output"):
            texts = (lines.printed() for lines in parts)
            output.verbatim(texts, beside=beside or not is_output)


def tell_left(execution: Execution, flags: str, how: str) -> None:
    """Say how an execution is left, and how to go on with it."""
    output.warn(how if execution.exit_code is None else f"{execution.id} has ended:")
    output.story(f"  mycli logs -f{flags} {execution.id}    # follow it again")
    if execution.exit_code is None:
        output.story(f"  mycli stop{flags} {execution.id}       # stop it")


def _detach(execution: Execution, flags: str) -> int:
    name = execution.id
    try:
        output.story()
        how = f"Detached: {name} runs on. Ctrl-C again within two seconds stops it."
        tell_left(execution, flags, how)
        if execution.exit_code is None:
            time.sleep(SECOND_CTRL_C_SECONDS)
    except KeyboardInterrupt:
        try:
            output.step(f"Stopping {name}...")
            status = execution.stop("Ctrl-C")
            ended = status == "STOPPED"
            output.done("It has ended" if ended else "It is stopping: its command got TERM")
        except KeyboardInterrupt:
            tell_left(execution, flags, f"Interrupted: it is not known whether {name} stops.")
    return DETACHED_EXIT_CODE
