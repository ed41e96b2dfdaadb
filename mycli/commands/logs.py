"""mycli logs: the output of an execution."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mycli import output
from mycli.commands import Json, Name, Profile, connect, of_profile
from mycli.errors import MycliError

if TYPE_CHECKING:
    from mycli.execution import Execution, Line


def logs(
    name: Name,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Go on until it ends; exit with its exit code."),
    ] = False,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Only what the command printed, without the times."),
    ] = False,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Show the output of an execution, with the time (UTC).

    \b
    mycli logs 67a1a8f4a3b5
    mycli logs -f 67a1a8f4a3b5           # live; Ctrl-C leaves it running
    mycli logs --raw 67a1a8f4a3b5 > report.txt
    """
    with connect(profile) as client:
        execution = client.execution(name)
        try:
            if as_json:
                _as_json(execution, follow)
            elif not _as_text(execution, follow, raw) and not follow:
                output.story(_why_nothing(execution))
            code = _exit_code(execution) if follow else 0
        except KeyboardInterrupt:
            here = of_profile(profile)
            output.story(f"\n{name} may still run. To stop it: mycli stop{here} {name}")
            code = 130
    raise typer.Exit(code)


def _exit_code(execution: Execution) -> int:
    return execution.wait() if execution.exit_code is None else execution.exit_code


def _as_text(execution: Execution, follow: bool, raw: bool) -> bool:
    """Print the lines; says whether there were any."""
    shown = False
    for page in execution.pages(follow):
        if not shown and not raw:
            output.story(f"Logs of {execution.name}\n{'━' * 40}")
        shown = True
        output.verbatim(
            "".join(
                f"{text}\n" if raw else f"{_time(at)} | {text}\n"
                for at, text, phase in page
                if phase == "output" or not raw
            )
        )
        del page  # before the next one comes
    return shown


def _time(at: str) -> str:
    """`2026-01-31T12:00:00.123Z` as `2026-01-31 12:00:00 UTC`."""
    return f"{at[:10]} {at[11:19]} UTC"


def _why_nothing(execution: Execution) -> str:
    status = execution.status()
    if status.finished:
        return f"No logs: it stopped before it wrote any. {status.stopped_reason or ''}"
    return "No logs available yet. The task may still be starting."


def _as_json(execution: Execution, follow: bool) -> None:
    """Print one document. What fails once it is begun is told in it."""
    pages = execution.pages(follow)
    begun = [next(pages, ())]
    failures: list[MycliError] = []

    def events() -> Iterator[list[str]]:
        try:
            yield _documents(begun.pop())
            yield from map(_documents, pages)
            if follow:
                execution.exit_code = _exit_code(execution)
        except MycliError as error:
            failures.append(error)

    def tail() -> dict[str, Any]:
        told = {"error": failures[0].message, "hint": failures[0].hint} if failures else {}
        return {"exit_code": execution.exit_code, **told}

    output.json_stream({"execution_id": execution.name}, "events", events(), tail)
    if failures:
        output.error(failures[0].message, failures[0].hint)
        raise typer.Exit(failures[0].exit_code)


def _documents(page: Sequence[Line]) -> list[str]:
    """Each line as JSON: by way of a dict each, a long log would take twice as long."""
    quoted = json.JSONEncoder(ensure_ascii=False).encode
    return [
        f'{{"at": {quoted(at)}, "text": {quoted(text)}, "phase": "{phase}"}}'
        for at, text, phase in page
    ]
