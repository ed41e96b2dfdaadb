"""Everything that mycli prints. stdout is the result, stderr is the story.

`NO_COLOR` and a pipe mean plain text. rich is imported only where a table is drawn.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from mycli.columns import Cut

_STYLES = {"step": "36", "done": "32", "warning": "33", "error": "31"}
_LINE_BREAK = "\n"
BETWEEN_ITEMS = ",\n  "  # of a list that is printed page by page


def step(text: str) -> None:
    """Say what is being done now."""
    _tell("→", "step", text)


def done(text: str) -> None:
    """Say that it is done."""
    _tell("✓", "done", text)


def warn(text: str) -> None:
    _tell("!", "warning", text)


def failed(text: str) -> None:
    """Say that what ran has failed; what mycli itself could not do is `error`."""
    _tell("✗", "error", text)


def story(text: str = "") -> None:
    """A plain line beside the result. Where it cannot be written, the result is what counts."""
    with contextlib.suppress(OSError):  # nobody reads it, a full disk, a terminal that is gone
        _write(sys.stderr, text + "\n")


def result(text: str) -> None:
    """A line of the result."""
    _write(sys.stdout, text + "\n")


def verbatim(texts: Iterable[str], *, beside: bool = False) -> None:
    """What a command printed, as it is and at once, in UTF-8: the result, or beside the result."""
    stream = sys.stderr if beside else sys.stdout
    with contextlib.suppress(OSError) if beside else contextlib.nullcontext():
        stream.flush()
        for text in texts:
            left = memoryview(text.encode(errors="replace"))
            while left:  # under PYTHONUNBUFFERED a pipe may take only a part at once
                left = left[stream.buffer.write(left) :]
        stream.buffer.flush()


def escaped(text: str, keep: str = "") -> str:
    """The text without what a terminal would obey: `\\x1b` instead of the character itself.

    For all that others wrote: commands, reasons, addresses, errors.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode()
        for char in text
    )


def cut(text: str, length: int) -> str:
    """The text on one line, of `length` characters at most."""
    line = escaped(text)
    return line if len(line) <= length else line[: length - 1] + "…"


def json_document(document: Any) -> None:
    """One JSON document on stdout: the whole result of a command under --json."""
    result(json.dumps(document, indent=2, ensure_ascii=False))


def json_stream(
    head: Mapping[str, Any],
    name: str,
    pages: Iterable[Iterable[str]],
    tail: Callable[[], Mapping[str, Any]],
) -> None:
    """One JSON document with a list that need not fit into memory: head, the list, then tail.

    pages: of items that are JSON already, of one or of several with BETWEEN_ITEMS. The document is
    completed whatever happens while they come.
    """
    encode = json.JSONEncoder(ensure_ascii=False).encode
    verbatim([encode(head)[:-1], f', "{name}": ['])
    before = itertools.chain(["\n  "], itertools.repeat(BETWEEN_ITEMS))
    try:
        for page in pages:
            verbatim(next(before) + items for items in page)
            del page  # before the next one comes
    finally:
        verbatim(["\n], ", encode(tail())[1:], "\n"])


def error(message: str, hint: str = "", *, as_json: bool = False) -> None:
    """One line and a hint; under --json the document `{"error": ..., "hint": ...}` besides.

    Never fails for want of a stdout: that may be the very error.
    """
    _tell("✗", "error", message)
    if hint:
        story(f"  {escaped(hint, keep=_LINE_BREAK)}")
    if as_json:
        with contextlib.suppress(OSError):
            json_document({"error": message, "hint": hint})


def fields(rows: Mapping[str, object], *, indent: int = 0, beside: bool = False) -> None:
    """Names and values, one a line, the values aligned; what is None or empty is left out."""
    width = max(map(len, rows), default=0) + 2
    for name, value in rows.items():
        if value not in (None, ""):
            line = " " * indent + f"{name + ':':<{width}}{escaped(str(value))}"
            (story if beside else result)(line)


def table(
    columns: Mapping[str, Cut], rows: Sequence[Sequence[str]], spare: Sequence[str] = ()
) -> None:
    """A table on stdout. In a pipe it has tab-separated lines, and nothing is cut.

    columns: the headings, and where their cells are cut if the terminal is too narrow for all.
    spare: what is left out, in this order, where the others would have too little room.
    """
    plain = [[escaped(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for row in (columns, *plain):
            result("\t".join(row))
        return
    import shutil

    from mycli.columns import fit

    (headings, *lines), left_out = fit(columns, plain, shutil.get_terminal_size().columns, spare)
    head = headings if os.environ.get("NO_COLOR") else f"\x1b[1m{headings}\x1b[0m"
    result("\n".join([head, *lines]))
    if left_out:
        story(f"No room for {', '.join(left_out)}: a wider terminal, a pipe or --json has all.")


def _tell(sign: str, style: str, text: str) -> None:
    if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        sign = f"\x1b[{_STYLES[style]}m{sign}\x1b[0m"
    story(f"{sign} {escaped(text, keep=_LINE_BREAK)}")


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
    except UnicodeEncodeError:  # a terminal without UTF-8 still gets every word
        stream.write(text.encode("ascii", "replace").decode())
    stream.flush()
