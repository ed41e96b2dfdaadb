"""The stack's IAM documents, as pure functions of ARNs: every action that is called, nothing else.

Each action stands on the narrowest resource that the Service Authorization Reference lists for it:
https://docs.aws.amazon.com/service-authorization/latest/reference/
The task role has no document: a task may do nothing in the account.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Document = dict[str, Any]
Condition = Mapping[str, Mapping[str, str]]

TABLE_INDEXES = ("by-month", "by-task", "by-task-definition")
TASK_STREAMS = "task/executor/*"  # awslogs: stream prefix, container, task id

_PULLS = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
_PUSHES = [
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
]
# Each built image has a repository, made when it is first pushed.
_REPOSITORIES = [
    "ecr:CreateRepository",
    "ecr:DescribeImages",
    "ecr:DescribeRepositories",
    "ecr:ListTagsForResource",
    "ecr:PutLifecyclePolicy",
    "ecr:TagResource",
]


def trust(service: str) -> Document:
    """Who may take on a role: one AWS service, such as `lambda.amazonaws.com`."""
    principal = {"Service": service}
    return _document([{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}])


def function_policy(
    *, stack: str, cluster: str, table: str, task_logs: str, own_logs: str, task_roles: list[str]
) -> Document:
    """What the orchestrator may do.

    All but `stack` are ARNs; those of the log groups without a `:*` at the end. task_roles: the
    roles that a task definition names.
    """
    tasks = cluster.replace(":cluster/", ":task/") + "/*"
    _, partition, _, region, account, _ = cluster.split(":")
    repositories = f"arn:{partition}:ecr:{region}:{account}:repository/{stack}/*"
    # One family for each image. The template itself, `{stack}-task`, is only copied from.
    task_definitions = f"{cluster.partition(':cluster/')[0]}:task-definition/{stack}-task-*:*"
    in_this_cluster = {"ArnEquals": {"ecs:cluster": cluster}}
    return _document(
        [
            _write_logs(own_logs, "*"),
            _allow(
                # A transaction needs the rights of the writes and checks in it, none of its own.
                [
                    "dynamodb:ConditionCheckItem",
                    "dynamodb:DeleteItem",
                    "dynamodb:GetItem",
                    "dynamodb:PutItem",
                    "dynamodb:UpdateItem",
                ],
                [table],
            ),
            _allow(["dynamodb:Query"], [f"{table}/index/{index}" for index in TABLE_INDEXES]),
            _allow(["logs:GetLogEvents"], [f"{task_logs}:log-stream:{TASK_STREAMS}"]),
            _allow(["ecs:RunTask"], [task_definitions], in_this_cluster),
            _allow(["ecs:DescribeTasks", "ecs:StopTask"], [tasks]),
            # ListTasks has no resource but a container instance, and Fargate has none: the
            # cluster is named by the condition alone.
            _allow(["ecs:ListTasks"], ["*"], in_this_cluster),
            _allow(
                [
                    # The reference lists no resource for these. What keeps the function from
                    # deregistering another's is its own look at the tag (orchestrator/removal.py).
                    "ecs:DeregisterTaskDefinition",
                    "ecs:DescribeTaskDefinition",
                    "ecs:ListTaskDefinitionFamilies",
                    "ecs:ListTaskDefinitions",
                ],
                ["*"],
            ),
            _allow(["ecs:DeleteTaskDefinitions", "ecs:RegisterTaskDefinition"], [task_definitions]),
            _allow_tags_on("RunTask", tasks),
            _allow_tags_on("RegisterTaskDefinition", task_definitions),
            _allow(
                # With RegisterTaskDefinition and RunTask, a wider PassRole would be a way to any
                # role in the account.
                ["iam:PassRole"],
                task_roles,
                {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
            ),
            _allow(["ecr:GetAuthorizationToken"], ["*"]),  # the reference lists no resource
            # Also what whoever holds such a token may do, as docker or podman: nothing is deleted.
            _allow([*_PULLS, *_PUSHES, *_REPOSITORIES], [repositories]),
        ]
    )


def execution_policy(*, task_logs: str, parameters: list[str], logins: list[str]) -> Document:
    """What ECS may do to start a task: pull its image, write its log, read its credentials.

    task_logs: the log group's ARN, without a `:*` at the end. parameters: ARNs of SecureStrings,
    for git. logins: ARNs of secrets, for registries. All are under the AWS managed keys, which need
    no kms:Decrypt (only a customer's own key does):
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/private-auth.html
    """
    _, partition, _, _, account, *_ = task_logs.split(":")
    repositories = f"arn:{partition}:ecr:*:{account}:repository/*"
    return _document(
        [
            _allow(["ecr:GetAuthorizationToken"], ["*"]),  # the reference lists no resource
            _allow(_PULLS, [repositories]),
            _write_logs(task_logs, TASK_STREAMS),
            *([_allow(["ssm:GetParameters"], parameters)] if parameters else []),
            *([_allow(["secretsmanager:GetSecretValue"], logins)] if logins else []),
        ]
    )


def _write_logs(log_group: str, streams: str) -> Document:
    # Without CreateLogGroup: a late line must not make a log group anew that destroy has removed.
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    return _allow(actions, [f"{log_group}:log-stream:{streams}"])


def _allow_tags_on(create_action: str, resource: str) -> Document:
    """Tags given with the call that makes the resource; none on what is there already."""
    only_then = {"StringEquals": {"ecs:CreateAction": create_action}}
    return _allow(["ecs:TagResource"], [resource], only_then)


def _allow(
    actions: list[str], resources: list[str], condition: Condition | None = None
) -> Document:
    statement: Document = {"Effect": "Allow", "Action": actions, "Resource": resources}
    return statement | ({"Condition": condition} if condition else {})


def _document(statements: list[Document]) -> Document:
    return {"Version": "2012-10-17", "Statement": statements}
