"""Everything that mycli prints. stdout is the result, stderr is the story.

`NO_COLOR` and a pipe mean plain text. rich is imported only where a table or colour is drawn.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from mycli.errors import MycliError

_STYLES = {"step": "36", "done": "32", "warning": "33", "error": "31", "dim": "2"}


def step(text: str) -> None:
    """Say what is being done now."""
    _tell("→", "step", text)


def done(text: str) -> None:
    """Say that it is done."""
    _tell("✓", "done", text)


def warn(text: str) -> None:
    _tell("!", "warning", text)


def story(text: str = "") -> None:
    """A plain line beside the result."""
    _write(sys.stderr, text + "\n")


def result(text: str) -> None:
    """A line of the result."""
    _write(sys.stdout, text + "\n")


def raw(data: bytes) -> None:
    """Bytes of the result, at once and as they are."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def json_document(document: Any) -> None:
    """One JSON document on stdout: the whole result of a command under --json."""
    result(json.dumps(document, indent=2, ensure_ascii=False))


def fail(error: MycliError, as_json: bool = False) -> None:
    """One line and a hint; under --json the document `{"error": ..., "hint": ...}` besides."""
    _tell("✗", "error", error.message)
    if error.hint:
        story(f"  {error.hint}")
    if as_json:
        json_document({"error": error.message, "hint": error.hint})


def fields(rows: Mapping[str, object]) -> None:
    """Names and values, one a line, the values aligned; what is None or empty is left out."""
    width = max(map(len, rows), default=0) + 2
    for name, value in rows.items():
        if value not in (None, ""):
            result(f"{name + ':':<{width}}{value}")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout; in a pipe, tab-separated lines under the column names."""
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            result("\t".join(row))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    drawn = Table(*columns, box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        drawn.add_row(*row)
    Console().print(drawn, markup=False)


def _tell(sign: str, style: str, text: str) -> None:
    if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        sign = f"\x1b[{_STYLES[style]}m{sign}\x1b[0m"
    story(f"{sign} {text}")


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:  # a terminal without UTF-8 still gets every word
        stream.write(text.encode("ascii", "replace").decode())
    stream.flush()
