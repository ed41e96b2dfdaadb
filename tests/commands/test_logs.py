"""mycli logs."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mycli.commands.logs import document
from mycli.lines import Lines
from orchestrator.wire import begin_marker
from tests.conftest import Mycli
from tests.fake_endpoint import ARN, AT, ID, STATUS, Answer, FakeEndpoint, log_page, output_of

RUNNING = {**STATUS, "status": "RUNNING", "exit_code": None}


def test_each_line_with_its_time(configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.has_log(output_of(["one", "", "\x1b[31mthree"], 7), exit_code=7)
    ran = mycli("logs", ID)
    assert ran.code == 0
    assert ran.out == (
        "2026-01-31 12:00:00 UTC | Cloning...\n"
        "2026-01-31 12:00:00 UTC | one\n"
        "2026-01-31 12:00:00 UTC | \n"
        "2026-01-31 12:00:00 UTC | \x1b[31mthree\n"
    )
    assert ran.err.startswith(f"Logs of {ID}\n━")
    configured.says("status", STATUS)
    assert mycli("logs", ARN).out == ran.out


def test_raw_is_what_the_command_printed(configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.has_log(output_of(["one", "", "three"]))
    ran = mycli("logs", "--raw", ID)
    assert (ran.out, ran.err) == ("one\n\nthree\n", "")


def test_following_ends_with_the_exit_code(configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.has_log(["Cloning..."], output_of(["one"], 7)[1:], exit_code=7)
    ran = mycli("logs", "-f", ID)
    assert ran.code == 7
    assert ran.out.endswith("UTC | one\n")
    assert mycli("logs", "-f", "--raw", ID).out == "one\n"


def test_one_that_was_lost(configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.has_log([begin_marker(ID), "one"], exit_code=None)
    lost = {**STATUS, "exit_code": None, "stopped_reason": "Host EC2 terminated"}
    configured.says("status", lost)
    ran = mycli("logs", "-f", ID)
    assert ran.code == 125
    assert "Host EC2 terminated" in ran.err
    assert "one" in ran.out


def test_nothing_yet(configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.says("logs", {"events": [], "done": False})
    configured.says("status", RUNNING, {**STATUS, "stopped_reason": "CannotPull"})
    ran = mycli("logs", ID)
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "No logs available yet. The task may still be starting.\n"
    assert "CannotPull" in mycli("logs", ID).err


@pytest.mark.parametrize("follow", [[], ["-f"]])
def test_as_json(follow: list[str], configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.has_log(["Cloning..."], output_of(["one"], 7)[1:], exit_code=7)
    ran = mycli("logs", "--json", *follow, ID)
    assert ran.code == (7 if follow else 0)
    assert json.loads(ran.out) == {
        "execution_id": ID,
        "events": [
            {"at": AT, "text": "Cloning...", "phase": "setup"},
            {"at": AT, "text": "one", "phase": "output"},
        ],
        "exit_code": 7,
    }


def test_an_execution_that_is_not_there(configured: FakeEndpoint, mycli: Mycli) -> None:
    ran = mycli("logs", ID)
    assert (ran.code, ran.out) == (125, "")
    under_json = mycli("logs", "--json", ID)
    assert under_json.code == 125
    assert json.loads(under_json.out)["error"] == "no such execution"


def test_a_failure_half_way_is_told_in_the_document(configured: FakeEndpoint, mycli: Mycli) -> None:
    page = log_page([["one"], []], 0, None)
    configured.says("logs", page, Answer({"error": "AWS refused"}, status=502))
    ran = mycli("logs", "--json", "-f", ID)
    assert ran.code == 125
    document = json.loads(ran.out)
    assert [event["text"] for event in document["events"]] == ["one"]
    assert document["error"] == "AWS refused"
    assert "AWS refused" in ran.err


@given(st.lists(st.text(st.characters(exclude_characters="\n"), max_size=20), min_size=1))
@example(["\x7f", "\\", '"', "\\n", "\x80\x7f", "\ud800", "\0"])
def test_any_line_is_itself_in_json(lines: list[str]) -> None:
    printed = document(Lines(AT, "\n".join(lines), "output"))
    assert json.loads(f"[{printed}]") == [
        {"at": AT, "text": line, "phase": "output"} for line in lines
    ]


def test_a_long_log_is_printed_whole(configured: FakeEndpoint, mycli: Mycli) -> None:
    lines = [f"{number} {'long ' * (number % 9)}" for number in range(5000)]
    configured.says("logs", log_page([output_of(lines)], 0, 0))
    assert mycli("logs", "--raw", ID).out == "".join(f"{line}\n" for line in lines)
    printed = mycli("logs", ID).out.splitlines()[1:]
    assert printed == [f"2026-01-31 12:00:00 UTC | {line}" for line in lines]
    events = json.loads(mycli("logs", "--json", ID).out)["events"]
    assert [event["text"] for event in events[1:]] == lines
