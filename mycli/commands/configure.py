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
from mycli.commands import Json, Profile
from mycli.errors import UsageError


def configure(
    endpoint: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The stack's address, as `mycli init` printed it."),
    ] = None,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Save how to reach a stack: its address and your API key.

    The key is asked for, or read from MYCLI_API_KEY or standard input. It is tried before it is
    saved. Without --endpoint, the address that is saved already is kept.

    \b
    mycli configure --endpoint https://abc123.execute-api.us-east-1.amazonaws.com/prod/execute
    mycli configure --profile staging --endpoint https://... < key.txt
    """
    name = profile or os.environ.get("MYCLI_PROFILE") or config.DEFAULT_PROFILE
    profiles = config.load_profiles()
    address = _address(name, profiles.get(name), endpoint)
    wanted = _profile(profiles.values(), address, _read_key())
    from mycli.client import Client

    output.step(f"Trying the key at {wanted.api_endpoint}...")
    with Client(wanted, on_wait=output.warn) as client:
        list(client.list(limit=1))
    config.save_profile(wanted, name)
    output.done(f"Saved as profile {name} in {config.config_path()}")
    if as_json:
        output.json_document({"profile": name, "api_endpoint": wanted.api_endpoint})


def _address(name: str, saved: config.Profile | None, endpoint: str | None) -> str:
    """The endpoint to save. Raises UsageError: there is none, or it has no place."""
    if saved is None:
        if endpoint is None:
            raise UsageError(
                "which stack? This version cannot look for one in an AWS account",
                "give its address: mycli configure --endpoint URL",
            )
        return endpoint
    if saved.is_local and endpoint not in (None, saved.api_endpoint):
        raise UsageError(
            f"the profile {name} is for a stack on this machine, and has the only copy of its key",
            "name another one with `--profile NAME`, or delete that stack: `mycli destroy`",
        )
    return endpoint or saved.api_endpoint


def _profile(profiles: Iterable[config.Profile], address: str, key: str) -> config.Profile:
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
