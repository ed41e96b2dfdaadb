"""What is printed, where, and what never reaches the terminal."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import sys
from collections.abc import Callable, Iterator

import pytest

from mycli import output
from mycli.columns import Cut

# A title, a cleared screen, C1 controls, and text that runs from right to left.
EVIL = "a\x1b]0;owned\x07\x1b[2J\x9b31m\x00\r\u202eb"


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], None]) -> str:
    """What `act` prints to this stream where it is a terminal."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        with monkeypatch.context() as patch:
            patch.setattr(sys, name, stream)
            act()
        stream.flush()
        printed = os.read(ours, 100_000).decode()
    os.close(ours)
    return printed


def on_a_screen(monkeypatch: pytest.MonkeyPatch, columns: int, *words: str) -> list[str]:
    """The lines of a command line's stdout on a screen of so many columns, without its styles."""
    from mycli import cli

    def act() -> None:
        assert cli.run(words) == 0

    monkeypatch.setenv("COLUMNS", str(columns))
    shown = on_a_terminal(monkeypatch, "stdout", act)
    return re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()


def test_the_result_and_the_story_go_apart(capsys: pytest.CaptureFixture[str]) -> None:
    output.step("doing")
    output.done("did")
    output.warn("careful")
    output.failed("did not")
    output.story("once")
    output.result("42")
    printed = capsys.readouterr()
    assert printed.out == "42\n"
    assert printed.err == "→ doing\n✓ did\n! careful\n✗ did not\nonce\n"


def test_colour_is_for_a_terminal_that_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def step() -> None:
        output.step("doing")

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert on_a_terminal(monkeypatch, "stderr", step) == "\x1b[36m→\x1b[0m doing\r\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert on_a_terminal(monkeypatch, "stderr", step) == "→ doing\r\n"


def test_what_others_wrote_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    shown = "a\\x1b]0;owned\\x07\\x1b[2J\\x9b31m\\x00\\r\\u202eb"
    output.fields({"Reason": EVIL})
    output.table({"COMMAND": "end"}, [[EVIL]])
    output.error(EVIL, EVIL)
    output.warn(EVIL)
    printed = capsys.readouterr()
    assert printed.out == f"Reason: {shown}\nCOMMAND\n{shown}\n"
    assert printed.err == f"✗ {shown}\n  {shown}\n! {shown}\n"


def test_nor_in_a_table_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [["[bold]7[/bold]", ":smile:", EVIL, "ü 東京"]]
    columns: dict[str, Cut] = dict.fromkeys("ABCD", "end")
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    printed = on_a_terminal(monkeypatch, "stdout", lambda: output.table(columns, rows))
    assert "[bold]7[/bold]" in printed
    assert ":smile:" in printed
    assert "\\x1b]0;owned" in printed
    assert "ü 東京" in printed
    assert "\x07" not in printed
    assert "\x1b]" not in printed


def test_a_narrow_terminal_cuts_only_what_may_be_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"COLUMNS": "40", "NO_COLOR": "1", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    columns: dict[str, Cut] = {"ID": "never", "COMMAND": "end"}
    row = ["6b0173260e02", "a long command " * 9]
    printed = on_a_terminal(monkeypatch, "stdout", lambda: output.table(columns, [row]))
    [line] = [line for line in printed.splitlines() if "6b0" in line]
    assert line.startswith("6b0173260e02 ")
    assert line.rstrip().endswith("…")
    assert len(line) <= 40


def test_a_table_in_a_pipe_is_tab_separated(capsys: pytest.CaptureFixture[str]) -> None:
    output.table({"A": "never", "B": "start"}, [["1", "two words"], ["3", "a\tb\nc"]])
    assert capsys.readouterr().out == "A\tB\n1\ttwo words\n3\ta\\tb\\nc\n"


def test_the_commands_own_output_is_not_touched(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    output.result("before")
    output.verbatim([EVIL, "\n"])
    output.verbatim(["beside\n"], beside=True)
    printed = capsysbinary.readouterr()
    assert printed.out == b"before\n" + EVIL.encode() + b"\n"
    assert printed.err == b"beside\n"


def test_half_a_surrogate_pair_ends_nothing(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    output.verbatim(["a\ud800b\n"])
    assert capsysbinary.readouterr().out == b"a?b\n"


def test_a_terminal_without_utf8_gets_every_word(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stderr", stream)
    output.step("Grüße")
    assert stream.buffer.seek(0) == 0
    assert stream.buffer.read() == b"? Gr??e\n"


def test_fields_are_aligned_and_what_is_empty_is_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.fields({"Exit Code": 0, "Reason": None, "Image": "", "ID": "x"}, indent=2)
    assert capsys.readouterr().out == "  Exit Code: 0\n  ID:        x\n"


def test_cut() -> None:
    assert output.cut("short", 10) == "short"
    assert output.cut("a\nb", 10) == "a\\nb"
    assert output.cut("0123456789", 5) == "0123…"


def test_an_error_under_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    output.error("what", "what to do", as_json=True)
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"error": "what", "hint": "what to do"}
    assert printed.err == "✗ what\n  what to do\n"


@pytest.mark.parametrize("pages", [[], [[]], [["1", "2"], [], ["3"]]])
def test_a_long_list_is_one_document(
    pages: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    output.json_stream({"a": 1}, "items", pages, lambda: {"z": None})
    expected = {"a": 1, "items": [int(item) for page in pages for item in page], "z": None}
    assert json.loads(capsys.readouterr().out) == expected


def test_a_list_that_ends_early_is_still_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    def pages() -> Iterator[list[str]]:
        yield ["1"]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        output.json_stream({"a": 1}, "items", pages(), lambda: {"z": 2})
    assert json.loads(capsys.readouterr().out) == {"a": 1, "items": [1], "z": 2}
