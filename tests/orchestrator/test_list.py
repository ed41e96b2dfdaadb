from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.listing import QUERIES_A_PAGE
from tests.orchestrator.conftest import START, Account, task_event

DAY = 24 * 3600


def ids(answer: dict[str, Any]) -> list[str]:
    return [execution["execution_id"] for execution in answer["executions"]]


def start_at(account: Account, seconds: float, **fields: object) -> str:
    account.clock.seconds = seconds
    execution_id = account.start(**fields)
    account.tell(task_event(execution_id, account.task_arn(execution_id), "STOPPED"))
    return execution_id


def whole_list(account: Account, **fields: object) -> list[str]:
    """Every page, as a client reads them on."""
    found: list[str] = []
    token = None
    for _ in range(50):
        answer = account.ok("list", next_token=token, **fields)
        found += ids(answer)
        token = answer["next_token"]
        if token is None:
            return found
    raise AssertionError("the list has no end")


def test_nothing_yet(account: Account) -> None:
    assert account.ok("list") == {"executions": [], "next_token": None}


def test_the_newest_come_first_over_the_months(account: Account) -> None:
    started = [start_at(account, START + days * DAY) for days in (0, 1, 20, 50, 80)]

    assert ids(account.ok("list")) == started[::-1]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_pages_join_without_gap_or_double(account: Account, limit: int) -> None:
    started = [start_at(account, START + days * DAY) for days in (0, 0, 1, 20, 20, 50, 80)]

    assert whole_list(account, limit=limit) == sorted(started, reverse=True)


def test_what_is_older_than_90_days_is_not_shown(account: Account) -> None:
    start_at(account, START)
    young = start_at(account, START + 10)
    account.clock.seconds = START + 90 * DAY + 5

    assert ids(account.ok("list")) == [young]


def test_since(account: Account) -> None:
    started = [start_at(account, START + number) for number in range(4)]
    since = datetime.fromtimestamp(START + 2, UTC)

    assert ids(account.ok("list", since=since.isoformat())) == [started[3], started[2]]
    half_a_second_later = since.replace(microsecond=500_000).isoformat()
    assert ids(account.ok("list", since=half_a_second_later)) == [started[3]]


@pytest.mark.parametrize("since", ["9999-12-31T23:59:59Z", "2200-01-01T00:00:00+14:00"])
def test_nothing_has_happened_since_a_time_to_come(account: Account, since: str) -> None:
    account.start()

    assert account.ok("list", since=since) == {"executions": [], "next_token": None}


def test_since_the_beginning_of_time(account: Account) -> None:
    execution_id = account.start()

    assert ids(account.ok("list", since="0001-01-01T00:00:00+23:59")) == [execution_id]


def test_by_repo(account: Account) -> None:
    repo = "https://github.com/user/repo"
    one = start_at(account, START, repo=repo, skip_git=False)
    two = start_at(account, START + 1, repo=repo + ".git", skip_git=False)
    start_at(account, START + 2, repo=repo + "-other", skip_git=False)
    start_at(account, START + 3)

    assert ids(account.ok("list", repo=repo)) == [two, one]
    assert ids(account.ok("list", repo=repo + ".git/")) == [two, one]


def test_by_status_as_it_is_now(account: Account) -> None:
    running, lost = account.start(), account.start()
    account.runtime.ecs.stop_task(cluster="mycli-cluster", task=account.task_arn(lost), reason="x")

    assert ids(account.ok("list", status="stopped")) == [lost]
    assert running not in ids(account.ok("list", status="STOPPED"))


def test_a_filter_that_matches_little_is_answered_in_parts(account: Account) -> None:
    repo = "https://github.com/user/repo"
    rare = start_at(account, START, repo=repo, skip_git=False)
    [item] = [item for item in account.items() if "month" in item]
    other = {name: value for name, value in item.items() if name not in ("repo", "task_arn")}
    others = [
        {**other, "execution_id": {"S": f"{int(rare, 16) + 1 + number:012x}"}}
        for number in range(100 * QUERIES_A_PAGE)
    ]
    for first in range(0, len(others), 25):  # as many as BatchWriteItem takes
        puts = [{"PutRequest": {"Item": one}} for one in others[first : first + 25]]
        account.runtime.dynamodb.batch_write_item(RequestItems={"mycli-executions": puts})
    account.clock.seconds = START + 10_000

    first = account.ok("list", repo=repo)
    assert first["executions"] == []
    assert first["next_token"]
    assert ids(account.ok("list", repo=repo, next_token=first["next_token"])) == [rare]


@pytest.mark.parametrize("token", ["", "x", "../../closing", "6AB13B80AAAA", "0" * 12, "1" * 13])
def test_a_bad_token_is_a_400(account: Account, token: str) -> None:
    status, answer = account.ask("list", next_token=token)

    assert status == 400
    assert "next_token" in answer["error"]


def test_a_token_of_a_time_to_come_is_no_harm(account: Account) -> None:
    execution_id = account.start()

    assert ids(account.ok("list", next_token="f" * 12)) == [execution_id]
