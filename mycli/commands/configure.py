"""mycli configure: reach a stack that is there already."""

from __future__ import annotations

import dataclasses
import getpass
import os
import re
import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from mycli import config, output
from mycli.commands import Json, Profile, Region
from mycli.errors import UsageError


def configure(
    endpoint: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The stack's address, as `mycli init` printed it."),
    ] = None,
    stack_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Find this stack in your AWS account.")
    ] = None,
    region: Region = None,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Save how to reach a stack that is there.

    That is its address and your API key. Without --endpoint the stack is looked for in your AWS
    account, or the address that is saved already is kept. The key is asked for, or read from
    MYCLI_API_KEY or standard input. It is tried before it is saved.

    \b
    mycli configure --region eu-west-1
    mycli configure --endpoint https://abc123.execute-api.us-east-1.amazonaws.com/prod/execute
    mycli configure --profile staging --stack-name staging < key.txt
    """
    if endpoint and (stack_name or region):
        raise UsageError("--endpoint says which stack: --stack-name and --region look for one")
    name = profile or os.environ.get("MYCLI_PROFILE") or _profile_name(stack_name)
    profiles = config.load_profiles()
    saved = profiles.get(name)
    found: config.Profile | None = None
    if stack_name or region or not (endpoint or (saved and saved.is_finished)):
        found = _find(stack_name, region)
        endpoint = found.api_endpoint
    address = _address(name, saved, endpoint)
    key = _read_key()
    wanted = complete([*profiles.values(), *([found] if found else [])], address, key)
    from mycli.client import Client

    output.step(f"Trying the key at {wanted.api_endpoint}...")
    with Client(wanted, on_wait=output.warn) as client:
        list(client.list(limit=1))
    config.save_profile(wanted, name)
    output.done(f"Saved as profile {name} in {config.config_path()}")
    if as_json:
        output.json_document({"profile": name, "api_endpoint": wanted.api_endpoint})


def _profile_name(stack_name: str | None) -> str:
    """As init names it."""
    return config.DEFAULT_PROFILE if stack_name in (None, "mycli") else stack_name


def _find(stack_name: str | None, region: str | None) -> config.Profile:
    """The stack in the AWS account; its key is not known yet. Raises StackError."""
    from mycli.stack import discovery
    from mycli.stack.automation import Stack

    ask = discovery.clients()
    where = Stack(region=region).region
    account = discovery.who_am_i(ask, where)
    output.step(f"Looking in {where} of the AWS account {account.id}, as {account.arn}")
    found = discovery.find_one(ask, account, where, stack_name)
    output.done(f"Found the stack {found.stack_name}")
    return config.Profile(
        api_endpoint=found.api_endpoint, api_key="", region=where, stack_name=found.stack_name
    )


def _address(name: str, saved: config.Profile | None, endpoint: str | None) -> str:
    """The endpoint to save. Raises UsageError: it has no place."""
    if saved and saved.is_local and endpoint not in (None, saved.api_endpoint):
        raise UsageError(
            f"the profile {name} is for a stack on this machine, and has the only copy of its key",
            "name another one with `--profile NAME`, or delete that stack: `mycli destroy`",
        )
    return endpoint or (saved.api_endpoint if saved else "")


def complete(profiles: Iterable[config.Profile], address: str, key: str) -> config.Profile:
    """The profile to try. What is known of a stack at this origin is kept: above all, its proof."""
    new = config.Profile(api_endpoint=address, api_key=key, region=region_of(address))
    known = [saved for saved in profiles if _origin(saved.api_endpoint) == _origin(address)]
    same = [saved for saved in known if saved.api_endpoint == address]
    return dataclasses.replace([*same, *known, new][0], api_endpoint=address, api_key=key)


def _origin(endpoint: str) -> list[str]:
    """The scheme, nothing, and the host with its port; never fails."""
    return endpoint.lower().split("/")[:3]


def region_of(endpoint: str) -> str:
    """The region in API Gateway's address; "" for another one."""
    found = re.search(r"\.execute-api\.([a-z0-9-]+)\.amazonaws\.", endpoint)
    return found[1] if found else ""


def _read_key() -> str:
    given = os.environ.get("MYCLI_API_KEY")
    if not given:
        asked = sys.stdin.isatty()
        given = getpass.getpass("API key (not shown): ") if asked else sys.stdin.readline()
    if not given.strip():
        raise UsageError("no API key was given", "type it, or pass it by MYCLI_API_KEY or stdin")
    return given.strip()
