"""What a stack that was destroyed has left in the account, if anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from mycli.stack.names import STACK_TAG

Clients = Callable[[str], Any]

# What AWS draws the ids of, by its kind in an ARN: the call, the list and the id in the answer.
_NETWORK = {
    "internet-gateway": ("internet_gateways", "InternetGateways", "InternetGatewayId"),
    "route-table": ("route_tables", "RouteTables", "RouteTableId"),
    "security-group": ("security_groups", "SecurityGroups", "GroupId"),
    "subnet": ("subnets", "Subnets", "SubnetId"),
    "vpc": ("vpcs", "Vpcs", "VpcId"),
}
_GONE = (
    "NoSuchEntity",
    "NotFoundException",
    "RepositoryNotFoundException",
    "ResourceNotFoundException",
)


def find_leftovers(clients: Clients, stack_name: str) -> list[str]:
    """ARNs of what still carries the stack's tag, and of its log groups and roles.

    clients: a service's name -> its boto3 client. Not those of tasks and task definitions: ECS
    shows what has ended or is deleted for a while, and destroy counts them by itself.
    """
    index = clients("resourcegroupstaggingapi").get_paginator("get_resources")
    pages = index.paginate(TagFilters=[{"Key": STACK_TAG, "Values": [stack_name]}])
    arns = {found["ResourceARN"] for page in pages for found in page["ResourceTagMappingList"]}
    there = {arn for arn in arns if _is_there(clients, arn)}
    return sorted(there | {*_log_groups(clients, stack_name), *_roles(clients, stack_name)})


def _is_there(clients: Clients, arn: str) -> bool:
    """Ask the service itself: AWS's index of tags shows for minutes what is gone."""
    service, resource = arn.split(":", 5)[2::3]
    kind, _, name = resource.replace(":", "/", 1).partition("/")
    if service == "ec2" and kind in _NETWORK:
        calls, listed, id = _NETWORK[kind]
        filter_name = "group-id" if kind == "security-group" else f"{kind}-id"
        only = [{"Name": filter_name, "Values": [name]}]
        found = getattr(clients("ec2"), f"describe_{calls}")(Filters=only)
        return any(item[id] == name for item in found[listed])
    asks: dict[tuple[str, str], Callable[[], Any]] = {
        ("apigateway", ""): lambda: clients("apigateway").get_rest_api(restApiId=_api_id(name)),
        ("dynamodb", "table"): lambda: clients("dynamodb").describe_table(TableName=name),
        ("ecs", "cluster"): lambda: _is_active(clients("ecs"), name),
        ("ecr", "repository"): lambda: clients("ecr").describe_repositories(repositoryNames=[name]),
        ("events", "rule"): lambda: clients("events").describe_rule(Name=name),
        ("lambda", "function"): lambda: clients("lambda").get_function(FunctionName=name),
        ("logs", "log-group"): lambda: list(_log_group(clients("logs"), name)),
        ("secretsmanager", "secret"): lambda: _is_kept(clients("secretsmanager"), arn),
        ("ssm", "parameter"): lambda: _has_parameter(clients("ssm"), name),
    }
    if (service, kind) in asks:
        return bool(_answer(asks[service, kind]))
    return service != "ecs"


def _api_id(path: str) -> str:
    """Of `restapis/a1b2/stages/prod`: a1b2."""
    return path.split("/")[1]


def _is_active(ecs: Any, cluster: str) -> bool:
    found = ecs.describe_clusters(clusters=[cluster])["clusters"]
    return any(item["status"] != "INACTIVE" for item in found)


def _is_kept(secrets: Any, arn: str) -> bool:
    return "DeletedDate" not in secrets.describe_secret(SecretId=arn)


def _has_parameter(ssm: Any, name: str) -> bool:
    names = [{"Key": "Name", "Values": [name, f"/{name}"]}]  # the ARN of /a/b ends in parameter/a/b
    return bool(ssm.describe_parameters(ParameterFilters=names)["Parameters"])


def _log_groups(clients: Clients, stack_name: str) -> Iterator[str]:
    for name in (f"/aws/mycli/{stack_name}", f"/aws/lambda/{stack_name}-orchestrator"):
        yield from _log_group(clients("logs"), name)


def _log_group(logs: Any, name: str) -> Iterator[str]:
    """The ARN of the log group, if it is there, as the index has it."""
    groups = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    yield from (
        group["arn"].removesuffix(":*") for group in groups if group["logGroupName"] == name
    )


def _roles(clients: Clients, stack_name: str) -> Iterator[str]:
    """Roles are in no index of tags."""
    for name in ("lambda-role", "task-execution-role", "task-role"):
        role_name = f"{stack_name}-{name}"
        found = _answer(lambda role_name=role_name: clients("iam").get_role(RoleName=role_name))
        if found:
            yield found["Role"]["Arn"]


def _answer(ask: Callable[[], Any]) -> Any:
    """None where the service does not know what it is asked for."""
    from botocore.exceptions import ClientError

    try:
        return ask()
    except ClientError as error:
        if error.response["Error"]["Code"] in _GONE:
            return None
        raise
