"""mycli list: executions, the newest first."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from mycli import output
from mycli.commands import Json, Profile, connect, duration
from mycli.errors import UsageError

if TYPE_CHECKING:
    from mycli.columns import Cut
    from orchestrator.wire import StatusResponse


def list_(
    *,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    everything: Annotated[bool, typer.Option("--all", help="All, whatever --limit says.")] = False,
    repo: Annotated[str | None, typer.Option(metavar="URL", help="Of this repository.")] = None,
    status: Annotated[
        str | None, typer.Option(metavar="STATUS", help="In this status, such as RUNNING.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="From 30m, 2h, 7d ago, or an ISO 8601 time.")
    ] = None,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """List executions, the newest first.

    EXIT is none where the command never came to an exit code: `mycli status` says why.

    \b
    mycli list --since 2h
    mycli list --status RUNNING --repo https://github.com/user/infra
    mycli list --all --json | jq '.executions[] | select(.exit_code != 0)'
    """
    from mycli.endpoint import checked

    after = since_time(since, datetime.now(UTC)) if since else None
    with connect(profile) as client, checked(status="--status"):
        found = [
            *client.list(limit=None if everything else limit, repo=repo, status=status, since=after)
        ]
    if as_json:
        output.json_document({"executions": [dataclasses.asdict(item) for item in found]})
        return
    if not found:
        output.story("No executions.")
        return
    output.table(_COLUMNS, [_row(item) for item in found], _SPARE)
    if len(found) == limit and not everything:
        output.story(f"The newest {limit}; --limit or --all shows more.")


# What a next command would need is never cut.
_COLUMNS: Mapping[str, Cut] = {
    "EXECUTION": "never",
    "STATUS": "never",
    "EXIT": "never",
    "CREATED": "never",
    "IMAGE": "start",
    "REPOSITORY": "start",
    "COMMAND": "end",
}
_SPARE = ("REPOSITORY", "IMAGE", "CREATED")


def since_time(text: str, now: datetime) -> str:
    """`2h` before now, or an ISO 8601 time (UTC where it has no zone). Raises UsageError."""
    try:
        if (ago := duration(text)) is not None:
            return (now - ago).isoformat()
        time = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UsageError(
            f"--since: {text!r} is no time", "write 30m, 2h, 7d or 2026-01-31T12:00:00Z"
        ) from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).isoformat()


def _row(item: StatusResponse) -> tuple[str, ...]:
    never = "none" if item.finished else ""
    return (
        item.execution_id,
        item.status,
        never if item.exit_code is None else str(item.exit_code),
        item.created_at,
        item.image,
        item.repo or "",
        item.command,
    )
