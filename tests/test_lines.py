"""What of an execution's output is whose."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mycli.lines import Line, Lines, in_phases
from orchestrator.wire import LogLines, begin_marker, end_marker, sign
from tests.fake_endpoint import AT, ID

MARKERS = [begin_marker(ID), end_marker(ID, 7), f"{sign(ID)}stopping it", sign(ID)]
PRINTED = st.sampled_from(["", "x", "a longer line", *MARKERS, *(f"x{of}" for of in MARKERS)])


def single(lines: list[Lines]) -> list[Line]:
    return [Line(at, line, phase) for at, text, phase in lines for line in text.split("\n")]


@given(st.lists(PRINTED, min_size=1))
def test_lines_that_come_together_are_what_each_alone_is(printed: list[str]) -> None:
    alone = in_phases([LogLines(AT, line) for line in printed], ID, "setup")

    together = in_phases([LogLines(AT, "\n".join(printed))], ID, "setup")

    assert single(together[0]) == single(alone[0])
    assert together[1:] == alone[1:]


def test_lines_without_a_marker_stay_together() -> None:
    printed = ["one", "", "two", begin_marker(ID), "three", "four", end_marker(ID, 7), "five", ""]

    lines, phase, exit_code = in_phases([LogLines(AT, "\n".join(printed))], ID, "setup")

    assert lines == [
        Lines(AT, "one\n\ntwo", "setup"),
        Lines(AT, "three\nfour", "output"),
        Lines(AT, "five\n", "end"),
    ]
    assert (phase, exit_code) == ("end", 7)
