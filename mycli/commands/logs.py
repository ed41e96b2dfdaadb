"""mycli logs: the output of an execution."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mycli import output
from mycli.commands import Json, Name, Profile, connect, of_profile
from mycli.errors import MycliError

if TYPE_CHECKING:
    from mycli.execution import Execution
    from mycli.lines import Lines


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
            lines.printed() if raw else lines.printed(f"{_time(lines.at)} | ")
            for lines in page
            if lines.phase == "output" or not raw
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

    def events() -> Iterator[Iterator[str]]:
        try:
            yield map(document, begun.pop())
            for page in pages:
                yield map(document, page)
                del page  # before the next one comes
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


def document(lines: Lines) -> str:
    """Each line as JSON. A dict for each would make a long log take several times as long.

    All are one text of JSON first, in which a character that none of them has ends a line.
    """
    before = f'{{"at": {json.dumps(lines.at)}, "text": "'
    after = f'", "phase": "{lines.phase}"}}'
    mark = next(char for char in map(chr, range(0x7F, 0x110000)) if char not in lines.text)
    text = json.dumps(lines.text.replace("\n", mark), ensure_ascii=False)[1:-1]
    return before + text.replace(mark, after + output.BETWEEN_ITEMS + before) + after
