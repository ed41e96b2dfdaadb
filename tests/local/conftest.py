"""The account on this machine, really running, for the tests of its parts.

`running` is one account for all tests of a worker: a daemon with a role, a log group and a cluster,
reached by boto3 clients. Tests that start and stop an account do so in their own home.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mycli.local import account
from mycli.local.clients import clients_of
from mycli.local.place import Account, Place, place

LOG_GROUP = "/test/tasks"
CLUSTER = "test-cluster"


def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """The condition's first true value. Fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return value


def new_account(runtime: str = "process") -> Account:
    """The account of this test's home, started."""
    at = place()
    with account.exclusive(at):
        made = account.create(runtime)
    account.start(made)
    return made


@dataclass(frozen=True)
class Running:
    """A running account, and what the tests of tasks do in it."""

    account: Account
    place: Place
    clients: Callable[[str], Any]
    role_arn: str

    def define(self, command: str, family: str = "test", **container: Any) -> str:
        """A task definition's ARN: one container, `/bin/sh -c command`, its output logged."""
        options = {
            "awslogs-group": LOG_GROUP,
            "awslogs-region": self.account.region,
            "awslogs-stream-prefix": "task",
        }
        definition = {
            "name": "executor",
            "image": "ubuntu:22.04",
            "entryPoint": ["/bin/sh", "-c"],
            "command": [command],
            "logConfiguration": {"logDriver": "awslogs", "options": options},
            **container,
        }
        made = self.clients("ecs").register_task_definition(
            family=family,
            requiresCompatibilities=["FARGATE"],
            networkMode="awsvpc",
            cpu="256",
            memory="512",
            executionRoleArn=self.role_arn,
            containerDefinitions=[definition],
        )
        return made["taskDefinition"]["taskDefinitionArn"]

    def start(self, command: str, **request: Any) -> str:
        """Start a task, and do not wait; its ARN."""
        definition = self.define(command)
        answer = self.clients("ecs").run_task(
            cluster=CLUSTER, taskDefinition=definition, launchType="FARGATE", **request
        )
        return answer["tasks"][0]["taskArn"]

    def describe(self, arn: str) -> dict[str, Any]:
        answer = self.clients("ecs").describe_tasks(cluster=CLUSTER, tasks=[arn])
        return answer["tasks"][0]

    def stopped(self, arn: str) -> dict[str, Any]:
        """The task, once it is STOPPED."""
        until(lambda: self.describe(arn)["lastStatus"] == "STOPPED")
        return self.describe(arn)

    def run(self, command: str, **request: Any) -> dict[str, Any]:
        """Run a task to its end."""
        return self.stopped(self.start(command, **request))

    def output(self, arn: str) -> list[str]:
        """All that the task has printed up to now."""
        logs, lines = self.clients("logs"), list[str]()
        stream = f"task/executor/{arn.rpartition('/')[2]}"
        where = {"logGroupName": LOG_GROUP, "logStreamName": stream}
        page = logs.get_log_events(**where, startFromHead=True)
        while page["events"]:
            lines += [event["message"] for event in page["events"]]
            page = logs.get_log_events(**where, nextToken=page["nextForwardToken"])
        return lines


def prepare(made: Account) -> Running:
    """Give a new account what its tasks need."""
    clients = clients_of(made)
    trust = {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}}
    role = clients("iam").create_role(
        RoleName="execution",
        AssumeRolePolicyDocument=json.dumps({"Statement": [{**trust, "Action": "sts:AssumeRole"}]}),
    )
    clients("logs").create_log_group(logGroupName=LOG_GROUP)
    clients("ecs").create_cluster(clusterName=CLUSTER)
    return Running(made, place(), clients, role["Role"]["Arn"])


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("account")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MYCLI_HOME", str(home))
        running = prepare(new_account())
    yield running
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MYCLI_HOME", str(home))
        account.stop()


@pytest.fixture
def ended(home: Path) -> Iterator[None]:
    """For tests that start an account of their own: it is ended, whatever they did to it."""
    yield
    account.stop()
