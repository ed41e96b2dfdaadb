"""mycli list."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from mycli import UsageError
from mycli.commands.list_ import since_time
from tests.conftest import Mycli
from tests.fake_endpoint import STATUS, Answer, FakeEndpoint

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def has_executions(endpoint: FakeEndpoint, count: int) -> None:
    def script(request: Mapping[str, Any]) -> Answer:
        start = int(request.get("next_token") or 0)
        end = min(start + request["limit"], count)
        found = [{**STATUS, "execution_id": f"{number:012x}"} for number in range(start, end)]
        token = str(end) if end < count else None
        return Answer({"executions": found, "next_token": token})

    endpoint.runs("list", script)


def test_a_table_in_a_pipe(configured: FakeEndpoint, mycli: Mycli) -> None:
    item = {**STATUS, "command": "printf 'a\nb' \x1b[31m", "repo": "https://x.y/z", "exit_code": 7}
    lost = {**STATUS, "exit_code": None, "command": "x" * 100}
    running = {**STATUS, "status": "RUNNING", "exit_code": None}
    configured.says("list", {"executions": [item, lost, running]})
    ran = mycli("list")
    assert (ran.code, ran.err) == (0, "")
    head, first, second, third = (line.split("\t") for line in ran.out.splitlines())
    assert head[:3] == ["EXECUTION", "STATUS", "EXIT"]
    assert first[2] == "7"
    assert first[-2:] == ["https://x.y/z", "printf 'a\\nb' \\x1b[31m"]
    assert second[2] == "none"
    assert second[-1] == "x" * 100
    assert third[1:3] == ["RUNNING", ""]


def test_how_many(configured: FakeEndpoint, mycli: Mycli) -> None:
    has_executions(configured, 230)
    ran = mycli("list")
    assert len(ran.out.splitlines()) == 21
    assert "--all" in ran.err
    assert len(json.loads(mycli("list", "--limit", "150", "--json").out)["executions"]) == 150
    ran = mycli("list", "--all")
    assert len(ran.out.splitlines()) == 231
    assert ran.err == ""


def test_none(configured: FakeEndpoint, mycli: Mycli) -> None:
    has_executions(configured, 0)
    ran = mycli("list")
    assert (ran.code, ran.out, ran.err) == (0, "", "No executions.\n")
    assert json.loads(mycli("list", "--json").out) == {"executions": []}


def test_filters(configured: FakeEndpoint, mycli: Mycli) -> None:
    has_executions(configured, 1)
    mycli("list", "--repo", "https://x.y/z", "--status", "running", "--since", "2026-01-31")
    [asked] = configured.asked("list")
    assert asked["repo"] == "https://x.y/z"
    assert asked["status"] == "RUNNING"
    assert asked["since"] == "2026-01-31T00:00:00+00:00"
    ran = mycli("list", "--status", "asleep")
    assert ran.code == 2
    assert "--status is 'asleep'" in ran.err
    assert "PROVISIONING" in ran.err


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("90s", "2026-01-31T11:58:30+00:00"),
        ("30m", "2026-01-31T11:30:00+00:00"),
        ("2h", "2026-01-31T10:00:00+00:00"),
        ("7d", "2026-01-24T12:00:00+00:00"),
        ("1w", "2026-01-24T12:00:00+00:00"),
        ("2026-01-30T12:00:00Z", "2026-01-30T12:00:00+00:00"),
        ("2026-01-30T12:00:00+02:00", "2026-01-30T12:00:00+02:00"),
    ],
)
def test_since(text: str, time: str) -> None:
    assert since_time(text, NOW) == time


@pytest.mark.parametrize("text", ["yesterday", "2x", "h", "-2h", "999999w", "2026-13-01"])
def test_since_when_cannot_be(text: str) -> None:
    with pytest.raises(UsageError, match="--since"):
        since_time(text, NOW)
