"""What the program is given: what was chosen now, and for the rest what the stack has already."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mycli.errors import StackError, UsageError
from mycli.stack.credentials import CREDENTIALS, KINDS
from mycli.stack.deployment import Snapshot
from mycli.stack.results import Settings
from orchestrator.wire import API_KEY_PATTERN, DEFAULT_IMAGE


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """values: the program's config. api_key: where it is new or was given."""

    values: Mapping[str, str] = field(repr=False)
    api_key: str | None = field(repr=False)

    @property
    def secret_names(self) -> list[str]:
        return ["api_key_hash", *KINDS]

    @property
    def secrets(self) -> list[str]:
        """What must not be told."""
        found = [self.values[name] for name in self.secret_names if name in self.values]
        return [*found, self.api_key] if self.api_key else found


def choose(
    settings: Settings, known: Snapshot, kept: Mapping[str, str], function_zip: str
) -> Inputs:
    """known: the stack as it is. kept: kind -> text of the git credentials that it has.

    Raises UsageError for what cannot be, StackError where the stack's key is not known.
    """
    api_key, hashed, prefix = _key(settings, known)
    unknown = settings.credentials.keys() - set(KINDS)
    if unknown:
        raise UsageError(f"there is no git credential {min(unknown)}", f"known: {', '.join(KINDS)}")
    chosen = {
        "default_image": settings.default_image,
        "github_host": settings.github_host,
        "gitlab_host": settings.gitlab_host,
    }
    defaults = {
        "default_image": DEFAULT_IMAGE,
        "github_host": "github.com",
        "gitlab_host": "gitlab.com",
    }
    texts = {**kept, **settings.credentials}
    return Inputs(
        values={
            "api_key_hash": hashed,
            "api_key_sha256_prefix": prefix,
            "function_zip": function_zip,
            **{
                name: value or known.outputs.get(name) or defaults[name]
                for name, value in chosen.items()
            },
            **{kind: text for kind, text in texts.items() if text},
        },
        api_key=api_key,
    )


def kept_credentials(known: Snapshot, settings: Settings) -> list[str]:
    """Kinds of the git credentials that the stack has, and that nothing else was said of."""
    names = {urn.rpartition("::")[2] for urn in known.resources if ":Parameter::" in urn}
    return [
        credential.kind
        for credential in CREDENTIALS
        if credential.name in names and credential.kind not in settings.credentials
    ]


def _key(settings: Settings, known: Snapshot) -> tuple[str | None, str, str]:
    """The key, where it is new or was given; its hash; the prefix of its SHA-256."""
    hashed: Any = known.outputs.get("api_key_hash")
    if settings.api_key is not None:
        return _hashed(settings.api_key, hashed)
    if settings.rotate_key:
        return _hashed(_draw(), None)
    if hashed:
        return None, hashed, known.outputs["api_key_sha256_prefix"]
    if known.resources:
        raise StackError(
            "the stack was begun with a key that is not known here",
            "finish it on the machine that began it, or give it a new key: --rotate-key",
        )
    return _hashed(_draw(), None)


def _draw() -> str:
    return f"sk_live_{secrets.token_hex(32)}"


def _hashed(api_key: str, known: str | None) -> tuple[str, str, str]:
    import bcrypt

    if not API_KEY_PATTERN.fullmatch(api_key):
        raise UsageError("the API key is not one", "it is sk_live_ and 64 hex digits")
    given = api_key.encode()
    # Kept byte for byte where the key is the same: another hash of it would change the function.
    if not (known and bcrypt.checkpw(given, known.encode())):
        known = bcrypt.hashpw(given, bcrypt.gensalt(10)).decode()
    return api_key, known, hashlib.sha256(given).hexdigest()[:8]
