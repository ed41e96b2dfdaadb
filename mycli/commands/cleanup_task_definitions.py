"""mycli cleanup-task-definitions: remove those that nobody uses any more."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from mycli import output
from mycli.commands import (
    DEFINITION_COLUMNS,
    Json,
    Profile,
    connect,
    counting,
    definition_row,
    duration,
)
from mycli.errors import MycliError, UsageError

if TYPE_CHECKING:
    from mycli.client import Client
    from orchestrator.wire import KeptTaskDefinition, TaskDefinition


def cleanup_task_definitions(
    *,
    older_than: Annotated[
        str, typer.Option(metavar="TIME", help="Not used for 12h, 30d, 8w or so.")
    ] = "30d",
    keep: Annotated[
        int, typer.Option(metavar="N", min=0, help="Spare the newest N of each family.")
    ] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what it would remove, and do nothing.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Do not ask.")] = False,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Remove task definitions that nobody uses.

    Removed are those that were not used for a time; where no record says when one was last used,
    that were registered before it. The stack's template stays, and so does what a task still uses,
    or is another stack's. An image whose task definition is gone can be used as before: it is
    registered again. Running it again finishes what was interrupted.

    \b
    mycli cleanup-task-definitions --dry-run
    mycli cleanup-task-definitions --older-than 12w --keep 1 --force
    """
    before = _before(older_than, datetime.now(UTC))
    with connect(profile) as client:
        output.step(f"Looking for task definitions that were not used for {older_than}...")
        found = [*counting(client.task_definitions(include_inactive=True))]
        chosen = choose(found, before, keep)
        if chosen and not as_json:
            output.table(DEFINITION_COLUMNS, [definition_row(item) for item in chosen], _SPARE)
        removed: list[str] = []
        kept: list[KeptTaskDefinition] = []
        if chosen and not dry_run:
            if not force:
                _confirm(len(chosen))
            removed, kept = _remove(client, [item.arn for item in chosen])
    standing = sum(item.status != "DELETE_IN_PROGRESS" for item in found)
    left = standing - len(chosen if dry_run else removed)
    if as_json:
        document = {
            "dry_run": dry_run,
            "chosen": [dataclasses.asdict(item) for item in chosen],
            "removed": removed,
            "kept": [dataclasses.asdict(item) for item in kept],
            "left": left,
        }
        output.json_document(document)
    _tell(len(chosen), len(removed), left, dry_run=dry_run)


def _before(older_than: str, now: datetime) -> datetime:
    allowed = "write a number and s, m, h, d or w: 12h, 30d, 8w"
    try:
        if (ago := duration(older_than)) is not None:
            return now - ago
    except OverflowError:
        allowed = "that is before the calendar begins"
    raise UsageError(f"--older-than: {older_than!r} is no time", allowed)


def choose(
    definitions: Iterable[TaskDefinition], before: datetime, keep: int
) -> list[TaskDefinition]:
    """Those to remove: last used, else registered, before this time; the oldest first.

    keep: how many of the newest ACTIVE revisions of each family stay. One that is INACTIVE already
    takes none of these places, so that after an interruption the same ones are chosen.
    """
    families: dict[str, list[TaskDefinition]] = defaultdict(list)
    for definition in definitions:
        if not definition.template:
            families[definition.family].append(definition)
    chosen: list[TaskDefinition] = []
    for _, family in sorted(families.items()):
        family.sort(key=lambda item: item.revision)
        active = [item.revision for item in family if item.status == "ACTIVE"]
        spared = active[-keep:] if keep else []
        chosen += [
            item
            for item in family
            if item.status in ("ACTIVE", "INACTIVE")
            and item.revision not in spared
            and (known := item.last_used_at or item.registered_at)
            and datetime.fromisoformat(known) < before
        ]
    return chosen


_SPARE = ("STATUS", "REGISTERED")


def _confirm(number: int) -> None:
    from mycli import prompts
    from mycli.stack.telling import counted

    question = f"Remove {counted(number, 'task definition')}? [y/N]: "
    prompts.confirm(question, ["y", "yes"], "nothing was removed")


def _remove(client: Client, arns: Sequence[str]) -> tuple[list[str], list[KeptTaskDefinition]]:
    from mycli.stack.task_definitions import batches
    from mycli.stack.telling import interruptible
    from orchestrator.wire import REMOVED_AT_ONCE

    removed: list[str] = []
    kept: list[KeptTaskDefinition] = []
    with interruptible():
        try:
            for batch in batches(arns, REMOVED_AT_ONCE):
                answer = client.remove_task_definitions(batch)
                removed += answer.removed
                kept += answer.kept
                for arn in answer.removed:
                    output.step(f"Removed {_short(arn)}")
                for item in answer.kept:
                    output.warn(f"{_short(item.arn)} stays: {item.reason}")
                output.step(f"Removed {len(removed)} of {len(arns)}")
        except MycliError:
            output.warn(f"Removed {len(removed)} of {len(arns)}: the same command goes on")
            raise
    return removed, kept


def _short(arn: str) -> str:
    """Its family and revision."""
    return arn.rpartition("/")[2]


def _tell(chosen: int, removed: int, left: int, *, dry_run: bool) -> None:
    from mycli.stack.telling import counted

    if not chosen:
        output.done(f"Nothing to remove; {counted(left, 'task definition')} left")
    elif dry_run:
        number = counted(chosen, "task definition")
        output.done(f"Would remove {number}, unless in use by then; {left} would be left")
    else:
        of = "" if removed == chosen else f" of {chosen}, the others stay"
        output.done(f"Removed {counted(removed, 'task definition')}{of}; {left} left")
