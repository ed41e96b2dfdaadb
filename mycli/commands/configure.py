"""mycli configure: reach a stack that is there already."""

from __future__ import annotations

import dataclasses
import getpass
import os
import re
import sys
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
    saved = config.load_profiles().get(name)
    if endpoint is None and saved is None:
        raise UsageError(
            "which stack? This version cannot look for one in an AWS account",
            "give its address: mycli configure --endpoint URL",
        )
    wanted = _profile(saved, endpoint, _read_key())
    from mycli.client import Client

    output.step(f"Trying the key at {wanted.api_endpoint}...")
    with Client(wanted, on_wait=output.warn) as client:
        list(client.list(limit=1))
    config.save_profile(wanted, name)
    output.done(f"Saved as profile {name} in {config.config_path()}")
    if as_json:
        output.json_document({"profile": name, "api_endpoint": wanted.api_endpoint})


def _profile(saved: config.Profile | None, endpoint: str | None, key: str) -> config.Profile:
    if saved and endpoint in (None, saved.api_endpoint):
        return dataclasses.replace(saved, api_key=key)
    address = endpoint or ""
    return config.Profile(api_endpoint=address, api_key=key, region=region_of(address))


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
