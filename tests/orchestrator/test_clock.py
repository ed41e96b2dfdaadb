"""The clock is set back: what was recorded before seems to come from a time ahead."""

from __future__ import annotations

import pytest

from tests.orchestrator.conftest import Account, task_event

HOUR = 3600
YEAR = 365 * 24 * HOUR


@pytest.mark.parametrize("seconds", [HOUR, YEAR])
def test_one_that_never_started_is_not_starting_until_the_clock_is_there_again(
    account: Account, seconds: int
) -> None:
    lost = account.start_unanswered()
    account.forget_task(account.task_arn(lost))
    account.clock.seconds -= seconds

    answer = account.ok("status", execution_id=lost)

    assert (answer["status"], answer["exit_code"]) == ("STOPPED", None)


@pytest.mark.parametrize("seconds", [HOUR, YEAR])
def test_the_log_of_one_that_ended_without_a_marker_has_an_end(
    account: Account, seconds: int
) -> None:
    execution_id = account.start()
    account.write_log(account.task_arn(execution_id), "killed")
    account.tell(task_event(execution_id, account.task_arn(execution_id), "STOPPED"))
    token = account.ok("logs", execution_id=execution_id)["next_token"]
    account.clock.seconds -= seconds

    assert account.ok("logs", execution_id=execution_id, next_token=token)["done"]


def test_those_of_the_last_hours_are_listed(account: Account) -> None:
    before = account.start()
    account.clock.seconds -= HOUR
    after = account.start()

    listed = account.ok("list")["executions"]

    assert [row["execution_id"] for row in listed] == [before, after]
