"""IAM in the running account: a function is what its role lets it be."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.local.conftest import CLUSTER, LOG_GROUP, Running

_CALLER = """
import importlib.util, os, sys
import boto3

def handler(event, context):
    if "modules" in event:
        return {name: importlib.util.find_spec(name) is not None for name in event["modules"]}
    if "environment" in event:
        return dict(os.environ)
    client = boto3.client(event["service"])
    try:
        answer = getattr(client, event["call"])(**event["arguments"])
        return {"answer": repr(answer)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
"""

Call = Callable[..., dict[str, Any]]
Statement = dict[str, Any]


@pytest.fixture
def caller(running: Running) -> Iterator[tuple[str, Call]]:
    """A role without a policy, and a way to let a function of that role make a call."""
    name = f"caller-{time.monotonic_ns()}"
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}
    trust["Action"] = "sts:AssumeRole"
    iam, functions, code = running.clients("iam"), running.clients("lambda"), io.BytesIO()
    document = json.dumps({"Statement": [trust]})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("caller.py", _CALLER)
    functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=role["Arn"],
        Handler="caller.handler",
        Code={"ZipFile": code.getvalue()},
        Timeout=20,
    )

    def call(**event: Any) -> dict[str, Any]:
        answer = functions.invoke(FunctionName=name, Payload=json.dumps(event).encode())
        return json.loads(answer["Payload"].read())

    yield name, call
    functions.delete_function(FunctionName=name)


def allow(running: Running, role: str, *statements: Statement) -> None:
    document = json.dumps({"Statement": [{"Effect": "Allow", **s} for s in statements]})
    running.clients("iam").put_role_policy(
        RoleName=role, PolicyName="policy", PolicyDocument=document
    )


def of(running: Running, service: str, resource: str) -> str:
    return f"arn:aws:{service}:{running.account.region}:{running.account.account_id}:{resource}"


def test_the_function_has_its_roles_own_credentials(
    running: Running, caller: tuple[str, Call]
) -> None:
    role, call = caller
    answer = call(service="sts", call="get_caller_identity", arguments={})["answer"]
    assert f"assumed-role/{role}/" in answer
    found = call(environment=True)
    assert found["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert running.account.access_key_id not in found.values()
    assert running.account.secret_access_key not in found.values()


def test_a_functions_credentials_cannot_be_worked_out(caller: tuple[str, Call]) -> None:
    _, call = caller
    found = call(environment=True)
    digits = set("0123456789abcdef")
    assert not set(found["AWS_SECRET_ACCESS_KEY"]) <= digits  # no digest of what is known
    assert not set(found["AWS_SESSION_TOKEN"]) <= digits


def test_only_what_the_policy_allows_is_allowed(running: Running, caller: tuple[str, Call]) -> None:
    role, call = caller
    asked: dict[str, Any] = {"service": "ecs", "call": "list_clusters", "arguments": {}}
    assert "AccessDenied" in call(**asked)["error"]
    allow(running, role, {"Action": "ecs:ListClusters", "Resource": "*"})
    assert CLUSTER in call(**asked)["answer"]


def run_task(running: Running, **more: Any) -> dict[str, Any]:
    definition = running.define("true", family="allowed")
    arguments = {"cluster": CLUSTER, "taskDefinition": definition, **more}
    return {"service": "ecs", "call": "run_task", "arguments": arguments}


def test_run_task_is_judged_by_definition_cluster_and_roles(
    running: Running, caller: tuple[str, Call]
) -> None:
    role, call = caller
    run: Statement = {
        "Action": "ecs:RunTask",
        "Resource": of(running, "ecs", "task-definition/allowed:*"),
        "Condition": {"ArnEquals": {"ecs:cluster": of(running, "ecs", f"cluster/{CLUSTER}")}},
    }
    pass_role: Statement = {
        "Action": "iam:PassRole",
        "Resource": running.role_arn,
        "Condition": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
    }
    elsewhere = {"ArnEquals": {"ecs:cluster": of(running, "ecs", "cluster/other")}}

    allow(running, role, run)
    assert "AccessDenied" in call(**run_task(running))["error"]  # the role is not to be passed
    allow(running, role, run | {"Condition": elsewhere}, pass_role)
    assert "AccessDenied" in call(**run_task(running))["error"]  # in another cluster only
    other = of(running, "ecs", "task-definition/other:*")
    allow(running, role, run | {"Resource": other}, pass_role)
    assert "AccessDenied" in call(**run_task(running))["error"]  # another family only
    allow(running, role, run, pass_role)
    assert "answer" in call(**run_task(running))


def test_tags_of_a_new_task_must_be_allowed(running: Running, caller: tuple[str, Call]) -> None:
    role, call = caller
    run: Statement = {"Action": ["ecs:RunTask", "iam:PassRole"], "Resource": "*"}
    tag: Statement = {
        "Action": "ecs:TagResource",
        "Resource": of(running, "ecs", f"task/{CLUSTER}/*"),
        "Condition": {"StringEquals": {"ecs:CreateAction": "RunTask"}},
    }
    tagged = run_task(running, tags=[{"key": "a", "value": "b"}])
    allow(running, role, run)
    assert "AccessDenied" in call(**tagged)["error"]
    allow(running, role, run, tag)
    assert "answer" in call(**tagged)


def test_a_task_is_judged_by_its_own_arn(running: Running, caller: tuple[str, Call]) -> None:
    role, call = caller
    arn = running.run("true")["taskArn"]
    asked = {"cluster": CLUSTER, "tasks": [arn]}
    event: dict[str, Any] = {"service": "ecs", "call": "describe_tasks", "arguments": asked}
    in_other = of(running, "ecs", "task/other/*")
    allow(running, role, {"Action": "ecs:DescribeTasks", "Resource": in_other})
    assert "AccessDenied" in call(**event)["error"]
    in_cluster = of(running, "ecs", f"task/{CLUSTER}/*")
    allow(running, role, {"Action": "ecs:DescribeTasks", "Resource": in_cluster})
    assert "answer" in call(**event)


def test_log_events_are_judged_by_their_stream(running: Running, caller: tuple[str, Call]) -> None:
    role, call = caller
    task_id = running.run("echo hello")["taskArn"].rpartition("/")[2]
    where = {"logGroupName": LOG_GROUP, "logStreamName": f"task/executor/{task_id}"}
    event: dict[str, Any] = {"service": "logs", "call": "get_log_events", "arguments": where}
    group = of(running, "logs", f"log-group:{LOG_GROUP}")
    allow(running, role, {"Action": "logs:GetLogEvents", "Resource": f"{group}:log-stream:other/*"})
    assert "AccessDenied" in call(**event)["error"]
    streams = f"{group}:log-stream:task/executor/*"
    allow(running, role, {"Action": "logs:GetLogEvents", "Resource": streams})
    assert "hello" in call(**event)["answer"]


def test_the_function_has_what_lambda_has_and_no_more(caller: tuple[str, Call]) -> None:
    """What is missing from the zip must be missing here, too."""
    _, call = caller
    found = call(modules=["json", "boto3", "botocore", "bcrypt", "pulumi", "mycli", "ministack"])
    assert {name for name, there in found.items() if there} == {"json", "boto3", "botocore"}


def test_the_function_sees_nothing_of_the_daemons_settings(caller: tuple[str, Call]) -> None:
    _, call = caller
    found = call(environment=True)
    assert not [name for name in found if name.startswith(("MYCLI_", "MINISTACK_", "STATE_"))]
