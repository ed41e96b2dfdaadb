"""The private registries that a stack's tasks may pull from, each with a login in Secrets Manager.

ECS takes a registry's login from nowhere else:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/private-auth.html
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class RegistryLogin:
    """password: a token, at most registries."""

    username: str
    password: str = field(repr=False)


def secret_name(stack_name: str, host: str) -> str:
    """A secret's name may have no colon, and a host no underscore."""
    return f"mycli/{stack_name}/registry/{host.replace(':', '_')}"
