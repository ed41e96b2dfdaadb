"""What a stack that was destroyed has left in the account, if anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mycli.stack.names import STACK_TAG


def find_leftovers(clients: Callable[[str], Any], stack_name: str) -> list[str]:
    """ARNs of what still carries the stack's tag, and of log groups named after it.

    clients: a service's name -> its boto3 client. Not those that nobody can delete: stopped tasks,
    which ECS shows for an hour, and clusters and task definitions that are deleted already.
    """
    tagged = clients("resourcegroupstaggingapi").get_resources(
        TagFilters=[{"Key": STACK_TAG, "Values": [stack_name]}]
    )["ResourceTagMappingList"]
    logs = clients("logs")
    named = [
        group["arn"]
        for prefix in (f"/aws/mycli/{stack_name}", f"/aws/lambda/{stack_name}-orchestrator")
        for group in logs.describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]
        if group["logGroupName"] == prefix
    ]
    arns = {resource["ResourceARN"] for resource in tagged} | set(named)
    return sorted(arn for arn in arns if not _is_gone(clients, arn))


def _is_gone(clients: Callable[[str], Any], arn: str) -> bool:
    """Whether it is only a memory of ECS's."""
    kind = arn.split(":", 5)[5].partition("/")[0] if ":ecs:" in arn else ""
    if kind == "cluster":
        found = clients("ecs").describe_clusters(clusters=[arn])["clusters"]
        return not found or found[0]["status"] == "INACTIVE"
    if kind == "task-definition":
        described = clients("ecs").describe_task_definition(taskDefinition=arn)
        return described["taskDefinition"]["status"] == "DELETE_IN_PROGRESS"
    return kind == "task"
