"""ECS's tasks in the running account: what boto3 and the rule's target see of them."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import CLUSTER, Running, until


@pytest.mark.parametrize(
    ("command", "code"), [("true", 0), ("exit 7", 7), ("kill -9 $$", 137), ("no-such-command", 127)]
)
def test_a_task_runs_and_its_exit_code_is_told(running: Running, command: str, code: int) -> None:
    task = running.run(command)
    assert task["containers"][0]["exitCode"] == code
    assert task["stopCode"] == "EssentialContainerExited"
    assert task["stoppedReason"] == "Essential container in task exited"
    assert task["createdAt"] <= task["startedAt"] <= task["stoppedAt"]


def test_all_output_is_there_when_the_task_is_stopped(running: Running) -> None:
    task = running.run("seq 50000; echo err >&2; printf tail")
    expected = [str(number) for number in range(1, 50_001)]
    assert running.output(task["taskArn"]) == [*expected, "err", "tail"]


def test_output_can_be_read_while_the_task_runs(running: Running) -> None:
    arn = running.start("echo first; sleep 300")
    until(lambda: running.describe(arn)["lastStatus"] == "RUNNING")
    until(lambda: running.output(arn) == ["first"])
    running.clients("ecs").stop_task(cluster=CLUSTER, task=arn)
    running.stopped(arn)


def test_overrides_add_to_the_environment(running: Running) -> None:
    environment = [{"name": "A", "value": "two words"}, {"name": "B", "value": "é"}]
    overrides = {"containerOverrides": [{"name": "executor", "environment": environment}]}
    task = running.run('echo "$A|$B"', overrides=overrides)
    assert running.output(task["taskArn"]) == ["two words|é"]


def test_scratch_is_removed_when_the_task_is_over(running: Running) -> None:
    task = running.run("mkdir -p locked/in; echo x > locked/in/file; chmod 500 locked/in locked")
    folder = running.place.tasks / task["taskArn"].rpartition("/")[2]
    until(lambda: not folder.exists())


def test_a_stopped_task_tells_who_stopped_it_and_its_real_exit_code(running: Running) -> None:
    arn = running.start("trap 'echo caught; exit 9' TERM; echo on; while :; do sleep 0.05; done")
    until(lambda: running.describe(arn)["lastStatus"] == "RUNNING")
    until(lambda: running.output(arn))
    answer = running.clients("ecs").stop_task(cluster=CLUSTER, task=arn, reason="enough")["task"]
    assert answer["desiredStatus"] == "STOPPED"
    task = running.stopped(arn)
    assert task["containers"][0]["exitCode"] == 9
    assert (task["stopCode"], task["stoppedReason"]) == ("UserInitiated", "enough")
    assert running.output(arn) == ["on", "caught"]


def test_a_missing_log_group_keeps_the_task_from_starting(running: Running) -> None:
    options = {"awslogs-group": "/no/such/group", "awslogs-region": "us-east-1"}
    definition = running.define(
        "true", logConfiguration={"logDriver": "awslogs", "options": options}
    )
    answer = running.clients("ecs").run_task(cluster=CLUSTER, taskDefinition=definition)
    task = running.stopped(answer["tasks"][0]["taskArn"])
    assert task["stopCode"] == "TaskFailedToStart"
    assert "/no/such/group does not exist" in task["stoppedReason"]
    assert "exitCode" not in task["containers"][0]


def test_a_secret_reaches_the_task_if_the_execution_role_may_read_it(running: Running) -> None:
    ssm, iam = running.clients("ssm"), running.clients("iam")
    ssm.put_parameter(Name="/test/token", Type="SecureString", Value="s3cret")
    arn = ssm.get_parameter(Name="/test/token")["Parameter"]["ARN"]
    secrets = [{"name": "TOKEN", "valueFrom": arn}]
    definition = running.define('echo "$TOKEN"', family="secret", secrets=secrets)
    request = {"cluster": CLUSTER, "taskDefinition": definition}

    refused = running.clients("ecs").run_task(**request)["tasks"][0]["taskArn"]
    assert "may not read" in running.stopped(refused)["stoppedReason"]

    statement = {"Effect": "Allow", "Action": "ssm:GetParameters", "Resource": arn}
    iam.put_role_policy(
        RoleName="execution", PolicyName="read", PolicyDocument=json.dumps({"Statement": statement})
    )
    allowed = running.clients("ecs").run_task(**request)["tasks"][0]["taskArn"]
    running.stopped(allowed)
    assert running.output(allowed) == ["s3cret"]


# --- What AWS refuses ----------------------------------------------------------------------------


def test_a_client_token_starts_one_task_ever(running: Running) -> None:
    definition = running.define("true")
    request = {"cluster": CLUSTER, "taskDefinition": definition, "clientToken": "token-1"}
    ecs = running.clients("ecs")
    first, again = ecs.run_task(**request), ecs.run_task(**request)
    assert [t["taskArn"] for t in again["tasks"]] == [t["taskArn"] for t in first["tasks"]]
    with pytest.raises(ClientError, match="ConflictException"):
        ecs.run_task(**request, startedBy="somebody else")


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"count": 11}, "InvalidParameterException"),
        ({"cluster": "no-such-cluster"}, "ClusterNotFoundException"),
        ({"taskDefinition": "no-such-family"}, "ClientException"),
        ({"overrides": {"cpu": "256", "memory": "8192"}}, "InvalidParameterException"),
        ({"overrides": {"cpu": "300"}}, "InvalidParameterException"),
        ({"overrides": {"containerOverrides": [{"name": "other"}]}}, "InvalidParameterException"),
        (
            {"overrides": {"containerOverrides": [{"name": "executor", "command": ["x" * 8200]}]}},
            "InvalidParameterException",
        ),
    ],
)
def test_run_task_refuses(running: Running, request_: dict[str, Any], code: str) -> None:
    request = {"cluster": CLUSTER, "taskDefinition": running.define("true"), **request_}
    with pytest.raises(ClientError, match=code):
        running.clients("ecs").run_task(**request)


def test_an_inactive_definition_cannot_be_run_and_an_active_one_not_deleted(
    running: Running,
) -> None:
    ecs, arn = running.clients("ecs"), running.define("true", family="to-delete")
    [failure] = ecs.delete_task_definitions(taskDefinitions=[arn])["failures"]
    assert "still in ACTIVE status" in failure["reason"]
    ecs.deregister_task_definition(taskDefinition=arn)
    with pytest.raises(ClientError, match="inactive"):
        ecs.run_task(cluster=CLUSTER, taskDefinition=arn)
    with pytest.raises(ClientError, match="1 to 10"):
        ecs.delete_task_definitions(taskDefinitions=[arn] * 11)
    assert ecs.delete_task_definitions(taskDefinitions=[arn])["failures"] == []
    assert "to-delete" not in ecs.list_task_definition_families(status="ALL")["families"]


def test_a_family_alone_means_its_latest_active_revision(running: Running) -> None:
    ecs = running.clients("ecs")
    first, second = running.define("true", family="two"), running.define("false", family="two")
    ecs.deregister_task_definition(taskDefinition=second)
    found = ecs.describe_task_definition(taskDefinition="two")["taskDefinition"]
    assert found["taskDefinitionArn"] == first
    listed = ecs.list_task_definitions(familyPrefix="tw")["taskDefinitionArns"]
    assert listed == []  # it is a family, not a prefix of one


@pytest.mark.parametrize(("cpu", "memory"), [("256", "4096"), ("300", "512"), ("", "")])
def test_a_definition_needs_a_size_that_fargate_has(
    running: Running, cpu: str, memory: str
) -> None:
    with pytest.raises(ClientError, match="No Fargate configuration"):
        running.clients("ecs").register_task_definition(
            family="odd",
            requiresCompatibilities=["FARGATE"],
            cpu=cpu,
            memory=memory,
            containerDefinitions=[{"name": "executor", "image": "x"}],
        )


def test_started_by_stands_alone_as_a_filter(running: Running) -> None:
    ecs, arn = running.clients("ecs"), running.start("sleep 300", startedBy="me")
    assert ecs.list_tasks(cluster=CLUSTER, startedBy="me")["taskArns"] == [arn]
    with pytest.raises(ClientError, match="only filter"):
        ecs.list_tasks(cluster=CLUSTER, startedBy="me", desiredStatus="STOPPED")
    ecs.stop_task(cluster=CLUSTER, task=arn)
    running.stopped(arn)


# --- Events --------------------------------------------------------------------------------------

_RECORDER = """
import json
def handler(event, context):
    with open({path!r}, "a") as file:
        file.write(json.dumps(event) + "\\n")
"""


@pytest.fixture
def events(running: Running, tmp_path: Path) -> Iterator[Path]:
    """The file into which the target of a rule for this cluster's tasks writes each event."""
    functions, rules = running.clients("lambda"), running.clients("events")
    file, code = tmp_path / "events", io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("recorder.py", _RECORDER.format(path=str(file)))
    name = f"recorder-{time.monotonic_ns()}"
    function = functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=running.role_arn,
        Handler="recorder.handler",
        Code={"ZipFile": code.getvalue()},
    )
    cluster = f"arn:aws:ecs:us-east-1:{running.account.account_id}:cluster/{CLUSTER}"
    detail_type = "ECS Task State Change"
    pattern = {
        "source": ["aws.ecs"],
        "detail-type": [detail_type],
        "detail": {"clusterArn": [cluster]},
    }
    rules.put_rule(Name=name, EventPattern=json.dumps(pattern))
    rules.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": function["FunctionArn"]}])
    yield file
    rules.remove_targets(Rule=name, Ids=["1"])
    rules.delete_rule(Name=name)
    functions.delete_function(FunctionName=name)


def of_task(file: Path, arn: str) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    recorded = [json.loads(line) for line in file.read_text().splitlines()]
    return [event["detail"] for event in recorded if event["resources"] == [arn]]


def test_each_change_of_a_task_reaches_the_rules_target_in_order(
    running: Running, events: Path
) -> None:
    arn = running.run("exit 7", startedBy="me")["taskArn"]
    until(lambda: len(of_task(events, arn)) == 4)
    details = of_task(events, arn)
    changes = [detail["lastStatus"] for detail in details]
    assert changes == ["PENDING", "RUNNING", "DEPROVISIONING", "STOPPED"]
    versions = [detail["version"] for detail in details]
    assert versions == sorted(set(versions))
    last = details[-1]
    assert last["taskArn"] == arn
    assert last["clusterArn"].endswith(f":cluster/{CLUSTER}")
    assert last["desiredStatus"] == "STOPPED"
    assert last["stopCode"] == "EssentialContainerExited"
    assert last["startedBy"] == "me"
    assert last["createdAt"] <= last["startedAt"] <= last["stoppedAt"] <= last["updatedAt"]
    [container] = last["containers"]
    assert (container["name"], container["exitCode"]) == ("executor", 7)


def test_a_stop_is_an_event_of_its_own(running: Running, events: Path) -> None:
    arn = running.start("sleep 300")
    until(lambda: running.describe(arn)["lastStatus"] == "RUNNING")
    running.clients("ecs").stop_task(cluster=CLUSTER, task=arn, reason="enough")
    running.stopped(arn)
    until(lambda: len(of_task(events, arn)) == 5)
    asked = of_task(events, arn)[2]
    assert (asked["lastStatus"], asked["desiredStatus"]) == ("RUNNING", "STOPPED")
    assert asked["stoppedReason"] == "enough"
