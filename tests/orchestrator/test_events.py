from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from orchestrator import healing
from tests.orchestrator.conftest import (
    CLUSTER_ARN,
    START,
    Account,
    Hooks,
    new_task_arn,
    task_event,
    task_of,
)

STARTED_AT = "2026-09-21T14:14:00.123Z"
STOPPED_AT = "2026-09-21T14:20:00.987Z"
ENDED: dict[str, Any] = {
    "startedAt": STARTED_AT,
    "stoppedAt": STOPPED_AT,
    "stopCode": "EssentialContainerExited",
    "stoppedReason": "Essential container in task exited",
    "containers": [{"name": "executor", "lastStatus": "STOPPED", "exitCode": 7}],
}
LIFE: list[tuple[str, dict[str, Any]]] = [
    ("PENDING", {}),
    ("RUNNING", {"startedAt": STARTED_AT}),
    ("RUNNING", {"startedAt": STARTED_AT, "desiredStatus": "STOPPED"}),
    ("DEPROVISIONING", {**ENDED, "desiredStatus": "STOPPED", "stoppedAt": None}),
    ("STOPPED", ENDED),
]


def test_the_end_of_a_task_is_written_down(account: Account) -> None:
    execution_id = account.start()
    task_arn = account.task_arn(execution_id)

    account.tell(task_event(execution_id, task_arn, "STOPPED", **ENDED))

    answer = account.ok("status", execution_id=execution_id)
    assert answer["status"] == "STOPPED"
    assert answer["desired_status"] == "STOPPED"
    assert answer["started_at"] == "2026-09-21T14:14:00Z"
    assert answer["stopped_at"] == "2026-09-21T14:20:00Z"
    assert answer["exit_code"] == 7
    assert answer["stopped_reason"] is None
    assert answer["cost_usd"] == pytest.approx(
        (0.25 * 0.01242124 + 0.5 * 0.00136308) / 10, rel=0.01
    )


def take(account: Account, execution_id: str, task_arn: str, life: tuple[int, ...]) -> Any:
    """Tell the events of these numbers; -1 is the exec that notes RunTask's answer."""
    for number in life:
        if number < 0:
            task = task_of(execution_id, task_arn, "PROVISIONING")
            healing.take(account.runtime, execution_id, task)
        else:
            status, detail = LIFE[number]
            account.tell(task_event(execution_id, task_arn, status, **detail))
    item = account.item(execution_id)
    assert item
    return {name: value for name, value in item.items() if name not in ("execution_id", "task_arn")}


class Copies:
    """Records as exec writes them before RunTask answers, cheaper than so many execs."""

    def __init__(self, account: Account) -> None:
        self.account = account
        execution_id = account.start_unanswered()
        self.item = account.item(execution_id) or {}
        self.made = 0

    def take(self, life: tuple[int, ...]) -> dict[str, Any]:
        """What stands in the record after these events."""
        self.made += 1
        execution_id = f"{START - self.made:08x}ffff"
        item = {**self.item, "execution_id": {"S": execution_id}}
        self.account.runtime.dynamodb.put_item(TableName="mycli-executions", Item=item)
        return take(self.account, execution_id, new_task_arn(self.made), life)


def test_every_order_of_the_events_ends_in_the_same_record(account: Account) -> None:
    copies = Copies(account)

    ends = [copies.take(life) for life in itertools.permutations((-1, 1, 2, 3, 4))]

    assert len(ends) == 120
    assert all(end == ends[0] for end in ends)
    assert ends[0]["exit_code"] == {"N": "7"}
    assert ends[0]["status"] == {"S": "STOPPED"}


def test_events_that_come_twice_or_not_at_all_change_nothing_of_the_end(account: Account) -> None:
    copies = Copies(account)
    end = copies.take((-1, 0, 1, 2, 3, 4))
    lives = [
        life
        for length in range(5)
        for some in itertools.combinations((-1, 0, 1, 2, 3), length)
        for life in ((*some, 4), (4, *some), (*some, *some, 4, 4))
    ]
    for life in lives:
        assert copies.take(life) == end, life


def test_every_order_of_the_events_before_the_end_is_the_same_too(account: Account) -> None:
    copies = Copies(account)

    ends = [copies.take(life) for life in itertools.permutations((-1, 0, 1, 2))]

    assert all(end == ends[0] for end in ends)
    assert ends[0]["status"] == {"S": "RUNNING"}
    assert ends[0]["desired_status"] == {"S": "STOPPED"}


def test_an_event_fills_in_the_task_of_a_record_without_one(account: Account) -> None:
    execution_id = account.start_unanswered()
    task_arn = account.task_arn(execution_id)

    account.tell(task_event(execution_id, task_arn, "RUNNING"))

    assert account.ok("status", task_arn=task_arn)["execution_id"] == execution_id


def test_the_end_is_final(account: Account) -> None:
    execution_id = account.start()
    task_arn = account.task_arn(execution_id)
    account.tell(task_event(execution_id, task_arn, "STOPPED", **ENDED))
    before = account.item(execution_id)

    later = {**ENDED, "containers": [{"name": "executor", "exitCode": 0}], "stoppedReason": "x"}
    account.tell(task_event(execution_id, task_arn, "STOPPED", **later))
    account.tell(task_event(execution_id, task_arn, "RUNNING"))

    assert account.item(execution_id) == before


@pytest.mark.parametrize(
    "event",
    [
        task_event("ecs-svc/1234567890", new_task_arn(1), "STOPPED"),
        task_event("6ab000000000", new_task_arn(1), "STOPPED"),
        task_event("closing", new_task_arn(1), "STOPPED"),
        {"detail-type": "ECS Service Action", "detail": {}},
        {"detail-type": "ECS Task State Change", "detail": {"clusterArn": "x:cluster/other"}},
    ],
)
def test_what_is_not_ours_is_ignored(account: Account, event: dict[str, Any]) -> None:
    account.tell(event)

    assert account.items() == []


@pytest.mark.parametrize(
    "detail",
    [
        None,
        [],
        {"clusterArn": CLUSTER_ARN, "startedBy": "6ab000000000"},
        task_of("6ab000000000", new_task_arn(1), "RUNNING", startedAt="yesterday"),
        task_of("6ab000000000", new_task_arn(1), "RUNNING", capacityProviderName=["x"]),
        task_of("6ab000000000", new_task_arn(1), "STOPPED", containers=[None]),
        task_of("6ab000000000", new_task_arn(1), "STOPPED", stoppedReason={"a": 1}),
        task_of(
            "6ab000000000",
            new_task_arn(1),
            "STOPPED",
            containers=[{"name": "executor", "exitCode": float("inf")}],
        ),
    ],
)
def test_what_cannot_be_read_is_not_asked_for_again(account: Account, detail: Any) -> None:
    """Lambda delivers an event that fails twice more: it would be no better then."""
    account.tell({"detail-type": "ECS Task State Change", "detail": detail})

    assert account.calls == []


def test_a_task_of_another_cluster_is_ignored(account: Account) -> None:
    execution_id = account.start()
    before = account.item(execution_id)
    event = task_event(execution_id, account.task_arn(execution_id), "STOPPED", **ENDED)
    event["detail"]["clusterArn"] = event["detail"]["clusterArn"].replace("mycli", "second")

    account.tell(event)

    assert account.item(execution_id) == before


def test_an_event_without_startedby_is_ignored(account: Account) -> None:
    event = task_event("", new_task_arn(1), "RUNNING")
    del event["detail"]["startedBy"]

    account.tell(event)

    assert account.calls == []


@pytest.mark.parametrize("status", ["RUNNING", "DEPROVISIONING", "STOPPED"])
def test_another_task_of_the_same_execution_changes_nothing_and_is_stopped(
    account: Account, status: str
) -> None:
    execution_id = account.start()
    before = account.item(execution_id)
    body = {**account.run_task_bodies[0], "clientToken": "another"}
    stray = account.runtime.ecs.run_task(**body)["tasks"][0]["taskArn"]

    account.tell(task_event(execution_id, stray, status))

    assert account.item(execution_id) == before
    assert account.calls.count("StopTask") == (status != "STOPPED")
    stopped = [task for task in account.tasks() if task["desiredStatus"] == "STOPPED"]
    assert [task["taskArn"] for task in stopped] == ([] if status == "STOPPED" else [stray])


def test_an_event_is_not_lost_for_a_status_that_is_new_to_us(account: Account) -> None:
    execution_id = account.start_unanswered()
    task_arn = account.task_arn(execution_id)

    account.tell(task_event(execution_id, task_arn, "HIBERNATING"))

    answer = account.ok("status", task_arn=task_arn)
    assert answer["execution_id"] == execution_id


def test_an_unknown_detail_type_is_not_ours(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.tell({"detail-type": "Scheduled Event"})

    assert json.loads(capsys.readouterr().out)["status"] == "not ours"


def test_a_stray_task_that_is_gone_is_no_error(account: Account, hooks: Hooks) -> None:
    execution_id = account.start()
    hooks.fail("ecs.StopTask", "InvalidParameterException", "The referenced task was not found.")

    account.tell(task_event(execution_id, new_task_arn(5), "RUNNING"))
