"""The private registries that a stack's tasks may pull from, each with a login in Secrets Manager.

ECS takes a registry's login from nowhere else:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/private-auth.html
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from mycli.errors import StackError, UsageError
from orchestrator.wire import DOCKER_HUB

MAX_BYTES = 65536  # what a secret holds
# Lambda takes 4 KB of environment, and the rest of it needs about a quarter of that:
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_CHARACTERS = 2800
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*(:[0-9]{{1,5}})?")
_ECR = re.compile(r"[0-9]{12}\.dkr[.-]ecr[.-].*|public\.ecr\.aws")


@dataclass(frozen=True, kw_only=True)
class RegistryLogin:
    """password: as for `docker login`; at most registries a token. Raises UsageError for a login
    that no registry could take; it does not tell the password.
    """

    username: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if not self.username or not self.username.isprintable() or ":" in self.username:
            raise UsageError("that is no user name", "it is one word, as for `docker login`")
        if not self.password:
            raise UsageError("no password was given", "`mycli registry-logout` takes a login away")
        if not self.password.isprintable():
            hint = "it is one line; a key file in JSON can be written in one"
            raise UsageError("that is no password of a registry", hint)
        if len(json.dumps(dataclasses.asdict(self))) > MAX_BYTES:
            raise UsageError(f"the password has more than {MAX_BYTES} bytes")


def checked_host(text: str) -> str:
    """The host as images name it: ghcr.io, registry.example:5000. Raises UsageError."""
    host = text.strip().lower()
    if host in DOCKER_HUB:
        return DOCKER_HUB[0]
    if _ECR.fullmatch(host):
        raise UsageError(
            f"{host} takes no login here: tasks are let in by AWS",
            "this account's images can be pulled already; another account's repository must allow "
            "it in its policy",
        )
    # Else it would be a user's name on Docker Hub, as in `user/image`.
    is_host = "." in host or ":" in host or host == "localhost"
    if not is_host or not _HOST.fullmatch(host) or len(host) > 253:
        raise UsageError(
            f"{text[:80]!r} is not a registry's host",
            "its name alone, with a port where images name one: ghcr.io, registry.example:5000",
        )
    return host


def checked(
    stack_name: str, logins: Mapping[str, RegistryLogin | None]
) -> dict[str, RegistryLogin | None]:
    """The logins by their hosts, None for one that is taken away. Raises UsageError."""
    found = {checked_host(host): login for host, login in logins.items()}
    arn = "arn:aws-us-gov:secretsmanager:ap-northeast-1:123456789012:secret:{}-123456"
    given = [host for host, login in found.items() if login]
    size = len(json.dumps({host: arn.format(secret_name(stack_name, host)) for host in given}))
    if size > MAX_CHARACTERS:
        raise UsageError(
            f"{len(given)} registries are too many: the function has room for about "
            f"{len(given) * MAX_CHARACTERS // size}",
            "`mycli registry-logout` takes one away",
        )
    return found


def secret_name(stack_name: str, host: str) -> str:
    """A secret's name may have no colon, and a host has no underscore."""
    return f"mycli/{stack_name}/registry/{host.replace(':', '_')}"


def as_config(logins: Mapping[str, RegistryLogin]) -> str:
    """The program's config, in which each login is as ECS reads it."""
    return json.dumps({host: dataclasses.asdict(login) for host, login in logins.items()})


def read(
    secrets: Any, stack_name: str, hosts: Collection[str], on_event: Callable[[str], None]
) -> dict[str, RegistryLogin]:
    """Host -> login of those that the account has; secrets is a boto3 client of Secrets Manager.

    Raises StackError for one that somebody has changed into something else.
    """
    found: dict[str, RegistryLogin] = {}
    for host in hosts:
        name = secret_name(stack_name, host)
        try:
            text = secrets.get_secret_value(SecretId=name)["SecretString"]
        except (
            secrets.exceptions.ResourceNotFoundException,
            secrets.exceptions.InvalidRequestException,  # it is to be deleted soon
        ):
            on_event(f"The login of {host} is gone from {name}: the stack is without it")
            continue
        try:
            given = json.loads(text)
            found[host] = RegistryLogin(username=given["username"], password=given["password"])
        except (ValueError, KeyError, TypeError, AttributeError, UsageError):
            raise StackError(
                f"what the secret {name} holds is not a login",
                f"`mycli registry-login {host}` writes it anew, `mycli registry-logout {host}` "
                "takes it away",
            ) from None
    return found
