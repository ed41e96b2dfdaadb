"""mycli list-task-definitions."""

from __future__ import annotations

import json

import pytest

from mycli import commands
from tests.conftest import Mycli
from tests.fake_endpoint import FakeEndpoint, definition
from tests.test_output import on_a_screen

TERRAFORM = definition(
    "mycli-task-hashicorp-terraform-1-6",
    12,
    "hashicorp/terraform:1.6",
    last_used_at="2026-01-31T11:00:00Z",
    executions=1234,
)
TEMPLATE = definition("mycli-task", 3, "ubuntu:22.04", template=True)


def test_a_table_in_a_pipe(configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.has_task_definitions(TEMPLATE, TERRAFORM)
    ran = mycli("list-task-definitions")
    assert (ran.code, ran.err) == (0, "")
    assert [line.split("\t") for line in ran.out.splitlines()] == [
        ["FAMILY", "REV", "IMAGE", "STATUS", "REGISTERED", "LAST USED", "RUNS"],
        ["mycli-task", "3", "ubuntu:22.04 (template)", "ACTIVE", "2026-01-01", "", "0"],
        [
            *("mycli-task-hashicorp-terraform-1-6", "12", "hashicorp/terraform:1.6"),
            *("ACTIVE", "2026-01-01", "2026-01-31", "1234"),
        ],
    ]
    assert mycli("task-definitions").out == ran.out
    assert "\n  task-definitions" not in mycli("--help").out


def test_it_fits_a_hundred_columns(
    configured: FakeEndpoint, mycli: Mycli, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured.has_task_definitions(
        TEMPLATE, TERRAFORM, {**TERRAFORM, "arn": "", "image": "x" * 300}
    )
    lines = on_a_screen(monkeypatch, 100, "list-task-definitions")
    assert max(map(len, lines)) <= 100, lines
    assert [line.split()[-1] for line in lines if "2026-01-31" in line] == ["1234", "1234"]


@pytest.mark.parametrize("columns", [80, 60])
def test_on_a_narrow_terminal_what_tells_rows_apart_stays(
    columns: int,
    configured: FakeEndpoint,
    mycli: Mycli,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ends = [f"{service}-3f2a9c0d1e2b{n}" for service in ("api", "worker") for n in (10, 11)]
    built = [
        definition(f"mycli-task-127-0-0-1-47723-mycli-{end}", 1, f"127.0.0.1:47723/mycli/{end}")
        for end in ends
    ]
    configured.has_task_definitions(*built)
    lines = on_a_screen(monkeypatch, columns, "list-task-definitions")
    assert max(map(len, lines)) <= columns, lines
    for end, line in zip(ends, lines[1:], strict=True):
        assert line.count(end) == 2, lines
    assert "LAST USED" not in lines[0]
    told = "No room for REGISTERED" in capsys.readouterr().err
    assert told == ("REGISTERED" not in lines[0])
    assert "REGISTERED" in mycli("list-task-definitions").out


def test_what_is_asked(configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.has_task_definitions(*(definition("mycli-task-x", n) for n in range(25, 0, -1)))
    shown = json.loads(mycli("list-task-definitions", "--all", "--image", "x:1", "--json").out)
    assert [item["revision"] for item in shown["task_definitions"]] == [*range(25, 0, -1)]
    asked = configured.asked("list_task_definitions")
    assert [(one["include_inactive"], one["image"]) for one in asked] == [(True, "x:1")] * 3
    mycli("list-task-definitions")
    last = configured.asked("list_task_definitions")[-1]
    assert (last["include_inactive"], "image" in last) == (False, False)


def test_none(configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.has_task_definitions()
    ran = mycli("list-task-definitions")
    assert (ran.code, ran.out, ran.err) == (0, "", "No task definitions.\n")
    ran = mycli("list-task-definitions", "--json")
    assert json.loads(ran.out) == {"task_definitions": []}


def test_a_long_list_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 1.0, 2.5, 2.5, 3.0, 5.0, 5.0])
    assert [*commands.counting("abcd", clock=lambda: next(times))] == [*"abcd"]
    assert capsys.readouterr().err == "→ 2 so far...\n→ 4 so far...\n"


def test_wrong_input_is_named(configured: FakeEndpoint, mycli: Mycli) -> None:
    ran = mycli("list-task-definitions", "--image", "not an image")
    assert (ran.code, ran.out) == (2, "")
    assert "--image is 'not an image'" in ran.err
    assert configured.seen == []
