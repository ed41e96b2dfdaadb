"""What the program is given: what was chosen now, and for the rest what the stack has already."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mycli.errors import StackError, UsageError
from mycli.stack import credentials, registries
from mycli.stack.credentials import CREDENTIALS, KINDS
from mycli.stack.deployment import Snapshot
from mycli.stack.registries import RegistryLogin
from mycli.stack.results import OnEvent, Settings
from orchestrator.wire import API_KEY_PATTERN, DEFAULT_IMAGE


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """values: the program's config. api_key: where it is new or was given. logins: by host."""

    values: Mapping[str, str] = field(repr=False)
    api_key: str | None = field(repr=False)
    logins: Mapping[str, RegistryLogin]

    @property
    def secret_names(self) -> list[str]:
        return ["api_key_hash", *KINDS, "registry_credentials"]

    @property
    def secrets(self) -> list[str]:
        """What must not be told."""
        found = [self.values[name] for name in self.secret_names if name in self.values]
        passwords = [login.password for login in self.logins.values()]
        found += [*passwords, *(json.dumps(password)[1:-1] for password in passwords)]
        return [*found, self.api_key] if self.api_key else found


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What the stack holds and nothing was said of: git credentials by kind, logins by host."""

    credentials: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    registries: Mapping[str, RegistryLogin] = field(default_factory=dict[str, RegistryLogin])


def choose(
    stack_name: str, settings: Settings, known: Snapshot, kept: Kept, function_zip: str
) -> Inputs:
    """known: the stack as it is, and kept what it holds.

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
    texts = {**kept.credentials, **settings.credentials}
    given = registries.checked(stack_name, {**kept.registries, **settings.registries})
    logins = {host: login for host, login in given.items() if login}
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
            **({"registry_credentials": registries.as_config(logins)} if logins else {}),
        },
        api_key=api_key,
        logins=logins,
    )


def read_kept(
    clients: Callable[[str], Any],
    stack_name: str,
    settings: Settings,
    known: Snapshot,
    on_event: OnEvent,
) -> Kept:
    """From where the account keeps it. clients: a service's name -> its boto3 client."""
    given = {registries.checked_host(host) for host in settings.registries}
    kinds = [
        credential.kind
        for credential in CREDENTIALS
        if credential.name in _names(known, ":Parameter::")
        and credential.kind not in settings.credentials
    ]
    hosts = [
        host
        for name in _names(known, ":Secret::")
        if (host := name.removeprefix("registry-")) not in given
    ]
    return Kept(
        credentials=credentials.read(clients("ssm"), stack_name, kinds, on_event),
        registries=registries.read(clients("secretsmanager"), stack_name, hosts, on_event)
        if hosts
        else {},
    )


def _names(known: Snapshot, kind: str) -> list[str]:
    """The program's names of the resources of this kind: what one was begun with is kept, too."""
    return [urn.rpartition("::")[2] for urn in known.resources if kind in urn]


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
