"""The IAM documents as data, against the Service Authorization Reference and the code itself."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from mycli.stack import policies
from tests.iam import allows, grants

from .conftest import REPOSITORY

ECS = "arn:aws:ecs:eu-west-1:123456789012"
LOGS = "arn:aws:logs:eu-west-1:123456789012:log-group"
IAM = "arn:aws:iam::123456789012"
SSM = "arn:aws:ssm:eu-west-1:123456789012:parameter"
SECRETS = "arn:aws:secretsmanager:eu-west-1:123456789012:secret"
ECR = "arn:aws:ecr:eu-west-1:123456789012:repository"
TABLE = "arn:aws:dynamodb:eu-west-1:123456789012:table/mycli-executions"
CLUSTER = f"{ECS}:cluster/mycli-cluster"

FUNCTION = policies.function_policy(
    stack="mycli",
    cluster=CLUSTER,
    table=TABLE,
    task_logs=f"{LOGS}:/aws/mycli/mycli",
    own_logs=f"{LOGS}:/aws/lambda/mycli-orchestrator",
    task_roles=[f"{IAM}:role/mycli-task-execution-role", f"{IAM}:role/mycli-task-role"],
)
EXECUTION = policies.execution_policy(
    task_logs=f"{LOGS}:/aws/mycli/mycli",
    parameters=[f"{SSM}/mycli/mycli/github-token"],
    logins=[f"{SECRETS}:mycli/mycli/registry/ghcr.io-a1B2c3"],
)

# What the Service Authorization Reference lists: each action's resource type, as the start of its
# ARN; None where it lists none, so that `*` is all that can be said.
_REPOSITORY = r"arn:aws:ecr:([\w-]+|\*):\d+:repository/(mycli/)?\*$"
RESOURCE_TYPES: dict[str, str | None] = {
    "dynamodb:ConditionCheckItem": r"arn:aws:dynamodb:[\w-]+:\d+:table/[\w-]+$",
    "dynamodb:DeleteItem": r"arn:aws:dynamodb:[\w-]+:\d+:table/[\w-]+$",
    "dynamodb:GetItem": r"arn:aws:dynamodb:[\w-]+:\d+:table/[\w-]+$",
    "dynamodb:PutItem": r"arn:aws:dynamodb:[\w-]+:\d+:table/[\w-]+$",
    "dynamodb:Query": r"arn:aws:dynamodb:[\w-]+:\d+:table/[\w-]+/index/[\w-]+$",
    "dynamodb:UpdateItem": r"arn:aws:dynamodb:[\w-]+:\d+:table/[\w-]+$",
    "ecr:BatchCheckLayerAvailability": _REPOSITORY,
    "ecr:BatchGetImage": _REPOSITORY,
    "ecr:CompleteLayerUpload": _REPOSITORY,
    "ecr:CreateRepository": _REPOSITORY,
    "ecr:DescribeImages": _REPOSITORY,
    "ecr:DescribeRepositories": _REPOSITORY,
    "ecr:GetAuthorizationToken": None,
    "ecr:GetDownloadUrlForLayer": _REPOSITORY,
    "ecr:InitiateLayerUpload": _REPOSITORY,
    "ecr:ListTagsForResource": _REPOSITORY,
    "ecr:PutImage": _REPOSITORY,
    "ecr:PutLifecyclePolicy": _REPOSITORY,
    "ecr:TagResource": _REPOSITORY,
    "ecr:UploadLayerPart": _REPOSITORY,
    "ecs:DeleteTaskDefinitions": r"arn:aws:ecs:[\w-]+:\d+:task-definition/[\w-]+-\*:\*$",
    "ecs:DeregisterTaskDefinition": None,
    "ecs:DescribeTaskDefinition": None,
    "ecs:DescribeTasks": r"arn:aws:ecs:[\w-]+:\d+:task/[\w-]+/\*$",
    "ecs:ListTaskDefinitionFamilies": None,
    "ecs:ListTaskDefinitions": None,
    "ecs:ListTasks": None,  # a container instance, which Fargate has not: see its condition
    "ecs:RegisterTaskDefinition": r"arn:aws:ecs:[\w-]+:\d+:task-definition/[\w-]+-\*:\*$",
    "ecs:RunTask": r"arn:aws:ecs:[\w-]+:\d+:task-definition/[\w-]+-\*:\*$",
    "ecs:StopTask": r"arn:aws:ecs:[\w-]+:\d+:task/[\w-]+/\*$",
    "ecs:TagResource": r"arn:aws:ecs:[\w-]+:\d+:(task/[\w-]+/\*|task-definition/[\w-]+-\*:\*)$",
    "iam:PassRole": r"arn:aws:iam::\d+:role/[\w-]+$",
    "logs:CreateLogStream": r"arn:aws:logs:[\w-]+:\d+:log-group:[\w/-]+:log-stream:[\w/]*\*$",
    "logs:GetLogEvents": r"arn:aws:logs:[\w-]+:\d+:log-group:[\w/-]+:log-stream:[\w/]+\*$",
    "logs:PutLogEvents": r"arn:aws:logs:[\w-]+:\d+:log-group:[\w/-]+:log-stream:[\w/]*\*$",
    "secretsmanager:GetSecretValue": r"arn:aws:secretsmanager:[\w-]+:\d+:secret:[\w/.-]+$",
    "ssm:GetParameters": r"arn:aws:ssm:[\w-]+:\d+:parameter/[\w/-]+$",
}


@pytest.mark.parametrize("document", [FUNCTION, EXECUTION])
def test_each_action_stands_on_its_resource_type(document: dict[str, Any]) -> None:
    for action, resource in grants(document):
        expected = RESOURCE_TYPES[action]
        if expected is None:
            assert resource == "*", action
        else:
            assert re.match(expected, resource), (action, resource)


@pytest.mark.parametrize("document", [FUNCTION, EXECUTION])
def test_every_resource_is_this_stacks(document: dict[str, Any]) -> None:
    for action, resource in grants(document):
        # ECS pulls images of the whole account.
        if RESOURCE_TYPES[action] and (document is FUNCTION or not action.startswith("ecr:")):
            assert re.search(r"[:/]mycli[-/]", resource), (action, resource)


@pytest.mark.parametrize("document", [FUNCTION, EXECUTION])
def test_no_statement_is_more_than_an_allow(document: dict[str, Any]) -> None:
    assert document["Version"] == "2012-10-17"
    for statement in document["Statement"]:
        assert set(statement) - {"Condition"} == {"Effect", "Action", "Resource"}
        assert statement["Effect"] == "Allow"
        assert statement["Resource"]
        assert not any("*" in action for action in statement["Action"])


def test_an_inline_policy_has_room() -> None:
    # 10,240 characters for all inline policies of a role, white space not counted:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    assert len(json.dumps(FUNCTION)) < 8000


SERVICES = ("dynamodb", "ecr", "ecs", "logs")


def called_operations() -> dict[str, set[str]]:
    """Service -> the operations whose method is named in the orchestrator's code."""
    names = {service: set[str]() for service in SERVICES}
    for path in (REPOSITORY / "orchestrator").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                client = getattr(node.value, "attr", getattr(node.value, "id", ""))
                for service in [client] if client in SERVICES else SERVICES:
                    names[service].add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                for service in SERVICES:  # as in get_paginator("list_tasks")
                    names[service].add(node.value)
    session: Any = botocore.session.get_session()
    return {
        service: {
            operation
            for operation in session.get_service_model(service).operation_names
            if xform_name(operation) in names[service]
        }
        - {"ListImages"}  # an action of ours
        for service in SERVICES
    }


DONE_BY_TOKEN = {
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
}


def test_the_function_is_allowed_what_its_code_calls_and_nothing_else() -> None:
    called = called_operations()
    # A transaction is judged by what is in it.
    assert "TransactWriteItems" in called["dynamodb"]
    called["dynamodb"] = called["dynamodb"] - {"TransactWriteItems"} | {
        "ConditionCheckItem",
        "PutItem",
    }
    needed = {f"{service}:{name}" for service, names in called.items() for name in names}
    # RunTask and RegisterTaskDefinition pass roles and set tags; Lambda writes the function's log.
    needed |= {"iam:PassRole", "ecs:TagResource", "logs:CreateLogStream", "logs:PutLogEvents"}
    # A repository is made with its tags. What docker and podman do, they do by the token.
    needed |= {"ecr:TagResource"} | DONE_BY_TOKEN
    assert {action for action, _ in grants(FUNCTION)} == needed


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("ecs:RunTask", f"{ECS}:task-definition/mycli-task-alpine-3-22:4"),
        ("ecs:ListTasks", "*"),
    ],
)
def test_only_in_this_cluster(action: str, resource: str) -> None:
    assert allows(FUNCTION, action, resource, ecs__cluster=CLUSTER)
    assert not allows(FUNCTION, action, resource, ecs__cluster=f"{ECS}:cluster/other-cluster")
    assert not allows(FUNCTION, action, resource)


@pytest.mark.parametrize(
    ("family", "allowed"),
    [
        ("mycli-task-ubuntu-22-04", True),
        ("mycli-task-ubuntu-22-04-git", True),
        ("mycli-task", False),  # the template is copied from, never run or replaced
        ("mycli-2-task-ubuntu-22-04", False),
        ("other-task-ubuntu-22-04", False),
        ("somebodys-service", False),
    ],
)
def test_only_families_of_this_stack(family: str, allowed: bool) -> None:
    resource = f"{ECS}:task-definition/{family}:1"
    assert allows(FUNCTION, "ecs:RunTask", resource, ecs__cluster=CLUSTER) is allowed
    assert allows(FUNCTION, "ecs:RegisterTaskDefinition", resource) is allowed
    assert allows(FUNCTION, "ecs:DeleteTaskDefinitions", resource) is allowed
    tagged = {"ecs__CreateAction": "RegisterTaskDefinition"}
    assert allows(FUNCTION, "ecs:TagResource", resource, **tagged) is allowed


def test_only_tasks_of_this_cluster() -> None:
    for action in ("ecs:DescribeTasks", "ecs:StopTask"):
        assert allows(FUNCTION, action, f"{ECS}:task/mycli-cluster/0123abcd")
        assert not allows(FUNCTION, action, f"{ECS}:task/other-cluster/0123abcd")


def test_tags_are_set_only_on_what_is_just_made() -> None:
    task = f"{ECS}:task/mycli-cluster/0123abcd"
    assert allows(FUNCTION, "ecs:TagResource", task, ecs__CreateAction="RunTask")
    assert not allows(FUNCTION, "ecs:TagResource", task, ecs__CreateAction="CreateService")
    assert not allows(FUNCTION, "ecs:TagResource", task)


def test_only_the_two_task_roles_are_passed_and_only_to_tasks() -> None:
    to_tasks = {"iam__PassedToService": "ecs-tasks.amazonaws.com"}
    for role in ("mycli-task-role", "mycli-task-execution-role"):
        assert allows(FUNCTION, "iam:PassRole", f"{IAM}:role/{role}", **to_tasks)
        assert not allows(
            FUNCTION,
            "iam:PassRole",
            f"{IAM}:role/{role}",
            iam__PassedToService="lambda.amazonaws.com",
        )
        assert not allows(FUNCTION, "iam:PassRole", f"{IAM}:role/{role}")
    for role in ("mycli-lambda-role", "admin", "other-task-role"):
        assert not allows(FUNCTION, "iam:PassRole", f"{IAM}:role/{role}", **to_tasks)


def test_the_function_reads_logs_of_tasks_and_writes_only_its_own() -> None:
    tasks = f"{LOGS}:/aws/mycli/mycli:log-stream:task/executor/0123abcd"
    own = f"{LOGS}:/aws/lambda/mycli-orchestrator:log-stream:2026/11/01/[$LATEST]0123"
    assert allows(FUNCTION, "logs:GetLogEvents", tasks)
    assert not allows(FUNCTION, "logs:GetLogEvents", own)
    assert allows(FUNCTION, "logs:PutLogEvents", own)
    assert not allows(FUNCTION, "logs:PutLogEvents", tasks)


@pytest.mark.parametrize(
    ("repository", "allowed"),
    [
        ("mycli/api", True),
        ("mycli", False),
        ("mycli-2/api", False),
        ("other/mycli/api", False),
        ("api", False),
    ],
)
def test_images_are_pushed_only_to_this_stacks_repositories(repository: str, allowed: bool) -> None:
    for action in ("ecr:PutImage", "ecr:InitiateLayerUpload", "ecr:CreateRepository"):
        assert allows(FUNCTION, action, f"{ECR}/{repository}") is allowed


def test_whoever_may_push_an_image_may_delete_or_open_nothing() -> None:
    may = {action for action, _ in grants(FUNCTION) if action.startswith("ecr:")}
    assert not {action for action in may if re.search("Delete|Untag|SetRepository|Mutab", action)}


def test_ecs_reads_only_the_registries_logins_that_the_stack_has() -> None:
    read = "secretsmanager:GetSecretValue"
    assert allows(EXECUTION, read, f"{SECRETS}:mycli/mycli/registry/ghcr.io-a1B2c3")
    assert not allows(EXECUTION, read, f"{SECRETS}:mycli/mycli/registry/quay.io-a1B2c3")
    assert read not in {action for action, _ in grants(FUNCTION)}


def test_ecs_reads_only_the_credentials_that_the_stack_has() -> None:
    assert allows(EXECUTION, "ssm:GetParameters", f"{SSM}/mycli/mycli/github-token")
    assert not allows(EXECUTION, "ssm:GetParameters", f"{SSM}/mycli/mycli/ssh-private-key")
    assert not allows(EXECUTION, "ssm:GetParameters", f"{SSM}/mycli/other/github-token")
    without = policies.execution_policy(
        task_logs=f"{LOGS}:/aws/mycli/mycli", parameters=[], logins=[]
    )
    # IAM takes no statement without a resource.
    assert all(statement["Resource"] for statement in without["Statement"])


def test_ecs_writes_task_logs_and_pulls_from_this_account() -> None:
    task = f"{LOGS}:/aws/mycli/mycli:log-stream:task/executor/0123abcd"
    for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
        assert allows(EXECUTION, action, task)
        assert not allows(EXECUTION, action, task.replace("/mycli:", "/other:"))
    theirs = "arn:aws:ecr:us-east-1:999999999999:repository/app"
    assert not allows(EXECUTION, "ecr:BatchGetImage", theirs)
    assert allows(EXECUTION, "ecr:BatchGetImage", theirs.replace("9" * 12, "123456789012"))


def test_arns_follow_the_partition() -> None:
    china = policies.execution_policy(
        task_logs="arn:aws-cn:logs:cn-north-1:123456789012:log-group:/aws/mycli/mycli",
        parameters=[],
        logins=[],
    )
    arns = [resource for _, resource in grants(china) if resource != "*"]
    assert all(arn.startswith("arn:aws-cn:") for arn in arns)
