"""What is left in an AWS account of a stack that was destroyed, asked service by service.

On purpose nothing of mycli's own search for leftovers: this is what checks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Client = Callable[[str], Any]  # a service's name -> its boto3 client


def left(client: Client, stack: str) -> list[str]:
    """One line for each thing that still stands, by its name or its tag."""
    looks = (_by_name, _network, _tasks, _apis, _images, _tagged)
    return sorted({line for look in looks for line in look(client, stack)})


def state_bucket(client: Client) -> list[str]:
    """The bucket of Pulumi's state, if it is there: it goes with the last stack."""
    from botocore.exceptions import ClientError

    account = client("sts").get_caller_identity()["Account"]
    name = f"mycli-state-{account}-{client('s3').meta.region_name}"
    try:
        client("s3").head_bucket(Bucket=name, ExpectedBucketOwner=account)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return []
        raise
    return [f"s3: {name}"]


def _by_name(client: Client, stack: str) -> Iterator[str]:
    """What can be asked for by its name, and answers with an error where it is gone."""
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("lambda", "get_function", {"FunctionName": f"{stack}-orchestrator"}),
        ("dynamodb", "describe_table", {"TableName": f"{stack}-executions"}),
        ("events", "describe_rule", {"Name": f"{stack}-task-state"}),
        *(
            ("iam", "get_role", {"RoleName": f"{stack}-{role}"})
            for role in ("lambda-role", "task-role", "task-execution-role")
        ),
        *(
            ("ssm", "get_parameter", {"Name": f"/mycli/{stack}/{kind}"})
            for kind in ("github-token", "gitlab-token", "ssh-private-key")
        ),
        *(
            ("secretsmanager", "describe_secret", {"SecretId": f"mycli/{stack}/registry/{host}"})
            for host in ("docker.io", "ghcr.io")
        ),
    ]
    for service, operation, arguments in asked:
        if _answers(client(service), operation, arguments):
            yield f"{service}: {next(iter(arguments.values()))}"
    for name in (f"/aws/mycli/{stack}", f"/aws/lambda/{stack}-orchestrator"):
        groups = client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        if any(group["logGroupName"] == name for group in groups):
            yield f"logs: {name}"


def _answers(client: Any, operation: str, arguments: dict[str, Any]) -> bool:
    from botocore.exceptions import ClientError

    try:
        getattr(client, operation)(**arguments)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if "NotFound" in code or code == "NoSuchEntity":
            return False
        raise
    return True


def _network(client: Client, stack: str) -> Iterator[str]:
    ours = [{"Name": "tag:mycli:stack", "Values": [stack]}]
    for operation, key, id_key in (
        ("describe_vpcs", "Vpcs", "VpcId"),
        ("describe_subnets", "Subnets", "SubnetId"),
        ("describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
        ("describe_route_tables", "RouteTables", "RouteTableId"),
        ("describe_security_groups", "SecurityGroups", "GroupId"),
    ):
        for found in getattr(client("ec2"), operation)(Filters=ours)[key]:
            yield f"ec2: {found[id_key]}"


def _tasks(client: Client, stack: str) -> Iterator[str]:
    """Clusters and definitions that ECS shows for a while after they are gone do not count."""
    ecs = client("ecs")
    for cluster in ecs.describe_clusters(clusters=[f"{stack}-cluster"])["clusters"]:
        if cluster["status"] != "INACTIVE":
            yield f"ecs: {cluster['clusterArn']}"
    for status in ("ACTIVE", "INACTIVE"):
        pages = ecs.get_paginator("list_task_definitions").paginate(status=status)
        for page in pages:
            for arn in page["taskDefinitionArns"]:
                if f":task-definition/{stack}-task" in arn:
                    yield f"ecs: {arn} ({status})"


def _apis(client: Client, stack: str) -> Iterator[str]:
    for page in client("apigateway").get_paginator("get_rest_apis").paginate():
        for api in page["items"]:
            if api["name"] == f"{stack}-api":
                yield f"apigateway: {api['id']}"


def _images(client: Client, stack: str) -> Iterator[str]:
    """Repositories of built images."""
    for page in client("ecr").get_paginator("describe_repositories").paginate():
        for repository in page["repositories"]:
            if repository["repositoryName"].startswith(f"{stack}/"):
                yield f"ecr: {repository['repositoryName']}"


def _tagged(client: Client, stack: str) -> Iterator[str]:
    pages = (
        client("resourcegroupstaggingapi")
        .get_paginator("get_resources")
        .paginate(TagFilters=[{"Key": "mycli:stack", "Values": [stack]}])
    )
    for page in pages:
        for resource in page["ResourceTagMappingList"]:
            # ECS's are judged above: their tags outlive them.
            if ":ecs:" not in resource["ResourceARN"]:
                yield resource["ResourceARN"]
