"""Questions: asked on stderr, answered on stdin, so that stdout stays the result."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Sequence
from pathlib import Path

from mycli import output
from mycli.errors import UsageError


def ask(question: str) -> str:
    """One line of an answer, without the spaces around it; "" at the end of stdin."""
    sys.stderr.write(question)
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        output.story()
    return answer.strip()


def ask_hidden(question: str) -> str:
    """The same without an echo, where a person types."""
    if sys.stdin.isatty():
        return getpass.getpass(question).strip()
    return sys.stdin.readline().strip()


def confirm(question: str, agreement: Sequence[str], otherwise: str) -> None:
    """Go on only after one of the answers that agree. Raises UsageError for anything else."""
    if ask(question).lower() not in agreement:
        raise UsageError(f"not confirmed: {otherwise}", "--force does not ask")


def choose(question: str, choices: Sequence[str]) -> int:
    """The number of one of these, counted from 0; asked again until it is one.

    Raises UsageError where nobody answers.
    """
    for number, choice in enumerate(choices, 1):
        output.story(f"  {number}) {choice}")
    while answer := ask(f"{question} [1-{len(choices)}]: "):
        if answer.isdecimal() and 1 <= int(answer) <= len(choices):
            return int(answer) - 1
    raise UsageError("not answered: nothing was done")


def read_secret(file: str, max_bytes: int) -> str:
    """The text of a file, or of stdin for `-`. Raises UsageError."""
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        text = content.decode().replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from None
    if len(content) > max_bytes:
        raise UsageError(f"{file} has more than {max_bytes} bytes")
    return text
