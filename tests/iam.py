"""IAM documents as a judge reads them."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any


def grants(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Each action with each of its resources."""
    return [
        (action, resource)
        for statement in document["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
    ]


def actions(document: dict[str, Any]) -> set[str]:
    """All that it allows on anything, under any condition."""
    return {action for action, _ in grants(document)}


def allows(
    document: dict[str, Any],
    action: str,
    resource: str = "*",
    keys: Mapping[str, str] | None = None,
    /,
    **context: str,
) -> bool:
    """As IAM judges it, for the operators in use. In `context`, keys have __ for a colon."""
    given = {key.replace("__", ":"): value for key, value in context.items()} | dict(keys or {})
    return any(
        action in statement["Action"]
        and any(fnmatchcase(resource, pattern) for pattern in statement["Resource"])
        and all(
            given.get(key) in ([value] if isinstance(value, str) else value)
            for operator in statement.get("Condition", {}).values()
            for key, value in operator.items()
        )
        for statement in document["Statement"]
    )
