"""One execution, and all that can come to it: in any order, twice, never, or half done.

ECS tells what it will of a task, the client repeats, somebody stops it, somebody looks, and the
function dies in between: the record ends as the task did.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator import wire
from orchestrator.healing import IN_FLIGHT_SECONDS
from tests.orchestrator.conftest import (
    AFTER,
    BEFORE,
    Account,
    Died,
    Fuse,
    Hooks,
    api_event,
    new_task_arn,
    task_of,
)
from tests.soak import sizes

STAGES = ("PROVISIONING", "PENDING", "RUNNING", "DEPROVISIONING", "STOPPED")
RUNNING, STOPPING, STOPPED = 2, 3, 4
STEPS = ("time", "time", "event", "event", "stop", "status", "list", "repeat", "wait")


class Ecs:
    """What ECS knows of the one task: it lives on, is told of in events, and may be stopped."""

    def __init__(self, hooks: Hooks) -> None:
        self.number = 0
        hooks.answer("ecs.RunTask", self._run)
        hooks.answer("ecs.DescribeTasks", lambda _: {"tasks": [self.task]})
        hooks.answer("ecs.ListTasks", self._list)
        hooks.answer("ecs.StopTask", self._stop)

    def forget(self) -> None:
        self.number += 1
        self.started_by = ""
        self.stage = 0
        self.stopped_for: str | None = None
        self.events: list[dict[str, Any]] = []

    @property
    def task(self) -> dict[str, Any]:
        more: dict[str, Any] = {}
        if self.stage >= RUNNING and not (self.stopped_for and self.stage_of_stop < RUNNING):
            more["startedAt"] = "2026-09-21T14:14:00Z"
        if self.stopped_for or self.stage >= STOPPING:
            more["desiredStatus"] = "STOPPED"
        if self.stage == STOPPED:
            container: dict[str, Any] = {"name": "executor", "exitCode": 7}
            if self.stopped_for:
                container["exitCode"] = 143
                more |= {"stopCode": "UserInitiated", "stoppedReason": self.stopped_for}
            if "startedAt" not in more:
                del container["exitCode"]
            more |= {"stoppedAt": "2026-09-21T14:20:00Z", "containers": [container]}
        return task_of(self.started_by, new_task_arn(self.number), STAGES[self.stage], **more)

    def go_on(self) -> None:
        self.stage = min(self.stage + 1, STOPPED)
        self._tell()

    def _tell(self) -> None:
        detail = copy.deepcopy(self.task)
        self.events.append({"detail-type": "ECS Task State Change", "detail": detail})

    def _run(self, body: dict[str, Any]) -> dict[str, Any]:
        if not self.started_by:
            self.started_by = body["startedBy"]
            self._tell()
        assert self.started_by == body["clientToken"]
        return {"tasks": [self.task], "failures": []}

    def _list(self, body: dict[str, Any]) -> dict[str, Any]:
        running = self.stage < STOPPED and body.get("startedBy") == self.started_by
        stopped = self.stage == STOPPED and body.get("desiredStatus") == "STOPPED"
        here = self.started_by and (running or stopped)
        return {"taskArns": [new_task_arn(self.number)] if here else []}

    def _stop(self, body: dict[str, Any]) -> dict[str, Any]:
        assert body["task"] == new_task_arn(self.number)
        if self.stage < STOPPING and not self.stopped_for:
            self.stopped_for, self.stage_of_stop = body["reason"], self.stage
            self._tell()
        return {"task": self.task}


@pytest.fixture
def ecs(hooks: Hooks) -> Ecs:
    return Ecs(hooks)


class Execution:
    """One execution, and whoever has to do with it."""

    def __init__(self, account: Account, ecs: Ecs, fuse: Fuse) -> None:
        self.account, self.ecs, self.fuse = account, ecs, fuse
        ecs.forget()
        account.clock.seconds += 1
        self.request = {"command": "true", "skip_git": True, "request_id": f"request-{ecs.number}"}
        self.fuse.light(f"{AFTER}.ecs.RunTask", 0)
        with pytest.raises(Died):
            account.ask("exec", **self.request)
        self.id = ecs.started_by
        self.first = account.item(self.id) or {}

    def item(self) -> dict[str, Any]:
        return self.account.item(self.id) or {}

    @property
    def status(self) -> str:
        return self.item()["status"]["S"]

    def step(self, name: str, number: int) -> None:
        match name:
            case "time":
                self.ecs.go_on()
            case "event":
                self.account.tell(self.ecs.events[number % len(self.ecs.events)])
            case "stop":
                self.stop(f"reason {number}")
            case "status":
                found = self.account.ok("status", execution_id=self.id)
                assert found["status"] == self.status
            case "list":
                [found] = self.account.ok("list", limit=1)["executions"]
                assert (found["execution_id"], found["status"]) == (self.id, self.status)
            case "repeat":
                again = self.account.ok("exec", **self.request)
                assert (again["execution_id"], again["task_arn"]) == (
                    self.id,
                    self.ecs.task["taskArn"],
                )
            case _:
                self.account.clock.seconds += IN_FLIGHT_SECONDS

    def stop(self, reason: str) -> None:
        answer = self.account.ok("stop", execution_id=self.id, reason=reason)
        ended = self.ecs.stage == STOPPED
        assert answer["status"] == ("STOPPED" if ended else "STOPPING")
        assert ended or self.ecs.task["desiredStatus"] == "STOPPED"

    def forget(self) -> None:
        """A table that grows makes moto slow."""
        for key in (self.id, f"request#{self.request['request_id']}"):
            self.account.runtime.dynamodb.delete_item(
                TableName="mycli-executions", Key={"execution_id": {"S": key}}
            )

    def as_only_its_last_event_tells(self) -> dict[str, Any]:
        self.account.runtime.dynamodb.put_item(TableName="mycli-executions", Item=self.first)
        self.account.tell(self.ecs.events[-1])
        return self.item()


@sizes(25, 1_000)
def test_whatever_comes_in_whatever_order_the_record_ends_as_the_task_did(
    account: Account, ecs: Ecs, fuse: Fuse, size: int
) -> None:
    moments = st.sampled_from([BEFORE, AFTER])
    deaths = st.none() | st.tuples(moments, st.integers(0, 3))
    lives = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 9), deaths), max_size=25)

    @settings(max_examples=size, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(lives, st.sampled_from(["event", "status", "list", "stop"]))
    def holds(life: list[tuple[str, int, tuple[str, int] | None]], last: str) -> None:
        execution = Execution(account, ecs, fuse)
        for name, number, death in life:
            before = execution.item()
            if death:
                fuse.light(*death)
            try:
                execution.step(name, number)
            except Died:
                account.runtime.remembered.clear()
            fuse.put_out()
            after = execution.item()
            assert wire.STATUSES.index(before["status"]["S"]) <= wire.STATUSES.index(
                after["status"]["S"]
            )
            assert before == after or before["status"] != {"S": "STOPPED"}
        while ecs.stage < STOPPED:
            ecs.go_on()
        execution.step("wait", 0)
        execution.step(last, len(ecs.events) - 1)
        final = execution.item()
        assert final["status"] == {"S": "STOPPED"}
        assert final == execution.as_only_its_last_event_tells()
        execution.forget()

    holds()


@pytest.mark.parametrize("stage", range(len(STAGES)))
@pytest.mark.parametrize("moment", [BEFORE, AFTER])
@pytest.mark.parametrize("call", ["dynamodb.GetItem", "ecs.StopTask", "dynamodb.UpdateItem"])
def test_a_stop_races_the_end(
    account: Account, hooks: Hooks, ecs: Ecs, fuse: Fuse, stage: int, moment: str, call: str
) -> None:
    """The task ends, and its event is told, before or after each call of the stop."""
    execution = Execution(account, ecs, fuse)
    account.tell(ecs.events[0])
    while ecs.stage < stage:
        ecs.go_on()
    racing = [True]

    def end(**_: object) -> None:
        if racing:
            racing.clear()
            while ecs.stage < STOPPED:
                ecs.go_on()
            account.tell(ecs.events[-1])

    hooks.add(f"{moment}.{call}", end)
    body = json.dumps({"action": "stop", "execution_id": execution.id, "reason": "enough"})

    answers = [account.send(api_event(body)) for _ in range(3)]

    assert [answer["statusCode"] for answer in answers] == [200] * 3
    end()
    final = execution.item()
    assert final == execution.as_only_its_last_event_tells()
    assert {json.loads(answer["body"])["status"] for answer in answers[1:]} == {"STOPPED"}
