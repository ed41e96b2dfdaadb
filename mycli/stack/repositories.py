"""Remove the repositories of a stack: those of the images that were built for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mycli.stack.names import STACK_TAG


def find(ecr: Any, stack_name: str) -> list[str]:
    """Names of the repositories under the stack's name that carry its tag; ecr: a boto3 client.

    One that somebody made without the tag is left alone.
    """
    pages = ecr.get_paginator("describe_repositories").paginate()
    return [
        repository["repositoryName"]
        for page in pages
        for repository in page["repositories"]
        if repository["repositoryName"].startswith(f"{stack_name}/")
        and _stack_of(ecr, repository["repositoryArn"]) == stack_name
    ]


def remove(ecr: Any, stack_name: str, on_event: Callable[[str], None]) -> int:
    """Delete them with all images in them; how many. on_event is told, in sentences."""
    removed = 0
    for name in find(ecr, stack_name):
        try:
            ecr.delete_repository(repositoryName=name, force=True)
        except ecr.exceptions.RepositoryNotFoundException:
            continue  # somebody was quicker
        on_event(f"Deleted the repository {name} with its images")
        removed += 1
    return removed


def _stack_of(ecr: Any, arn: str) -> str | None:
    try:
        tags = ecr.list_tags_for_resource(resourceArn=arn)["tags"]
    except ecr.exceptions.RepositoryNotFoundException:
        return None
    return {tag["Key"]: tag["Value"] for tag in tags}.get(STACK_TAG)
