"""Who may call: one API key, kept as a bcrypt hash."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

import bcrypt

from orchestrator.settings import Runtime, remember
from orchestrator.wire import API_KEY_HEADER, API_KEY_PATTERN, WireError

REMEMBERED_SECONDS = 300
MAX_REMEMBERED = 16


def authenticate(runtime: Runtime, headers: Mapping[str, str]) -> None:
    """Raise a WireError (401), the same whatever is wrong, unless the caller has the key.

    In the order of what it costs: the form, 32 bits of SHA-256, what was verified in the last five
    minutes, and only then bcrypt (tens of milliseconds): a stranger's flood costs none of those.
    """
    key = _header(headers, API_KEY_HEADER)
    if not API_KEY_PATTERN.fullmatch(key):  # bcrypt raises above 72 bytes, which a key has exactly
        raise _unauthorized()
    digest = hashlib.sha256(key.encode()).hexdigest()
    prefix = runtime.settings.api_key_sha256_prefix
    if not hmac.compare_digest(digest[: len(prefix)], prefix):
        raise _unauthorized()
    now = runtime.now()
    if runtime.verified_keys.get(digest, 0) > now:
        return
    if not bcrypt.checkpw(key.encode(), runtime.settings.api_key_hash.encode()):
        raise _unauthorized()
    remember(runtime.verified_keys, digest, now + REMEMBERED_SECONDS, MAX_REMEMBERED)


def _header(headers: Mapping[str, str], name: str) -> str:
    """The header's value, its name in any case; '' where it is missing."""
    wanted = name.lower()
    return next((value for key, value in headers.items() if key.lower() == wanted), "")


def _unauthorized() -> WireError:
    return WireError(401, "unauthorized", f"send the stack's API key as {API_KEY_HEADER}")
