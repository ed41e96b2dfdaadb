"""The passwords that ECR's GetAuthorizationToken gives, and that the registry believes.

A token says who asked for it and until when it holds, under a MAC with the account's secret: so it
holds over a restart, and nobody else can make one. What its holder may do is judged at each
request, by the policies that the role has then.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from mycli.local import emulator

TOKEN_SECONDS = 12 * 3600
USER = "AWS"


@dataclass(frozen=True)
class Caller:
    """Who speaks to the registry: a role, or (role_arn None) the account's owner."""

    role_arn: str | None = None


class Tokens:
    def __init__(
        self, secret: str, account_id: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._key = hmac.digest(secret.encode(), b"mycli registry token", "sha256")
        self._account_id = account_id
        self._clock = clock

    def issue(self, caller: Caller) -> tuple[str, int]:
        """A password for this caller, and when it expires, in epoch seconds."""
        expires = int(self._clock()) + TOKEN_SECONDS
        claims = {"role": caller.role_arn, "id": self._role_id(caller), "expires": expires}
        content = json.dumps(claims, separators=(",", ":")).encode()
        return f"{_text(content)}.{_text(self._mac(content))}", expires

    def caller(self, authorization: str) -> Caller | None:
        """Whose password an Authorization header has; None for one that does not hold (any more).

        A role that was made anew under the same name is another one.
        """
        scheme, _, encoded = authorization.partition(" ")
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
            parts = [_bytes(part) for part in password.split(".")]
        except (binascii.Error, ValueError):
            return None
        if scheme.lower() != "basic" or user != USER or len(parts) != 2:
            return None
        content, mac = parts
        if not hmac.compare_digest(mac, self._mac(content)):
            return None
        claims = json.loads(content)
        caller = Caller(claims["role"])
        there = caller.role_arn is None or self._role_id(caller) is not None
        if not there or claims["id"] != self._role_id(caller) or claims["expires"] <= self._clock():
            return None
        return caller

    def _mac(self, content: bytes) -> bytes:
        return hmac.digest(self._key, content, "sha256")

    def _role_id(self, caller: Caller) -> str | None:
        if caller.role_arn is None:
            return None
        name = caller.role_arn.rpartition("/")[2]
        role = emulator.service("iam")._roles.get_scoped(self._account_id, None, name)
        return role["RoleId"] if role else None


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
