"""An execution's output, as lines of text.

task.sh marks where the command's own output begins and ends, so each line is known to belong to the
setup (the clone), to the command, or to what came after.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from orchestrator import wire

Phase = Literal["setup", "output", "end"]


class Line(NamedTuple):
    """One line of an execution's log, without its newline. at: ISO 8601, in UTC."""

    at: str
    text: str
    phase: Phase


class Lines(NamedTuple):
    """Lines of one time and phase that follow each other, with newlines between them."""

    at: str
    text: str
    phase: Phase

    def printed(self, before: str = "") -> str:
        """All of them, each with its newline, and with `before` in front of it."""
        return before + self.text.replace("\n", f"\n{before}") + "\n"


def in_phases(
    events: Sequence[wire.LogLines], execution_id: str, phase: Phase
) -> tuple[list[Lines], Phase, int | None]:
    """The events as lines without the markers; the phase after them; the end marker's exit code."""
    sign = wire.sign(execution_id)
    begin = wire.begin_marker(execution_id)
    exit_code: int | None = None
    lines: list[Lines] = []
    for at, together in events:
        for part in _parts(together, sign):
            text, now = part, phase
            if sign in text:
                if phase == "setup" and text.endswith(begin):
                    text, now = text.removesuffix(begin), "output"
                elif phase != "end" and (found := wire.split_end_marker(execution_id, text)):
                    (text, exit_code), now = found, "end"
                elif phase == "output":  # task.sh says why it stops the command
                    text, _, said = text.partition(sign)
                    lines += [Lines(at, text, phase)] if text else []
                    lines.append(Lines(at, f"mycli: {said}", "end"))
                    continue
            if text or now == phase:
                lines.append(Lines(at, text, phase))
            phase = now
    return lines, phase, exit_code


def _parts(text: str, sign: str) -> Iterator[str]:
    """The same lines: those with the sign one by one, those in between together."""
    start = 0
    while (found := text.find(sign, start)) >= 0:
        line = max(text.rfind("\n", start, found) + 1, start)
        if line > start:
            yield text[start : line - 1]
        end = text.find("\n", found)
        if end < 0:
            yield text[line:]
            return
        yield text[line:end]
        start = end + 1
    yield text[start:]
