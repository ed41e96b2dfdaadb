"""A stack in AWS and this user's profile of it, made and taken away together."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from dataclasses import dataclass
from typing import Any

from mycli import config
from mycli.errors import AwsCredentialsError, ConfigError, MycliError
from mycli.stack.automation import Changes, Destroyed, OnEvent, Outputs, Settings, Stack
from mycli.stack.refusals import explained


@dataclass(frozen=True, kw_only=True)
class Made:
    """A stack that stands. profile: None where this machine has no key of it. new_key: it is one
    that nobody was shown yet. key_fits: whether the stack takes the profile's key.
    """

    stack_name: str
    profile_name: str
    profile: config.Profile | None
    new_key: bool
    key_fits: bool
    outputs: Outputs
    changes: Changes


@dataclass(frozen=True, kw_only=True)
class Gone:
    destroyed: Destroyed
    profiles: list[str]


def find(
    stack_name: str, profile_name: str | None, region: str | None, state: str | None
) -> tuple[Stack, str]:
    """The stack to make or update, and its profile's name. Raises ConfigError, UsageError.

    The region and the state are as they were the last time, where nothing else is said.
    """
    name = profile_name or (config.DEFAULT_PROFILE if stack_name == "mycli" else stack_name)
    saved = config.load_profiles().get(name)
    if saved and not saved.is_local and saved.stack_name == stack_name:
        region, state = region or saved.region, state or saved.state or None
    stack = Stack(stack_name, region=region, state=state)
    find_profile(stack, name)
    return stack, name


def find_profile(stack: Stack, name: str) -> config.Profile | None:
    """The profile of this name, which is this stack's. Raises ConfigError where it is not."""
    found = config.load_profiles().get(name)
    if found and not is_of(found, stack):
        raise ConfigError(
            f"the profile {name} is for another stack: {found.api_endpoint}",
            "give this one a profile of its own: --profile NAME",
        )
    return found


def is_of(profile: config.Profile, stack: Stack) -> bool:
    """Whether the profile leads to this stack."""
    there = (profile.stack_name, profile.region)
    return not profile.is_local and there == (stack.name, stack.region)


def up(stack: Stack, settings: Settings, profile_name: str, on_event: OnEvent) -> Made:
    """Make the stack, or bring it up to date, and save how to reach it.

    A new key is saved before the first resource is made: an interrupted run is finished by the same
    command with the same key. The key of a stack that stands is only changed by rotate_key.
    """
    profile = find_profile(stack, profile_name)
    is_first = profile is None
    new_key = settings.rotate_key
    if not settings.rotate_key and not stack.has_key():
        if profile is None:
            profile = _unfinished(stack)
            config.save_profile(profile, profile_name)
        new_key = not profile.is_finished
        settings = dataclasses.replace(settings, api_key=profile.api_key)
    try:
        made = stack.up(settings, on_event)
    except MycliError:
        # Refused before anything was made: then there is nothing to finish with this key.
        if is_first:
            with contextlib.suppress(MycliError):
                if not stack.exists():
                    config.remove_profile(profile_name)
        raise
    if made.api_key or profile:
        profile = config.Profile(
            api_endpoint=made.outputs.api_endpoint,
            api_key=made.api_key or (profile.api_key if profile else ""),
            region=stack.region,
            stack_name=stack.name,
            state=stack.state or "",
        )
        config.save_profile(profile, profile_name)
    return Made(
        stack_name=stack.name,
        profile_name=profile_name,
        profile=profile,
        new_key=new_key,
        key_fits=bool(profile and made.outputs.takes(profile.api_key)),
        outputs=made.outputs,
        changes=made.changes,
    )


def _unfinished(stack: Stack) -> config.Profile:
    return config.Profile(
        api_endpoint=f"https://execute-api.{stack.region}.amazonaws.com{config.UNFINISHED}",
        api_key=f"sk_live_{secrets.token_hex(32)}",
        region=stack.region,
        stack_name=stack.name,
        state=stack.state or "",
    )


@explained()
def operator_policy(stack: Stack) -> dict[str, Any]:
    """What IAM must allow whoever makes, updates and destroys this stack.

    For the account of the credentials here; for any account where there are none.
    """
    import boto3

    from mycli.stack.operator_policy import operator_policy

    try:
        account = stack.caller().account
    except AwsCredentialsError:
        account = "*"
    partition = boto3.Session().get_partition_for_region(stack.region)
    return operator_policy(partition, account, stack.region, stack.name)


def destroy(stack: Stack, keep_config: bool, on_event: OnEvent) -> Gone:
    """Destroy the stack, then forget the profiles that lead to it."""
    # What cannot be read is told now, and not when all is gone.
    found = {} if keep_config else config.load_profiles()
    names = [name for name, profile in found.items() if is_of(profile, stack)]
    destroyed = stack.destroy(on_event)
    for name in names:
        config.remove_profile(name)
    with contextlib.suppress(OSError):
        config.home().rmdir()  # goes when nothing is in it any more
    return Gone(destroyed=destroyed, profiles=names)
