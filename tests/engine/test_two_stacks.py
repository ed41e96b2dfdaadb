"""Two stacks in one account and region: one is destroyed, and nothing of the other is touched.

Each is made, changed and destroyed by somebody who may do only what `--print-policy` says for it.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Generator
from typing import Any

from mycli.stack.automation import Settings, Stack
from mycli.stack.operator_policy import operator_policy
from mycli.stack.registries import RegistryLogin, secret_name
from mycli.stack.state_bucket import PARAMETER
from tests.engine.asked import Asked, watched
from tests.engine.conftest import TOKEN, Cloud
from tests.engine.moto_server import REGION
from tests.engine.test_commands import type_in
from tests.iam import actions, allows

HOST = "ghcr.io"
LOGIN = {HOST: RegistryLogin(username="me", password="a token")}


@contextlib.contextmanager
def by_its_operator(cloud: Cloud, stack: str, seen: set[str]) -> Generator[None]:
    """Within it, all that is asked of the account is what this stack's policy allows."""
    policy = operator_policy("aws", cloud.account.account_id, REGION, stack)
    with watched(cloud.account) as asked:
        yield
    refused = {what for what in map(_hashable, asked) if not _allowed(policy, what)}
    assert refused == set()
    seen |= {what.action for what in asked}


def _hashable(asked: Asked) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    return asked.action, asked.resource, tuple(sorted(asked.context.items()))


def _allowed(policy: dict[str, Any], asked: tuple[str, str, tuple[tuple[str, str], ...]]) -> bool:
    action, resource, context = asked
    # Which needs no permission.
    return action == "sts:GetCallerIdentity" or allows(policy, action, resource, dict(context))


def named(service: str, names: str) -> set[str]:
    return {f"{service}:{name}" for name in names.split()}


# What the policy allows and nobody asks for here, and why.
NEVER_SEEN: dict[str, set[str]] = {
    "the vendor's provider reads all that a resource could have": {
        *named("dynamodb", "DescribeContinuousBackups DescribeTimeToLive ListTagsOfResource"),
        *named("ec2", "DescribeNetworkAcls DescribeNetworkInterfaces DescribeVpcAttribute"),
        *named("ecs", "ListTagsForResource"),
        *named("events", "ListTagsForResource"),
        *named("iam", "ListAttachedRolePolicies ListInstanceProfilesForRole ListRolePolicies"),
        *named("lambda", "GetFunctionCodeSigningConfig ListTags ListVersionsByFunction"),
        *named("logs", "ListTagsForResource"),
        *named("secretsmanager", "GetResourcePolicy UpdateSecretVersionStage"),
        *named("ssm", "DescribeParameters ListTagsForResource"),
    },
    "the vendor's provider has calls of its own to change what we make anew or at once": {
        "dynamodb:UpdateTable",
        "secretsmanager:UpdateSecret",
        "iam:UpdateAssumeRolePolicy",
        *named("ec2", "ModifySubnetAttribute ReplaceRoute ReplaceRouteTableAssociation"),
    },
    "a newer version may take tags away": {
        *(f"{service}:UntagResource" for service in ("dynamodb", "ecs", "events", "lambda")),
        *("ec2:DeleteTags", "iam:UntagRole", "logs:UntagResource", "ssm:RemoveTagsFromResource"),
        "secretsmanager:UntagResource",
    },
    "the first cluster of an account needs it": {"iam:CreateServiceLinkedRole"},
    "a policy that somebody gave a role must not keep it from going": {"iam:DetachRolePolicy"},
    "doctor and update-function ask for it": {
        "logs:FilterLogEvents",
        "lambda:GetFunctionConfiguration",
    },
}


def live_in(cloud: Cloud, stack: str) -> None:
    """What executions leave: a family for an image, a task that runs, its log and its record; and
    a repository of images that were built for it.
    """
    of = cloud.account.clients
    ecs, logs = of("ecs"), of("logs")
    template = ecs.describe_task_definition(taskDefinition=f"{stack}-task")["taskDefinition"]
    registered = ecs.register_task_definition(
        family=f"{stack}-task-alpine-3",
        containerDefinitions=template["containerDefinitions"],
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        tags=[{"key": "mycli:stack", "value": stack}],
    )["taskDefinition"]["taskDefinitionArn"]
    [subnet, _] = of("ec2").describe_subnets(Filters=tagged(stack))["Subnets"]
    network = {"awsvpcConfiguration": {"subnets": [subnet["SubnetId"]], "securityGroups": []}}
    [task] = ecs.run_task(
        cluster=f"{stack}-cluster", taskDefinition=registered, networkConfiguration=network
    )["tasks"]
    stream = {"logGroupName": f"/aws/mycli/{stack}", "logStreamName": "task/executor/1"}
    logs.create_log_stream(**stream)
    now = int(time.time() * 1000)
    logs.put_log_events(**stream, logEvents=[{"timestamp": now, "message": "hello"}])
    record = {"execution_id": {"S": "20261121-1"}, "task_arn": {"S": task["taskArn"]}}
    of("dynamodb").put_item(TableName=f"{stack}-executions", Item=record)
    of("ecr").create_repository(
        repositoryName=f"{stack}/api", tags=[{"Key": "mycli:stack", "Value": stack}]
    )


def tagged(stack: str) -> list[dict[str, Any]]:
    return [{"Name": "tag:mycli:stack", "Values": [stack]}]


def everything(cloud: Cloud, stack: str) -> dict[str, Any]:
    """All that the services say of a stack, tags included."""
    of = cloud.account.clients
    ec2, ecs, iam, logs = of("ec2"), of("ecs"), of("iam"), of("logs")
    lists = ("vpcs", "subnets", "route_tables", "security_groups", "internet_gateways")
    found: dict[str, Any] = {
        kind: getattr(ec2, f"describe_{kind}")(Filters=tagged(stack)) for kind in lists
    }
    families = ecs.list_task_definitions(familyPrefix=f"{stack}-task-alpine-3")
    arns = [f"{stack}-task", *families["taskDefinitionArns"]]
    found["definitions"] = [
        ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"]) for arn in arns
    ]
    cluster = f"{stack}-cluster"
    found["cluster"] = ecs.describe_clusters(clusters=[cluster], include=["TAGS", "SETTINGS"])
    found["tasks"] = ecs.list_tasks(cluster=cluster, desiredStatus="RUNNING")["taskArns"]
    for name in ("lambda-role", "task-role", "task-execution-role"):
        role = {"RoleName": f"{stack}-{name}"}
        policies = iam.list_role_policies(**role)["PolicyNames"]
        found[name] = (
            iam.get_role(**role),
            [iam.get_role_policy(**role, PolicyName=policy) for policy in policies],
        )
    found["function"] = of("lambda").get_function(FunctionName=f"{stack}-orchestrator")
    found["its policy"] = of("lambda").get_policy(FunctionName=f"{stack}-orchestrator")
    found["rule"] = of("events").describe_rule(Name=f"{stack}-task-state")
    found["targets"] = of("events").list_targets_by_rule(Rule=f"{stack}-task-state")
    found["records"] = of("dynamodb").scan(TableName=f"{stack}-executions")
    found["table"] = of("dynamodb").describe_table(TableName=f"{stack}-executions")
    found["parameter"] = of("ssm").get_parameters_by_path(
        Path=f"/mycli/{stack}", WithDecryption=True
    )
    found["secret"] = of("secretsmanager").get_secret_value(SecretId=secret_name(stack, HOST))
    found["repository"] = of("ecr").describe_repositories(repositoryNames=[f"{stack}/api"])
    for group in (f"/aws/mycli/{stack}", f"/aws/lambda/{stack}-orchestrator"):
        found[group] = logs.describe_log_groups(logGroupNamePrefix=group)
        found[f"streams of {group}"] = logs.describe_log_streams(logGroupName=group)
    gateway = of("apigateway")
    [api] = [api for api in gateway.get_rest_apis()["items"] if api["name"] == f"{stack}-api"]
    found["api"] = api
    for kind in ("resources", "deployments", "stages"):
        found[kind] = getattr(gateway, f"get_{kind}")(restApiId=api["id"])
    return json.loads(json.dumps(found, default=str, sort_keys=True), object_hook=_lasting)


def _lasting(answer: dict[str, Any]) -> dict[str, Any]:
    answer.pop("ResponseMetadata", None)
    return answer


def test_one_is_destroyed_and_the_other_is_as_it_was(cloud: Cloud) -> None:
    seen: set[str] = set()
    with by_its_operator(cloud, "mycli", seen):
        Stack("mycli").up(Settings(credentials={"github_token": TOKEN}, registries=LOGIN))
    with by_its_operator(cloud, "other", seen):
        Stack("other").up(Settings(credentials={"gitlab_token": TOKEN}, registries=LOGIN))
    for stack in ("mycli", "other"):
        live_in(cloud, stack)
    with by_its_operator(cloud, "mycli", seen):
        Stack("mycli").up(Settings(credentials={"github_token": ""}, default_image="alpine:3"))
    before = everything(cloud, "other")
    assert before == everything(cloud, "other")

    another = cloud.home("another")  # a machine that knows of no stack
    with by_its_operator(cloud, "mycli", seen):
        gone = type_in(cloud, "destroy", stdin="y\n", home=another)
    assert gone.code == 0, gone
    assert "1 running execution would be stopped" in gone.err
    assert "1 repository of built images would go: mycli/api" in gone.err
    assert "Deleted 1 repository of built images" in gone.err
    assert "nothing of the stack is left" in gone.out
    assert everything(cloud, "other") == before
    assert len(cloud.has()["buckets"]) == 1
    assert PARAMETER in cloud.has()["parameters"]
    assert len(cloud.has()["clusters"]) == 1

    with by_its_operator(cloud, "other", seen):
        gone = type_in(cloud, "destroy", "--stack-name", "other", "--force", home=another)
    assert gone.code == 0, gone
    assert "Deleted the bucket" in gone.err
    assert cloud.has() == {}
    may = actions(operator_policy("aws", cloud.account.account_id, REGION, "mycli"))
    assert may - seen == set[str]().union(*NEVER_SEEN.values())
