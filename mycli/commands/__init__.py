"""One file a verb. Here: the flags that all of them have, and the client they talk through."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from types import ModuleType

    from mycli.client import Client

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
    str | None, typer.Option(metavar="REGION", help="AWS region. [default: as AWS is set up]")
]
State = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Pulumi's state: `file`, or a backend. [default: a bucket]"),
]
Name = Annotated[
    str, typer.Argument(metavar="EXECUTION", help="Its id, or its task's ARN.", show_default=False)
]


def connect(profile: str | None) -> Client:
    """A client that says on stderr when and why it waits."""
    # With it, httpx would load a command line of its own, and all of rich: a third of our start.
    sys.modules.setdefault("httpx._main", cast("ModuleType", None))
    from mycli import output
    from mycli.client import Client

    return Client(profile, on_wait=output.warn)


def of_profile(profile: str | None) -> str:
    """What a command line shown to the user needs, so that it reaches the same stack."""
    return f" --profile {profile}" if profile else ""
