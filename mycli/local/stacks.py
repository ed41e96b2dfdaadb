"""Stacks in the account on this machine: the same program as on AWS, applied to the daemon."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import platform
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from mycli import config
from mycli.errors import ConfigError, LocalAccountError
from mycli.local import account
from mycli.local.clients import clients_of, errors_told
from mycli.local.ledger import Ledger
from mycli.local.place import Account, Place, place, read
from mycli.stack import credentials, executions, registries
from mycli.stack.names import check_stack_name
from mycli.stack.registries import RegistryLogin
from orchestrator.wire import DEFAULT_IMAGE

OnEvent = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What init was asked for. None: as it is in the stack already, or the default.

    credentials: of each kind of git credential that was given, its text; an empty one takes the
    credential away. registries: the login of each private registry's host; None takes it away.
    rotate_key: draw a new API key; the old one ends.
    """

    stack_name: str = "mycli"
    profile: str | None = None
    runtime: str | None = None
    image: str | None = None
    github_host: str | None = None
    gitlab_host: str | None = None
    credentials: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    registries: Mapping[str, RegistryLogin | None] = field(
        default_factory=dict[str, RegistryLogin | None]
    )
    rotate_key: bool = False


@dataclass(frozen=True, kw_only=True)
class Made:
    """A stack that stands. created, updated, deleted: how many resources were."""

    profile_name: str
    profile: config.Profile
    runtime: str
    git_credentials: list[str]
    new_key: bool
    created: int
    updated: int
    deleted: int


def profile_name(stack_name: str, given: str | None) -> str:
    """Which profile a stack gets: the one that was asked for, else `default` for `mycli`."""
    return given or (config.DEFAULT_PROFILE if stack_name == "mycli" else stack_name)


def exists(stack_name: str) -> bool:
    return stack_name in account.stack_names(place())


def check(options: Options) -> None:
    """Raise UsageError or ConfigError for what init could not do, before it has done anything."""
    check_stack_name(options.stack_name)
    registries.checked(options.stack_name, options.registries)
    name = profile_name(options.stack_name, options.profile)
    found = config.load_profiles().get(name)
    if found and not _is_of(found, options.stack_name, read(place())):
        raise ConfigError(
            f"the profile {name} is for another stack: {found.api_endpoint}",
            "give this one a profile of its own: --profile NAME",
        )


def _is_of(profile: config.Profile, stack_name: str, here: Account | None) -> bool:
    """Whether the profile is this stack's, in this account."""
    ours = here and profile.daemon_secret == here.daemon_secret
    return bool(ours) and profile.stack_name == stack_name


@errors_told()
def up(options: Options, on_event: OnEvent) -> Made:
    """Make the stack, or bring it up to date. Interrupted, it is finished by running it again."""
    check(options)
    at = place()
    with account.exclusive(at):
        here = account.create(options.runtime)
        ledger = Ledger.read(at.stacks / f"{options.stack_name}.json")
        ledger.write()  # from here on the account has this stack, and stays
    name = profile_name(options.stack_name, options.profile)
    with ledger.mine(), _Applying() as applying:  # which loads while the daemon starts
        if not account.is_running(at):
            on_event("Starting the account on this machine")
        account.start(here)
        profile, new_key = _profile(here, options, name)
        request = _request(options, here, at, ledger.outputs, profile.api_key)
        counts = applying.apply(request, on_event)
        outputs = Ledger.read(ledger.path).outputs
    profile = dataclasses.replace(profile, api_endpoint=outputs["api_endpoint"])
    config.save_profile(profile, name)
    executions.accept_new(clients_of(here)("dynamodb"), outputs["table"])
    return Made(
        profile_name=name,
        profile=profile,
        runtime=here.runtime,
        git_credentials=outputs["git_credentials"],
        new_key=new_key,
        **counts,
    )


def _profile(here: Account, options: Options, name: str) -> tuple[config.Profile, bool]:
    """The stack's profile with its key, and whether that is new.

    One for a new stack is saved before a resource is made; one that takes the place of another when
    the stack has it: an init that was cut off between the two leaves the old one, and so does the
    next.
    """
    found = config.load_profiles().get(name)
    if found and not options.rotate_key:
        return found, not found.is_finished  # then nobody was shown it yet
    api_key = f"sk_live_{secrets.token_hex(32)}"
    if found:
        return dataclasses.replace(found, api_key=api_key), True
    profile = config.Profile(
        api_endpoint=here.origin + config.UNFINISHED,
        api_key=api_key,
        region=here.region,
        stack_name=options.stack_name,
        daemon_secret=here.daemon_secret,
    )
    config.save_profile(profile, name)
    return profile, True


def _request(
    options: Options, here: Account, at: Place, known: Mapping[str, Any], api_key: str
) -> dict[str, Any]:
    """What apply.py is asked for. What was not given now is as it was the last time."""
    as_process = here.runtime == "process"
    given = {
        "api_key_hash": _hash(api_key, _known_hash(here, known)),
        "api_key_sha256_prefix": hashlib.sha256(api_key.encode()).hexdigest()[:8],
        "function_zip": str(_zip(at)),
        "function_architecture": _architecture(),
        "default_image": options.image or known.get("default_image") or DEFAULT_IMAGE,
        "git_protocols": "https:ssh:http:file",
        "install_git": "0" if as_process else "1",
        "log_poll_seconds": "0.1",
        "github_host": options.github_host or known.get("github_host") or "github.com",
        "gitlab_host": options.gitlab_host or known.get("gitlab_host") or "gitlab.com",
        **_credentials(options, here, known),
        **_registries(options, here, known),
    }
    hidden = ["api_key_hash", *credentials.KINDS, "registry_credentials"]
    return {"stack": options.stack_name, "config": given, "secrets": hidden}


def _known_hash(here: Account, known: Mapping[str, Any]) -> str | None:
    """The hash of the stack's key, as its function has it: the ledger holds no secrets."""
    from botocore.exceptions import ClientError

    try:
        found = clients_of(here)("lambda").get_function_configuration(
            FunctionName=known["function"]
        )
        return str(found["Environment"]["Variables"]["API_KEY_HASH"])
    except (KeyError, ClientError):  # it was never finished, or the function is gone
        return None


def _hash(api_key: str, known: str | None) -> str:
    import bcrypt

    if known and bcrypt.checkpw(api_key.encode(), known.encode()):
        return known
    return bcrypt.hashpw(api_key.encode(), bcrypt.gensalt(10)).decode()


def function_zip(at: Place) -> Path:
    """Where the function's code is put for the program; it is made anew by every init."""
    return at.folder / "function.zip"


def _zip(at: Place) -> Path:
    from mycli.stack import package

    target = function_zip(at)
    package.build(target, package.installed_bcrypt())
    target.chmod(0o600)
    return target


def _architecture() -> str:
    return "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"


def _credentials(options: Options, here: Account, known: Mapping[str, Any]) -> dict[str, str]:
    """The git credentials that were given now, and those that the stack has from before."""
    kept = set(known.get("git_credentials", [])) - set(options.credentials)
    found: dict[str, str] = {}
    for credential in credentials.CREDENTIALS:
        if credential.kind in kept:
            name = credential.parameter(options.stack_name)
            answer = clients_of(here)("ssm").get_parameter(Name=name, WithDecryption=True)
            found[credential.kind] = answer["Parameter"]["Value"]
    return {kind: text for kind, text in {**found, **options.credentials}.items() if text}


def _registries(options: Options, here: Account, known: Mapping[str, Any]) -> dict[str, str]:
    """The logins that were given now, and those that the stack has from before."""
    given = registries.checked(options.stack_name, options.registries)
    hosts = [host for host in known.get("registries", []) if host not in given]
    kept: Mapping[str, RegistryLogin] = {}
    if hosts:
        secrets_there = clients_of(here)("secretsmanager")
        kept = registries.read(secrets_there, options.stack_name, hosts, lambda _: None)
    found = registries.checked(options.stack_name, {**kept, **given})
    logins = {host: login for host, login in found.items() if login}
    return {"registry_credentials": registries.as_config(logins)} if logins else {}


class _Applying:
    """The process that runs the program (see apply.py). Leaving the block ends it."""

    def __enter__(self) -> _Applying:
        self._stderr = tempfile.TemporaryFile()
        kept = ("PATH", "HOME", "LANG", "MYCLI_HOME", "TMPDIR")
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mycli.local.apply"],
            env={name: os.environ[name] for name in kept if name in os.environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            start_new_session=True,  # ^C reaches us only: it finishes what it has begun
        )
        return self

    def __exit__(self, *_: object) -> None:
        stdin, stdout = self._pipes()
        with contextlib.suppress(BrokenPipeError):
            stdin.close()
        stdout.close()
        self._process.wait()
        self._stderr.close()

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        return cast("tuple[IO[str], IO[str]]", (self._process.stdin, self._process.stdout))

    def apply(self, request: dict[str, Any], on_event: OnEvent) -> dict[str, int]:
        """Apply the program; how many resources were created, updated and deleted."""
        stdin, stdout = self._pipes()
        counts = {"created": 0, "updated": 0, "deleted": 0}
        with contextlib.suppress(BrokenPipeError):
            stdin.write(json.dumps(request) + "\n")
            stdin.flush()
        for line in stdout:
            told = json.loads(line)
            if "outputs" in told:
                return counts
            if "error" in told:
                raise LocalAccountError(told["error"], told["hint"])
            [(verb, resource)] = told.items()
            counts[f"{verb}d"] += 1
            on_event(f"{_DOING[verb]} {resource}")
        self._stderr.seek(0)
        reason = self._stderr.read().decode(errors="replace").strip().splitlines()
        raise LocalAccountError(
            f"the program could not be applied: {reason[-1] if reason else 'it was killed'}",
            "run the same command again",
        )


_DOING = {"create": "Creating", "update": "Updating", "delete": "Deleting"}
