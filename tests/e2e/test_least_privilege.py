"""Every right of the function's role is one that it cannot do without, where enforcement can tell.

What no emulator judges: that Lambda writes the function's log (logs:CreateLogStream and
logs:PutLogEvents on its own group).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from mycli.client import Client
from mycli.endpoint import Endpoint
from mycli.errors import ApiError
from mycli.local.clients import clients_of
from mycli.local.place import load
from orchestrator.wire import (
    ListTaskDefinitionsRequest,
    ListTaskDefinitionsResponse,
    RegisterImageRequest,
    RegisterImageResponse,
    RemoveTaskDefinitionsRequest,
    RemoveTaskDefinitionsResponse,
    UnregisterImageRequest,
    UnregisterImageResponse,
)
from tests.local.registry_client import IMAGE, digest_of, manifest

from .conftest import Machine

ROLE = {"RoleName": "least-lambda-role", "PolicyName": "least-lambda"}
FUNCTION = "least-orchestrator"
RIGHTS = [
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:CreateRepository",
    "ecr:DescribeImages",
    "ecr:DescribeRepositories",
    "ecr:GetAuthorizationToken",
    "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload",
    "ecr:ListTagsForResource",
    "ecr:PutImage",
    "ecr:PutLifecyclePolicy",
    "ecr:TagResource",
    "ecr:UploadLayerPart",
    "ecs:DeleteTaskDefinitions",
    "ecs:DeregisterTaskDefinition",
    "ecs:DescribeTaskDefinition",
    "ecs:DescribeTasks",
    "ecs:ListTaskDefinitionFamilies",
    "ecs:ListTaskDefinitions",
    "ecs:ListTasks",
    "ecs:RegisterTaskDefinition",
    "ecs:RunTask",
    "ecs:StopTask",
    "ecs:TagResource on what RegisterTaskDefinition makes",
    "ecs:TagResource on what RunTask makes",
    "iam:PassRole",
    "logs:GetLogEvents",
]
NOT_JUDGED = {"logs:CreateLogStream", "logs:PutLogEvents"}


@dataclass
class Least:
    """A stack of this module's own, whose function's rights are taken away and given back."""

    clients: Callable[[str], Any]
    client: Client
    origin: str
    statements: list[dict[str, Any]]
    cold_starts: int = 0

    def give(self, statements: list[dict[str, Any]]) -> None:
        """Have the role hold these, and the function remember nothing of before."""
        document = {"Version": "2012-10-17", "Statement": statements}
        self.clients("iam").put_role_policy(**ROLE, PolicyDocument=json.dumps(document))
        functions = self.clients("lambda")
        known = functions.get_function_configuration(FunctionName=FUNCTION)["Environment"]
        self.cold_starts += 1
        variables = {**known["Variables"], "COLD_START": str(self.cold_starts)}
        functions.update_function_configuration(
            FunctionName=FUNCTION, Environment={"Variables": variables}
        )

    def use_everything(self) -> None:
        """One request of each kind, and what mends a record whose RunTask was never answered."""
        image = f"busybox:{self.cold_starts}"  # a new one: its task definition is registered
        execution = self.client.exec("sleep 60", image=image, skip_git=True)
        list(self.client.list())
        with closing(Endpoint(self.client.profile)) as endpoint:
            endpoint.send(RegisterImageRequest(name="x", image="x"), RegisterImageResponse)
            endpoint.send(UnregisterImageRequest(name="x"), UnregisterImageResponse)
            endpoint.send(ListTaskDefinitionsRequest(), ListTaskDefinitionsResponse)
            endpoint.send(
                RemoveTaskDefinitionsRequest(arns=[self.unused()]), RemoveTaskDefinitionsResponse
            )
        list(execution.logs(follow=False))
        self.clients("dynamodb").update_item(
            TableName="least-executions",
            Key={"execution_id": {"S": execution.id}},
            UpdateExpression="SET #status = :starting REMOVE task_arn",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":starting": {"S": "starting"}},
        )
        execution.status()
        execution.stop()
        self.push_and_pull(f"service-{self.cold_starts}")

    def push_and_pull(self, repository: str) -> None:
        """What docker does with leave to push, and an exec with what was pushed."""
        leave = self.client.authorize_push(repository)
        layer = b"a layer"
        there = f"/v2/least/{repository}"
        with httpx.Client(
            base_url=self.origin, auth=(leave.username, leave.password), trust_env=False
        ) as http:

            def ask(method: str, path: str, **request: Any) -> httpx.Response:
                return http.request(method, path, **request).raise_for_status()

            upload = ask("POST", f"{there}/blobs/uploads/").headers["location"]
            upload = ask("PATCH", upload, content=layer).headers["location"]
            ask("PUT", upload, params={"digest": digest_of(layer)})
            image = manifest(digest_of(layer), [digest_of(layer)])
            kind = {"content-type": IMAGE}
            ask("PUT", f"{there}/manifests/1", content=json.dumps(image), headers=kind)
            for method, path in (
                ("HEAD", f"blobs/{digest_of(layer)}"),
                ("GET", f"blobs/{digest_of(layer)}"),
                ("GET", "manifests/1"),
            ):
                ask(method, f"{there}/{path}")
        self.client.find_built_image(repository, "1")

    def unused(self) -> str:
        """The ARN of a task definition of the stack that no execution has used."""
        return self.clients("ecs").register_task_definition(
            family="least-task-unused",
            containerDefinitions=[{"name": "executor", "image": "unused"}],
            cpu="256",
            memory="512",
            tags=[{"key": "mycli:stack", "value": "least"}],
        )["taskDefinition"]["taskDefinitionArn"]


@pytest.fixture(scope="module")
def least(machine: Machine) -> Iterator[Least]:
    made = machine.run("init", "--local", "--force", "--stack-name", "least", "--profile", "least")
    assert made.code == 0, made
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MYCLI_HOME", str(machine.home))
        patch.setenv("MYCLI_PROFILE", "least")
        here, client = load(), Client()
        clients = clients_of(here)
    found = clients("iam").get_role_policy(**ROLE)["PolicyDocument"]
    document = json.loads(found) if isinstance(found, str) else found
    with client:
        yield Least(clients, client, here.origin, document["Statement"])
    gone = machine.run("destroy", "--force", "--stack-name", "least")
    assert gone.code == 0, gone


def without(right: str, statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    action, _, made_by = right.removesuffix(" makes").partition(" on what ")
    left = [
        {**statement, "Action": [each for each in statement["Action"] if each != action]}
        if made_by in json.dumps(statement.get("Condition", ""))
        else statement
        for statement in statements
    ]
    return [statement for statement in left if statement["Action"]]


def test_nothing_is_refused_to_it(least: Least) -> None:
    least.give(least.statements)
    least.use_everything()


@pytest.mark.parametrize("right", RIGHTS)
def test_it_needs(right: str, least: Least) -> None:
    least.give(without(right, least.statements))
    with pytest.raises((ApiError, httpx.HTTPStatusError), match=r"AccessDenied|authorized|403"):
        least.use_everything()


def test_no_right_is_forgotten_here(least: Least) -> None:
    held = {action for statement in least.statements for action in statement["Action"]}
    assert held == {right.partition(" on ")[0] for right in RIGHTS} | NOT_JUDGED
