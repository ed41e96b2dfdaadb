"""Which stack names are taken. Every AWS name in a stack is made from the stack's name."""

from __future__ import annotations

import re

from mycli.errors import UsageError

STACK_TAG = "mycli:stack"  # on every resource that takes tags; its value is the stack's name

MAX_LENGTH = 24  # `{stack}-task-execution-role` stays well under IAM's 64 characters for a role
_PATTERN = re.compile(r"[a-z][a-z0-9-]*")


def check_stack_name(name: str) -> str:
    """The name itself. Raises UsageError that names the rule it breaks."""
    if rule := _broken_rule(name):
        raise UsageError(
            f"{name[:80]!r} cannot be a stack's name: {rule}", "for example: mycli-dev"
        )
    return name


def _broken_rule(name: str) -> str | None:
    if not _PATTERN.fullmatch(name):
        return "it must be lower-case letters, digits and hyphens, and start with a letter"
    if len(name) > MAX_LENGTH:
        return f"it has {len(name)} characters, {MAX_LENGTH} are allowed"
    if name.endswith("-") or "--" in name:  # ECR takes no such name for the stack's repositories
        return "it must not end with a hyphen, or have two hyphens in a row"
    if "-task" in name:
        # `a-task` would find, clean up and delete the task definitions of `a-task-b` as its own.
        return "it must not contain -task, by which a stack's task definitions are found"
    if name.startswith(("aws", "ssm")):
        return "AWS keeps names that start with aws or ssm to itself"
    return None
