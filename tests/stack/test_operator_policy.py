"""What the operator may do: enough for mycli and for the vendor's provider, and nothing else."""

from __future__ import annotations

import json
import re
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import UnknownServiceError

from mycli.stack.operator_policy import (
    MAX_MANAGED_CHARACTERS,
    MAX_ROLE_CHARACTERS,
    managed_policies,
    operator_policy,
)
from mycli.stack.state_bucket import PARAMETER, Bucket
from tests.iam import actions, allows, grants

from .conftest import Declare

ACCOUNT, REGION = "123456789012", "eu-west-1"
POLICY = operator_policy("aws", ACCOUNT, REGION, "mycli")
EC2 = f"arn:aws:ec2:{REGION}:{ACCOUNT}"
ECS = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
ECR = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository"
SECRETS = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret"
ROLES = f"arn:aws:iam::{ACCOUNT}:role"
OURS = {"aws:ResourceTag/mycli:stack": "mycli"}
THEIRS = {"aws:ResourceTag/mycli:stack": "other"}


def named(service: str, names: str) -> set[str]:
    return {f"{service}:{name}" for name in names.split()}


TAGS = named("ec2", "CreateTags DeleteTags")
INVOKE = named("lambda", "AddPermission GetPolicy RemovePermission")
API = named("apigateway", "DELETE GET PATCH POST PUT")

# By resource type: what the AWS provider calls to create, read, update and delete it, for the
# properties that the program sets. Read in its source, under internal/service/.
VENDOR: dict[str, set[str]] = {
    "Vpc": TAGS
    | named(
        "ec2",
        "CreateVpc DeleteVpc DescribeVpcs DescribeVpcAttribute ModifyVpcAttribute "
        # A VPC shows the ids of its default ACL, route table and security group.
        "DescribeNetworkAcls DescribeRouteTables DescribeSecurityGroups",
    ),
    "InternetGateway": TAGS
    | named(
        "ec2",
        "CreateInternetGateway DeleteInternetGateway DescribeInternetGateways "
        "AttachInternetGateway DetachInternetGateway",
    ),
    "RouteTable": TAGS
    | named("ec2", "CreateRouteTable DeleteRouteTable DescribeRouteTables DisassociateRouteTable"),
    "Route": named("ec2", "CreateRoute DeleteRoute DescribeRouteTables ReplaceRoute"),
    "Subnet": TAGS
    | named(
        "ec2",
        "CreateSubnet DeleteSubnet DescribeSubnets ModifySubnetAttribute "
        "DescribeNetworkInterfaces",  # those that keep a subnet from being deleted
    ),
    "RouteTableAssociation": named(
        "ec2",
        "AssociateRouteTable DescribeRouteTables DisassociateRouteTable "
        "ReplaceRouteTableAssociation",
    ),
    "SecurityGroup": TAGS
    | named(
        "ec2",
        "CreateSecurityGroup DeleteSecurityGroup DescribeSecurityGroups "
        "AuthorizeSecurityGroupEgress RevokeSecurityGroupEgress DescribeNetworkInterfaces",
    ),
    "Cluster": named(
        "ecs",
        "CreateCluster DeleteCluster DescribeClusters ListTagsForResource TagResource "
        "UntagResource",
    )
    | {"iam:CreateServiceLinkedRole"},
    "ClusterCapacityProviders": named("ecs", "PutClusterCapacityProviders DescribeClusters"),
    "TaskDefinition": named(
        "ecs",
        "RegisterTaskDefinition DeregisterTaskDefinition DescribeTaskDefinition "
        "ListTagsForResource TagResource UntagResource",
    )
    | {"iam:PassRole"},
    "LogGroup": named(
        "logs",
        "CreateLogGroup DeleteLogGroup DescribeLogGroups PutRetentionPolicy ListTagsForResource "
        "TagResource UntagResource",
    ),
    "Table": named(
        "dynamodb",
        "CreateTable DeleteTable DescribeTable UpdateTable DescribeContinuousBackups "
        "DescribeTimeToLive UpdateTimeToLive ListTagsOfResource TagResource UntagResource",
    ),
    "Role": named(
        "iam",
        "CreateRole DeleteRole GetRole UpdateAssumeRolePolicy TagRole UntagRole ListRolePolicies "
        "GetRolePolicy ListAttachedRolePolicies ListInstanceProfilesForRole "
        "DetachRolePolicy DeleteRolePolicy",  # force_detach_policies
    ),
    "RolePolicy": named("iam", "PutRolePolicy GetRolePolicy DeleteRolePolicy"),
    "Parameter": named(
        "ssm",
        "PutParameter GetParameter DeleteParameter DescribeParameters ListTagsForResource "
        "AddTagsToResource RemoveTagsFromResource",
    ),
    "Function": named(
        "lambda",
        "CreateFunction DeleteFunction GetFunction GetFunctionConfiguration UpdateFunctionCode "
        "UpdateFunctionConfiguration ListVersionsByFunction GetFunctionCodeSigningConfig "
        "ListTags TagResource UntagResource",
    )
    | {"iam:PassRole"},
    "Secret": named(
        "secretsmanager",
        "CreateSecret DeleteSecret DescribeSecret GetResourcePolicy UpdateSecret TagResource "
        "UntagResource",
    ),
    "SecretVersion": named(
        "secretsmanager", "PutSecretValue GetSecretValue UpdateSecretVersionStage"
    ),
    "Permission": INVOKE,
    "EventRule": named(
        "events",
        "PutRule DescribeRule DeleteRule ListTagsForResource TagResource UntagResource",
    ),
    "EventTarget": named("events", "PutTargets ListTargetsByRule RemoveTargets"),
    "RestApi": API,
    "Resource": API,
    "Method": API,
    "Integration": API,
    "Deployment": API,
    "Stage": API,
    "MethodSettings": API,
}
# What mycli itself calls besides, and why.
OWN: dict[str, set[str]] = {
    "the zones that subnets are in": {"ec2:DescribeAvailabilityZones"},
    "executions are refused, waited for, or let in again": named(
        "dynamodb", "PutItem DeleteItem Scan"
    ),
    "tasks are stopped": named("ecs", "ListTasks DescribeTasks StopTask"),
    "task definitions are pruned": named(
        "ecs",
        "ListTaskDefinitionFamilies ListTaskDefinitions DescribeTaskDefinition "
        "DeregisterTaskDefinition DeleteTaskDefinitions",
    ),
    "repositories of built images are deleted": named(
        "ecr", "DescribeRepositories ListTagsForResource DeleteRepository"
    ),
    "registry logins that stay": {"secretsmanager:GetSecretValue"},
    "leftovers": {"tag:GetResources", "logs:DescribeLogGroups"},
    "git credentials that stay, and the passphrase": {"ssm:GetParameter"},
    "configure and doctor": {"apigateway:GET", "logs:FilterLogEvents"},
    "the state's bucket": named(
        "s3",
        "CreateBucket DeleteBucket ListBucket ListBucketVersions "
        "PutBucketPolicy PutBucketPublicAccessBlock PutBucketTagging PutBucketVersioning "
        "PutEncryptionConfiguration DeleteObject DeleteObjectVersion GetObject PutObject",
    ),
}
# The reference lists no resource for these; for ListTasks one that Fargate has not.
ON_EVERYTHING = {
    "ecs:DeregisterTaskDefinition",
    "ecs:DescribeTaskDefinition",
    "ecs:ListTaskDefinitionFamilies",
    "ecs:ListTaskDefinitions",
    "ecs:ListTasks",
    "logs:DescribeLogGroups",
    "ssm:DescribeParameters",
    "tag:GetResources",
    *named(
        "ec2",
        "DescribeAvailabilityZones DescribeInternetGateways DescribeNetworkAcls "
        "DescribeNetworkInterfaces DescribeRouteTables DescribeSecurityGroups DescribeSubnets "
        "DescribeVpcs",
    ),
}
# IAM's own names, where they are not those of the operations.
NO_OPERATION = {
    "iam:PassRole",
    "s3:ListBucket",
    "s3:ListBucketVersions",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutEncryptionConfiguration",
    "s3:DeleteObjectVersion",
}


def test_each_kind_of_resource_is_thought_of(declare: Declare) -> None:
    """Also of a stack with git credentials and a registry's login."""
    login = json.dumps({"ghcr.io": {"username": "me", "password": "a token"}})
    declared = declare(github_token="a token", registry_credentials=login)["resources"]
    assert {key.partition(":")[0] for key in declared} == set(VENDOR)


def test_it_allows_what_is_called_and_nothing_else() -> None:
    needed = set[str]().union(*VENDOR.values(), *OWN.values())
    assert actions(POLICY) == needed


def test_each_action_exists() -> None:
    session: Any = botocore.session.get_session()
    for action in actions(POLICY) - NO_OPERATION:
        service, _, name = action.partition(":")
        if service == "apigateway":
            assert name in {"DELETE", "GET", "PATCH", "POST", "PUT"}
            continue
        try:
            model = session.get_service_model(service)
        except UnknownServiceError:
            model = session.get_service_model("resourcegroupstaggingapi")
        assert name in model.operation_names, action


def test_each_action_stands_on_the_stacks_own_where_it_can() -> None:
    for action, resource in grants(POLICY):
        if resource == "*":
            assert action in ON_EVERYTHING
        else:
            assert action not in ON_EVERYTHING, action
            assert re.match(r"arn:aws:[a-z0-9]+:[a-z0-9-]*:\d*:", resource)
    drawn_by_aws = rf"{EC2}:[a-z-]+/\*|arn:aws:apigateway:{REGION}::/(restapis(/\*)?|tags/\*)"
    for action, resource in grants(POLICY):
        named = re.search(r"[:/]mycli[-/]|/mycli(:\*)?$|AWSServiceRoleForECS$", resource)
        if resource == f"{ECR}/*":  # all are listed, to find those of the stack
            named = named or re.fullmatch("ecr:DescribeRepositories", action)
        assert resource == "*" or named or re.fullmatch(drawn_by_aws, resource), resource


def test_no_statement_is_more_than_an_allow() -> None:
    for statement in POLICY["Statement"]:
        assert set(statement) - {"Condition"} == {"Effect", "Action", "Resource"}
        assert statement["Effect"] == "Allow"
        assert not any("*" in action for action in statement["Action"])


def test_it_fits_where_policies_go() -> None:
    longest = ("aws-us-gov", ACCOUNT, "ap-southeast-2", "a" * 24)

    def size(document: dict[str, Any]) -> int:
        return len(json.dumps(document, separators=(",", ":")))

    halves = managed_policies(*longest)
    assert all(size(half) <= MAX_MANAGED_CHARACTERS for half in halves)
    assert size(operator_policy(*longest)) <= MAX_ROLE_CHARACTERS
    together = [statement for half in halves for statement in half["Statement"]]
    assert operator_policy(*longest)["Statement"] == together


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("ec2:DeleteVpc", "vpc"),
        ("ec2:CreateSubnet", "vpc"),
        ("ec2:CreateTags", "subnet"),
        ("ec2:CreateRoute", "route-table"),
        ("ec2:DeleteSecurityGroup", "security-group"),
        ("ec2:DetachInternetGateway", "internet-gateway"),
    ],
)
def test_of_the_network_only_what_carries_the_stacks_tag(action: str, kind: str) -> None:
    resource = f"{EC2}:{kind}/{kind}-0123456789"
    assert allows(POLICY, action, resource, OURS)
    assert not allows(POLICY, action, resource, THEIRS)
    assert not allows(POLICY, action, resource)


def test_the_network_is_made_with_the_stacks_tag_or_not_at_all() -> None:
    for action, kind in (("CreateVpc", "vpc"), ("CreateSecurityGroup", "security-group")):
        resource = f"{EC2}:{kind}/*"
        assert allows(POLICY, f"ec2:{action}", resource, {"aws:RequestTag/mycli:stack": "mycli"})
        assert not allows(
            POLICY, f"ec2:{action}", resource, {"aws:RequestTag/mycli:stack": "other"}
        )
        assert allows(POLICY, "ec2:CreateTags", resource, {"ec2:CreateAction": action})
        assert not allows(POLICY, "ec2:CreateTags", resource, {"ec2:CreateAction": "RunInstances"})


def test_roles_are_passed_only_to_whom_they_are_for() -> None:
    def passes(role: str, service: str) -> bool:
        return allows(POLICY, "iam:PassRole", f"{ROLES}/{role}", {"iam:PassedToService": service})

    for role in ("mycli-task-role", "mycli-task-execution-role"):
        assert passes(role, "ecs-tasks.amazonaws.com")
        assert not passes(role, "lambda.amazonaws.com")
    assert passes("mycli-lambda-role", "lambda.amazonaws.com")
    assert not passes("mycli-lambda-role", "ecs-tasks.amazonaws.com")
    assert not passes("admin", "lambda.amazonaws.com")
    linked = f"{ROLES}/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
    make = "iam:CreateServiceLinkedRole"
    assert allows(POLICY, make, linked, {"iam:AWSServiceName": "ecs.amazonaws.com"})
    assert not allows(POLICY, make, linked, {"iam:AWSServiceName": "rds.amazonaws.com"})


@pytest.mark.parametrize(
    ("action", "ours", "theirs"),
    [
        ("iam:PutRolePolicy", f"{ROLES}/mycli-lambda-role", f"{ROLES}/admin"),
        ("ecs:DeleteCluster", f"{ECS}:cluster/mycli-cluster", f"{ECS}:cluster/other-cluster"),
        (
            "ecs:DeleteTaskDefinitions",
            f"{ECS}:task-definition/mycli-task-alpine:3",
            f"{ECS}:task-definition/mycli-taskforce:3",
        ),
        ("ecs:StopTask", f"{ECS}:task/mycli-cluster/01", f"{ECS}:task/other-cluster/01"),
        (
            "ssm:GetParameter",
            f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/mycli/mycli/github-token",
            f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/mycli/other/github-token",
        ),
        ("ecr:DeleteRepository", f"{ECR}/mycli/api", f"{ECR}/mycli-2/api"),
        (
            "secretsmanager:GetSecretValue",
            f"{SECRETS}:mycli/mycli/registry/ghcr.io-a1B2c3",
            f"{SECRETS}:mycli/other/registry/ghcr.io-a1B2c3",
        ),
        (
            "logs:DeleteLogGroup",
            f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/mycli/mycli:*",
            f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/aws/mycli/mycli-2:*",
        ),
        (
            "s3:GetObject",
            f"arn:aws:s3:::mycli-state-{ACCOUNT}-{REGION}/.pulumi/meta.yaml",
            f"arn:aws:s3:::mycli-state-{ACCOUNT}-us-east-1/.pulumi/meta.yaml",
        ),
    ],
)
def test_of_another_stack_nothing(action: str, ours: str, theirs: str) -> None:
    assert allows(POLICY, action, ours)
    assert not allows(POLICY, action, theirs)


def test_the_state_is_where_it_is_kept() -> None:
    bucket = Bucket(lambda _: None, account=ACCOUNT, region=REGION).name
    assert allows(POLICY, "s3:PutObject", f"arn:aws:s3:::{bucket}/.pulumi/stacks/mycli.json")
    parameter = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{PARAMETER}"
    for action in ("PutParameter", "AddTagsToResource", "GetParameter", "DeleteParameter"):
        assert allows(POLICY, f"ssm:{action}", parameter)


def test_arns_follow_the_partition() -> None:
    china = operator_policy("aws-cn", ACCOUNT, "cn-north-1", "mycli")
    arns = [resource for _, resource in grants(china) if resource != "*"]
    assert all(arn.startswith("arn:aws-cn:") for arn in arns)
