"""What a stack that was destroyed has left in the account, if anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mycli.stack.names import STACK_TAG


def find_leftovers(clients: Callable[[str], Any], stack_name: str) -> list[str]:
    """ARNs of what still carries the stack's tag, and of log groups named after it.

    clients: a service's name -> its boto3 client. Not those of stopped tasks: ECS shows them for an
    hour, and nobody can delete them.
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
    return sorted(arn for arn in arns if ":task/" not in arn)
