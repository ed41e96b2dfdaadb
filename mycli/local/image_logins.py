"""How ECS asks a registry for a task's image: as the execution role, or with a secret's login."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from mycli.local import emulator, permissions
from mycli.local.processes import CannotStart
from mycli.local.pulls import Login, Wanted, registry_of
from mycli.local.registry_tokens import USER, Caller, Tokens

_FAILED = "ResourceInitializationError: unable to pull secrets or registry auth"

Definition = Mapping[str, Any]


class ImageLogins:
    """host: where the account's own registry is."""

    def __init__(self, tokens: Tokens, host: str) -> None:
        self._tokens = tokens
        self._host = host

    def wanted(self, definition: Definition, container: Definition) -> Wanted:
        """The image that a task definition's container asks for."""
        image, role = str(container["image"]), definition["executionRoleArn"]
        secret = (container.get("repositoryCredentials") or {}).get("credentialsParameter")
        is_own = registry_of(image) == self._host
        login = partial(_from_secret, role, secret) if secret else _nothing
        return Wanted(
            image,
            (definition.get("runtimePlatform") or {}).get("cpuArchitecture") or "X86_64",
            partial(self._as_role, role) if is_own else login,
            always=is_own,
        )

    def _as_role(self, role_arn: str) -> Login:
        if not permissions.role_may(role_arn, "ecr:GetAuthorizationToken", "*"):
            raise CannotStart(f"{_FAILED}: the execution role may not have a token of the registry")
        return Login(USER, self._tokens.issue(Caller(role_arn))[0])


def _nothing() -> None:
    return None


def _from_secret(role_arn: str, secret: str) -> Login:
    """{"username": ..., "password": ...}, if the role may read it. (The emulator asks no role.)"""
    if not permissions.role_may(role_arn, "secretsmanager:GetSecretValue", secret):
        raise CannotStart(f"{_FAILED}: the execution role may not read {secret}")
    text = emulator.service("secretsmanager").resolve_secret_string(secret)
    if text is None:
        raise CannotStart(f"{_FAILED}: there is no secret {secret}")
    try:
        given = json.loads(text)
        return Login(str(given["username"]), str(given["password"]))
    except (ValueError, KeyError, TypeError):
        raise CannotStart(f"{_FAILED}: the secret {secret} holds no login") from None
