"""Everything that an account has of the kinds that a stack is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def inventory(clients: Callable[[str], Any]) -> dict[str, list[str]]:
    """Names or ids, by kind, so that before and after can be compared."""
    ec2, ecs, iam = clients("ec2"), clients("ecs"), clients("iam")
    found: dict[str, Any] = {
        "vpcs": [vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"]],
        "subnets": [item["SubnetId"] for item in ec2.describe_subnets()["Subnets"]],
        "gateways": [
            item["InternetGatewayId"]
            for item in ec2.describe_internet_gateways()["InternetGateways"]
        ],
        "route tables": [
            item["RouteTableId"] for item in ec2.describe_route_tables()["RouteTables"]
        ],
        "groups": [item["GroupId"] for item in ec2.describe_security_groups()["SecurityGroups"]],
        "clusters": [
            cluster["clusterArn"]
            for cluster in ecs.describe_clusters(clusters=ecs.list_clusters()["clusterArns"])[
                "clusters"
            ]
            if cluster["status"] == "ACTIVE"
        ],
        # Not their families: moto shows those for ever.
        "task definitions": [
            arn
            for status in ("ACTIVE", "INACTIVE")
            for arn in ecs.list_task_definitions(status=status)["taskDefinitionArns"]
        ],
        "roles": [role["RoleName"] for role in iam.list_roles()["Roles"]],
        "log groups": [
            group["logGroupName"] for group in clients("logs").describe_log_groups()["logGroups"]
        ],
        "tables": clients("dynamodb").list_tables()["TableNames"],
        "functions": [f["FunctionName"] for f in clients("lambda").list_functions()["Functions"]],
        "rules": [rule["Name"] for rule in clients("events").list_rules()["Rules"]],
        "apis": [api["id"] for api in clients("apigateway").get_rest_apis()["items"]],
        "secrets": [s["Name"] for s in clients("secretsmanager").list_secrets()["SecretList"]],
        "repositories": [
            repository["repositoryName"]
            for repository in clients("ecr").describe_repositories()["repositories"]
        ],
        "parameters": [p["Name"] for p in clients("ssm").describe_parameters()["Parameters"]],
    }
    return {name: sorted(ids) for name, ids in found.items()}
