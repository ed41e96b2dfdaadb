"""mycli doctor: what is wrong, and what to do."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from mycli import config, output
from mycli.commands import Json, Profile

if TYPE_CHECKING:
    from mycli.stack.diagnosis import Finding

_SIGNS = {"ok": "✓", "warn": "!", "fail": "✗"}


def doctor(profile: Profile = None, as_json: Json = False) -> None:
    """Check that mycli works from here.

    Looked at are the configuration, the endpoint, the key, the clock, the engine, AWS credentials,
    the stack, and how it differs from what `mycli init` would make; each line says what to do. It
    changes nothing, and needs neither AWS credentials nor an engine. The exit code is 1 where
    something is broken.

    \b
    mycli doctor
    mycli doctor --profile staging --json
    """
    found: list[Finding] = []
    for finding in _findings(profile):
        found.append(finding)
        if not as_json:
            _tell(finding)
    broken = any(finding.verdict == "fail" for finding in found)
    if as_json:
        checks = [dataclasses.asdict(finding) for finding in found]
        output.json_document({"healthy": not broken, "checks": checks})
    raise typer.Exit(1 if broken else 0)


def _tell(finding: Finding) -> None:
    said = output.escaped(finding.said)
    output.result(f"{_SIGNS[finding.verdict]} {finding.check}: {said}")
    if finding.hint:
        output.result(f"    {output.escaped(finding.hint)}")


def _findings(profile_name: str | None) -> Iterator[Finding]:
    from mycli.stack import diagnosis

    finding, profile = diagnosis.configuration(profile_name)
    yield finding
    if profile and profile.is_local:
        yield from _on_this_machine(profile)
        return
    if profile:
        reached = diagnosis.endpoint(profile)
        yield from reached
        if reached[0].verdict == "ok":
            yield diagnosis.checked("API key", lambda: diagnosis.key(profile))
    yield diagnosis.checked("engine", diagnosis.engine)
    yield from _in_aws(profile)


def _on_this_machine(profile: config.Profile) -> Iterator[Finding]:
    from mycli.local import diagnosis as here
    from mycli.stack import diagnosis

    daemon = diagnosis.checked("account", here.daemon)
    yield daemon
    yield diagnosis.checked("runtime", here.runtime)
    if daemon.verdict != "ok":
        return
    yield diagnosis.checked("API key", lambda: diagnosis.key(profile))
    yield diagnosis.checked(
        "function", lambda: diagnosis.function_errors(here.clients(), profile.stack_name)
    )


def _in_aws(profile: config.Profile | None) -> Iterator[Finding]:
    """Without AWS credentials the stack is used all the same: that is a warning."""
    from mycli.errors import MycliError
    from mycli.stack import diagnosis, discovery
    from mycli.stack.automation import Stack

    try:
        ask = discovery.clients()
        region = (profile.region if profile else "") or Stack().region
        who = discovery.who_am_i(ask, region)
    except MycliError as error:
        needed = "only init, update and destroy need them"
        yield diagnosis.warn("AWS credentials", error.message, f"{error.hint} ({needed})")
        return
    yield diagnosis.ok("AWS credentials", f"account {who.id}, as {who.arn}")
    if profile is None or ".execute-api." not in profile.api_endpoint:
        return
    name = profile.stack_name

    def client(service: str) -> Any:
        return ask(service, region)

    # Whoever has no more than a key may have AWS credentials for something else.
    stack = diagnosis.checked(
        "stack",
        lambda: diagnosis.resources(client, name, profile.api_endpoint),
        otherwise="warn",
    )
    yield stack
    if stack.verdict != "warn":
        there = Stack(name, region=region, state=profile.state or None)
        yield diagnosis.checked("drift", lambda: diagnosis.drift(there), otherwise="warn")
        yield diagnosis.checked(
            "function", lambda: diagnosis.function_errors(client, name), otherwise="warn"
        )
