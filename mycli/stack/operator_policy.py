"""What the person needs who runs init, update, destroy, configure, credentials and doctor.

More than mycli itself calls: the engine's AWS provider reads, after each create and before each
update, all that a resource could have (`vendor` below). Each action stands on the narrowest
resource that the Service Authorization Reference lists for it, and where AWS draws the id, on what
carries the stack's tag. Nothing is needed of KMS: the keys in use are AWS managed ones, whose own
policies let the account's users of SSM and S3 in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mycli.stack.names import STACK_TAG
from mycli.stack.policies import Document
from mycli.stack.state_bucket import PARAMETER, bucket_name

Condition = Mapping[str, Mapping[str, Any]]
Arn = Callable[[str, str], str]  # of a service's resource in this account and region

# White space not counted:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MAX_MANAGED_CHARACTERS = 6144
MAX_ROLE_CHARACTERS = 10240

# What AWS draws the ids of, by the call that makes it: it may be made only with the stack's tag.
_NETWORK = {
    "CreateInternetGateway": "internet-gateway",
    "CreateRouteTable": "route-table",
    "CreateSecurityGroup": "security-group",
    "CreateSubnet": "subnet",
    "CreateVpc": "vpc",
}


def operator_policy(partition: str, account: str, region: str, stack_name: str) -> Document:
    """All of it in one document: fit to be the inline policy of a role, which takes 10,240
    characters. A managed policy takes 6,144: see managed_policies.

    partition: `aws`, `aws-cn` or `aws-us-gov`. Of sts:GetCallerIdentity nothing stands here: it
    needs no permission.
    """
    halves = managed_policies(partition, account, region, stack_name)
    return _document([statement for half in halves for statement in half["Statement"]])


def managed_policies(
    partition: str, account: str, region: str, stack_name: str
) -> tuple[Document, Document]:
    """The same in two documents, each of which fits a managed policy; both are to be attached."""

    def arn(service: str, resource: str) -> str:
        return f"arn:{partition}:{service}:{region}:{account}:{resource}"

    bucket = bucket_name(account, region)
    foundation = [
        *_network(arn, stack_name),
        *_roles(f"arn:{partition}:iam::{account}:role", stack_name),
        *_state(f"arn:{partition}:s3:::{bucket}", arn("ssm", f"parameter{PARAMETER}")),
        _allow("tag", ["GetResources"], ["*"]),  # what a stack has left is found by its tag
    ]
    house = [
        *_tasks(arn, stack_name),
        *_data(arn, stack_name),
        *_images(arn, stack_name),
        *_function(arn, f"arn:{partition}:apigateway:{region}::", stack_name),
    ]
    return _document(foundation), _document(house)


def _network(arn: Arn, stack: str) -> list[Document]:
    made = [arn("ec2", f"{kind}/*") for kind in _NETWORK.values()]
    vpcs = arn("ec2", "vpc/*")
    ours = {"StringEquals": {f"aws:ResourceTag/{STACK_TAG}": stack}}
    return [
        # The reference lists no resource for what describes.
        _allow(
            "ec2",
            [
                "DescribeAvailabilityZones",
                "DescribeInternetGateways",
                "DescribeNetworkAcls",  # vendor: a VPC's default one
                "DescribeNetworkInterfaces",  # vendor: what still hangs on a subnet or group
                "DescribeRouteTables",
                "DescribeSecurityGroups",
                "DescribeSubnets",
                "DescribeVpcs",
            ],
            ["*"],
        ),
        _allow("ec2", list(_NETWORK), made, _tagged(stack)),
        _allow("ec2", ["CreateTags"], made, {"StringEquals": {"ec2:CreateAction": list(_NETWORK)}}),
        # Subnets, route tables and groups are also judged by the VPC that they are made in.
        _allow("ec2", ["CreateRouteTable", "CreateSecurityGroup", "CreateSubnet"], [vpcs], ours),
        _allow(
            "ec2",
            [
                "AssociateRouteTable",
                "AttachInternetGateway",
                "AuthorizeSecurityGroupEgress",
                "CreateRoute",
                "CreateTags",
                "DeleteInternetGateway",
                "DeleteRoute",
                "DeleteRouteTable",
                "DeleteSecurityGroup",
                "DeleteSubnet",
                "DeleteTags",
                "DeleteVpc",
                "DescribeVpcAttribute",
                "DetachInternetGateway",
                "DisassociateRouteTable",
                "ModifySubnetAttribute",
                "ModifyVpcAttribute",
                "ReplaceRoute",
                "ReplaceRouteTableAssociation",
                "RevokeSecurityGroupEgress",  # vendor: AWS's own rule in a new group
            ],
            made,
            ours,
        ),
    ]


def _roles(roles: str, stack: str) -> list[Document]:
    function, *tasks = (
        f"{roles}/{stack}-{name}" for name in ("lambda-role", "task-role", "task-execution-role")
    )
    ecs = f"{roles}/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS"
    return [
        _allow(
            "iam",
            [
                "CreateRole",
                "DeleteRole",
                "DeleteRolePolicy",
                "DetachRolePolicy",  # what users gave the task role must not keep it from going
                "GetRole",
                "GetRolePolicy",
                "ListAttachedRolePolicies",  # vendor
                "ListInstanceProfilesForRole",  # vendor: before it deletes a role
                "ListRolePolicies",  # vendor
                "PutRolePolicy",
                "TagRole",
                "UntagRole",
                "UpdateAssumeRolePolicy",
            ],
            [function, *tasks],
        ),
        _allow("iam", ["PassRole"], [function], _passed_to("lambda.amazonaws.com")),
        _allow("iam", ["PassRole"], tasks, _passed_to("ecs-tasks.amazonaws.com")),
        # The first cluster of an account makes it:
        # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles.html
        _allow(
            "iam",
            ["CreateServiceLinkedRole"],
            [ecs],
            {"StringEquals": {"iam:AWSServiceName": "ecs.amazonaws.com"}},
        ),
    ]


def _tasks(arn: Arn, stack: str) -> list[Document]:
    cluster = arn("ecs", f"cluster/{stack}-cluster")
    definitions = [arn("ecs", f"task-definition/{stack}-task{end}:*") for end in ("", "-*")]
    return [
        _allow(
            "ecs",
            ["CreateCluster", "DeleteCluster", "DescribeClusters", "PutClusterCapacityProviders"],
            [cluster],
        ),
        _allow(
            "ecs",
            ["ListTagsForResource", "TagResource", "UntagResource"],  # vendor lists
            [cluster, *definitions],
        ),
        _allow("ecs", ["DeleteTaskDefinitions", "RegisterTaskDefinition"], definitions),
        # The reference lists no resource for these.
        _allow(
            "ecs",
            [
                "DeregisterTaskDefinition",
                "DescribeTaskDefinition",
                "ListTaskDefinitionFamilies",
                "ListTaskDefinitions",
            ],
            ["*"],
        ),
        # Destroy stops what runs. ListTasks has no resource that Fargate has, only the condition.
        _allow("ecs", ["ListTasks"], ["*"], {"ArnEquals": {"ecs:cluster": cluster}}),
        _allow(
            "ecs", ["DescribeTasks", "StopTask"], [cluster.replace(":cluster/", ":task/") + "/*"]
        ),
    ]


def _data(arn: Arn, stack: str) -> list[Document]:
    groups = [
        arn("logs", f"log-group:{name}{end}")
        for name in (f"/aws/mycli/{stack}", f"/aws/lambda/{stack}-orchestrator")
        for end in ("", ":*")  # AWS judges some calls by the one form and some by the other
    ]
    return [
        _allow(
            "logs",
            [
                "CreateLogGroup",
                "DeleteLogGroup",
                "FilterLogEvents",  # doctor: the function's last errors
                "ListTagsForResource",
                "PutRetentionPolicy",
                "TagResource",
                "UntagResource",
            ],
            groups,
        ),
        _allow("logs", ["DescribeLogGroups"], ["*"]),
        _allow(
            "dynamodb",
            [
                "CreateTable",
                "DeleteItem",  # init lets executions in again
                "DeleteTable",
                "DescribeContinuousBackups",  # vendor
                "DescribeTable",
                "DescribeTimeToLive",
                "ListTagsOfResource",
                "PutItem",  # destroy lets none in any more
                "Scan",  # and waits for those that it had let in
                "TagResource",
                "UntagResource",
                "UpdateTable",
                "UpdateTimeToLive",
            ],
            [arn("dynamodb", f"table/{stack}-executions")],
        ),
        _allow(
            "ssm",
            [
                "AddTagsToResource",
                "DeleteParameter",
                "GetParameter",
                "ListTagsForResource",
                "PutParameter",
                "RemoveTagsFromResource",
            ],
            [arn("ssm", f"parameter/mycli/{stack}/*")],
        ),
        _allow("ssm", ["DescribeParameters"], ["*"]),  # vendor
    ]


def _images(arn: Arn, stack: str) -> list[Document]:
    """The logins to private registries, and the stack's own repositories, which the function makes
    and destroy deletes.
    """
    return [
        _allow(
            "secretsmanager",
            [
                "CreateSecret",
                "DeleteSecret",
                "DescribeSecret",
                "GetResourcePolicy",  # vendor
                "GetSecretValue",
                "PutSecretValue",
                "TagResource",
                "UntagResource",
                "UpdateSecret",
                "UpdateSecretVersionStage",  # vendor: when it deletes an old version
            ],
            [arn("secretsmanager", f"secret:mycli/{stack}/registry/*")],
        ),
        # To find those of the stack among them, all are listed.
        _allow("ecr", ["DescribeRepositories"], [arn("ecr", "repository/*")]),
        _allow(
            "ecr",
            ["DeleteRepository", "ListTagsForResource"],
            [arn("ecr", f"repository/{stack}/*")],
        ),
    ]


def _function(arn: Arn, api: str, stack: str) -> list[Document]:
    return [
        _allow(
            "lambda",
            [
                "AddPermission",
                "CreateFunction",
                "DeleteFunction",
                "GetFunction",
                "GetFunctionCodeSigningConfig",  # vendor
                "GetFunctionConfiguration",
                "GetPolicy",
                "ListTags",  # GetFunction leaves the tags out without it
                "ListVersionsByFunction",  # vendor
                "RemovePermission",
                "TagResource",
                "UntagResource",
                "UpdateFunctionCode",
                "UpdateFunctionConfiguration",
            ],
            [arn("lambda", f"function:{stack}-orchestrator")],
        ),
        _allow(
            "events",
            [
                "DeleteRule",
                "DescribeRule",
                "ListTagsForResource",
                "ListTargetsByRule",
                "PutRule",
                "PutTargets",
                "RemoveTargets",
                "TagResource",
                "UntagResource",
            ],
            [arn("events", f"rule/{stack}-task-state")],
        ),
        # Its actions are HTTP's methods, and its ids are drawn by AWS. Tags have a path of their
        # own, by which a tagged API or stage is judged, too, when it is made.
        _allow(
            "apigateway",
            ["DELETE", "GET", "PATCH", "POST", "PUT"],
            [f"{api}/restapis", f"{api}/restapis/*", f"{api}/tags/*"],
        ),
    ]


def _state(bucket: str, parameter: str) -> list[Document]:
    """Pulumi's state, where it is kept in the account: made by the first init, gone with the last
    stack.
    """
    return [
        _allow(
            "s3",
            [
                "CreateBucket",
                "DeleteBucket",
                "ListBucket",
                "ListBucketVersions",
                "PutBucketPolicy",
                "PutBucketPublicAccessBlock",
                "PutBucketTagging",
                "PutBucketVersioning",
                "PutEncryptionConfiguration",
            ],
            [bucket],
        ),
        _allow(
            "s3",
            ["DeleteObject", "DeleteObjectVersion", "GetObject", "PutObject"],
            [f"{bucket}/*"],
        ),
        _allow(
            "ssm",
            ["AddTagsToResource", "DeleteParameter", "GetParameter", "PutParameter"],
            [parameter],
        ),
    ]


def _document(statements: list[Document]) -> Document:
    return {"Version": "2012-10-17", "Statement": statements}


def _tagged(stack: str) -> Condition:
    return {"StringEquals": {f"aws:RequestTag/{STACK_TAG}": stack}}


def _passed_to(service: str) -> Condition:
    return {"StringEquals": {"iam:PassedToService": service}}


def _allow(
    service: str,
    actions: list[str],
    resources: list[str],
    condition: Condition | None = None,
) -> Document:
    named = [f"{service}:{action}" for action in actions]
    statement: Document = {"Effect": "Allow", "Action": named, "Resource": resources}
    return statement | ({"Condition": condition} if condition else {})
