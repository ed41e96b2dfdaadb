"""mycli init: make a stack."""

from __future__ import annotations

from typing import Annotated

import click
import typer

from mycli import output
from mycli.commands import Json
from mycli.errors import StackError

_Secret = Annotated[
    str | None, typer.Option(metavar="FILE", help="Git credential; - reads stdin, empty removes.")
]
_Host = Annotated[str | None, typer.Option(metavar="HOST", help="A server of your own.")]


def init(
    *,
    local: Annotated[
        bool, typer.Option("--local", help="In an account on this machine, without AWS.")
    ] = False,
    stack_name: Annotated[str, typer.Option(metavar="NAME", help="The stack's name.")] = "mycli",
    runtime: Annotated[
        str | None,
        typer.Option(
            click_type=click.Choice(["process", "container"]),
            help="How tasks run. [default: container where Docker or Podman answers]",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Do not ask.")] = False,
    image: Annotated[str | None, typer.Option(metavar="IMAGE", help="Default image.")] = None,
    github_token_file: _Secret = None,
    gitlab_token_file: _Secret = None,
    ssh_key_file: _Secret = None,
    github_host: _Host = None,
    gitlab_host: _Host = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="The profile to save it as.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a stack, or bring the one that is there up to date.

    Its API key is made here, and saved in ~/.mycli/config.yaml. Running it again changes only what
    differs and keeps the key; it also finishes what was interrupted.

    \b
    mycli init --local
    mycli init --local --stack-name dev --github-token-file token.txt
    """
    if not local:
        raise StackError(
            "this version cannot make a stack in AWS", "try it on this machine: mycli init --local"
        )
    from mycli.local import stacks, telling
    from mycli.stack.telling import interruptible, read_credentials

    files = {
        "github_token": github_token_file,
        "gitlab_token": gitlab_token_file,
        "ssh_private_key": ssh_key_file,
    }
    options = stacks.Options(
        stack_name=stack_name,
        profile=profile,
        runtime=runtime,
        image=image,
        github_host=github_host,
        gitlab_host=gitlab_host,
        credentials=read_credentials(files),
    )
    stacks.check(options)
    if not force and not stacks.exists(stack_name):
        telling.ask_before_making(options)
    with interruptible():
        made = stacks.up(options, output.step)
    if as_json:
        output.json_document(telling.made_document(made))
    else:
        telling.tell_made(made)
