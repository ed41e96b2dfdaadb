"""One file a verb. Here: the flags and the client that all have, and what several say alike."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, TypeVar, cast

import typer

from mycli import output

if TYPE_CHECKING:
    from types import ModuleType

    from mycli.client import Client
    from mycli.columns import Cut
    from orchestrator.wire import TaskDefinition

Item = TypeVar("Item")

TELL_SECONDS = 2.0
WANTS_JSON = "mycli.wants_json"  # in the root context's meta: errors are documents, too


def _remember(ctx: typer.Context, value: bool) -> bool:
    ctx.find_root().meta[WANTS_JSON] = value
    return value


def _profile_names(incomplete: str) -> list[str]:
    from mycli.config import load_profiles
    from mycli.errors import MycliError

    try:
        return [name for name in load_profiles() if name.startswith(incomplete)]
    except MycliError:
        return []


Profile = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The stack to talk to, as named in ~/.mycli/config.yaml.",
        autocompletion=_profile_names,
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="One JSON document on stdout.", callback=_remember)
]
StackName = Annotated[str, typer.Option(metavar="NAME", help="The stack's name.")]
Local = Annotated[bool, typer.Option("--local", help="In an account on this machine, without AWS.")]
Region = Annotated[
    str | None,
    typer.Option(metavar="REGION", help="AWS region. [default: as AWS is set up, else us-east-2]"),
]
State = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Pulumi's state: `file`, or a backend. [default: a bucket]"),
]
Name = Annotated[
    str, typer.Argument(metavar="EXECUTION", help="Its id, or its task's ARN.", show_default=False)
]


_AGO = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def duration(text: str) -> timedelta | None:
    """The time in `30m`, `2h`, `7d` or `4w`; None where it is not written so."""
    found = _AGO.fullmatch(text)
    return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None


def day(time: str | None) -> str:
    """The day of an ISO 8601 time, for a table; JSON has the time itself."""
    return (time or "")[:10]


DEFINITION_COLUMNS: Mapping[str, Cut] = {
    "FAMILY": "start",
    "REV": "never",
    "IMAGE": "start",
    "STATUS": "never",
    "REGISTERED": "never",
    "LAST USED": "never",
}


def definition_row(item: TaskDefinition) -> tuple[str, ...]:
    """What a table of task definitions tells of one, in its columns."""
    return (
        item.family,
        str(item.revision),
        f"{item.image} (template)" if item.template else item.image,
        item.status,
        day(item.registered_at),
        day(item.last_used_at),
    )


def counting(items: Iterable[Item], clock: Callable[[], float] = time.monotonic) -> Iterator[Item]:
    """The items as they come; says every few seconds how many there were."""
    told_at = clock()
    for number, item in enumerate(items, 1):
        yield item
        if clock() - told_at > TELL_SECONDS:
            output.step(f"{number} so far...")
            told_at = clock()


def connect(profile: str | None) -> Client:
    """A client that says on stderr when and why it waits."""
    # httpx would load a command line of its own with all of rich, and HTTP/2, which it then does
    # not speak unless it is told to: together two fifths of our start.
    for unused in ("httpx._main", "h2"):
        sys.modules.setdefault(unused, cast("ModuleType", None))
    from mycli.client import Client

    return Client(profile, on_wait=output.warn)


def of_profile(profile: str | None) -> str:
    """What a command line shown to the user needs, so that it reaches the same stack."""
    return f" --profile {profile}" if profile else ""
