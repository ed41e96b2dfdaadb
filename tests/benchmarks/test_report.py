"""The page of the benchmarks: true and readable, whatever the figures are."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.figures import Figure, Row, Target, number, ratio
from benchmarks.report import Report

OURS = Figure("mycli x", "ms", [10.0, 12.0, 11.0])
PEER = Figure("peer <x>", "ms", [100.0, 90.0], "peer")
ROW = Row(
    "row",
    "A row",
    "How it was done.",
    figures=[OURS, PEER],
    targets=[
        Target("peer, of ours", ratio(PEER, OURS), 3, at_least=True),
        Target("ours, over the floor", 2.5, 2, unit="s"),
        Target("another, of ours", ratio(None, OURS), 3),
    ],
    notes=["Something that is true of this run."],
)
REPORT = Report(
    [ROW, Row("none", "None", "", notes=["not measured: no reason"])], {"Date": "today"}
)


def test_a_target_is_reached_missed_or_not_measured() -> None:
    assert [target.reached for target in ROW.targets] == [True, False, None]
    assert [target.wanted for target in ROW.targets] == ["at least 3x", "at most 2 s", "at most 3x"]
    assert REPORT.summary == "1 of 3 targets are reached; 1 could not be measured here."


def test_the_page_says_all_of_it(tmp_path: Path) -> None:
    REPORT.write(tmp_path)
    page = (tmp_path / "benchmarks.md").read_text()

    assert "| A row | peer, of ours | 8.64x | at least 3x | yes |" in page
    assert "| A row | ours, over the floor | 2.5 s | at most 2 s | **no** |" in page
    assert "| A row | another, of ours | not measured | at most 3x | not measured |" in page
    assert "| mycli x | 11 ms | 10 ms | 12 ms |" in page
    assert "not measured: no reason" in page
    assert "![The figures as bars](benchmarks.svg)" in page


def test_the_plot_has_a_bar_for_each_that_can_be_compared(tmp_path: Path) -> None:
    REPORT.write(tmp_path)
    drawn = ElementTree.parse(tmp_path / "benchmarks.svg")
    said = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"mycli x", "peer <x>", "11 ms", "95 ms"} <= set(said)


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (1234567.0, "1,234,567"), (12.345, "12.3"), (0.25, "0.25"), (0.00012, "0.00012")],
)
def test_numbers_have_the_digits_that_count(value: float, said: str) -> None:
    assert number(value) == said
