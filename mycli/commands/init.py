"""mycli init: make a stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import click
import typer

from mycli import output
from mycli.commands import Json, Local, Region, StackName, State
from mycli.errors import UsageError

if TYPE_CHECKING:
    from mycli.local.stacks import Options
    from mycli.stack.automation import Settings, Stack

_Secret = Annotated[
    str | None, typer.Option(metavar="FILE", help="Git credential; - reads stdin, empty removes.")
]
_Host = Annotated[str | None, typer.Option(metavar="HOST", help="A server of your own.")]


def init(
    *,
    local: Local = False,
    stack_name: StackName = "mycli",
    region: Region = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            click_type=click.Choice(["process", "container"]),
            help="With --local, how tasks run. [default: container with Docker or Podman]",
        ),
    ] = None,
    image: Annotated[str | None, typer.Option(metavar="IMAGE", help="Default image.")] = None,
    github_token_file: _Secret = None,
    gitlab_token_file: _Secret = None,
    ssh_key_file: _Secret = None,
    github_host: _Host = None,
    gitlab_host: _Host = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="The profile to save it as.")
    ] = None,
    state: State = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show what it would do, and do nothing.")
    ] = False,
    rotate_key: Annotated[
        bool, typer.Option("--rotate-key", help="Make a new API key; the old one ends.")
    ] = False,
    unlock: Annotated[
        bool, typer.Option("--unlock", help="Clear the lock that a crash left.")
    ] = False,
    print_policy: Annotated[
        bool, typer.Option("--print-policy", help="Print the IAM permissions it needs.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Make a stack, or bring the one that is there up to date.

    It is made in your AWS account, or with --local on this machine. Its API key is drawn here and
    saved in ~/.mycli/config.yaml. Running it again changes only what differs and keeps the key; it
    also finishes what was interrupted. AWS's credentials are found as by the AWS CLI: AWS_PROFILE,
    its files, single sign-on.

    \b
    mycli init --region eu-west-1
    mycli init --stack-name dev --github-token-file token.txt
    mycli init --local
    """
    from mycli.stack.telling import read_credentials

    files = {
        "github_token": github_token_file,
        "gitlab_token": gitlab_token_file,
        "ssh_private_key": ssh_key_file,
    }
    in_aws = {
        "--region": region,
        "--state": state,
        "--preview": preview,
        "--rotate-key": rotate_key,
        "--unlock": unlock,
        "--print-policy": print_policy,
    }
    _refuse(in_aws if local else {"--runtime": runtime}, local=local)
    wanted: dict[str, Any] = {
        "github_host": github_host,
        "gitlab_host": gitlab_host,
        "credentials": read_credentials(files),
    }
    if local:
        from mycli.local.stacks import Options

        options = Options(
            stack_name=stack_name, profile=profile, runtime=runtime, image=image, **wanted
        )
        _on_this_machine(options, force=force, as_json=as_json)
        return
    from mycli.stack import dialogue, setup
    from mycli.stack.telling import interruptible

    stack, name = setup.find(stack_name, profile, region, state)
    settings = setup.Settings(default_image=image, **wanted, rotate_key=rotate_key)
    if print_policy:
        output.json_document(setup.operator_policy(stack))
        return
    if unlock:
        dialogue.unlock(stack, force=force)
    if preview:
        _preview(stack, settings, as_json=as_json)
        return
    settings = dialogue.ask_before_making(stack, settings, force=force)
    with interruptible():
        made = setup.up(stack, settings, name, output.step)
    if as_json:
        output.json_document(dialogue.made_document(made))
    else:
        dialogue.tell_made(made)


def _preview(stack: Stack, settings: Settings, *, as_json: bool) -> None:
    from mycli.stack import dialogue

    found = stack.preview(settings, output.step)
    if as_json:
        output.json_document(dialogue.preview_document(stack, found))
    else:
        dialogue.tell_preview(found)


def _refuse(flags: Mapping[str, object], *, local: bool) -> None:
    """Raise UsageError for a flag that has no meaning where the stack is to be."""
    if given := [name for name, value in flags.items() if value]:
        goes = "does not go with" if local else "goes only with"
        raise UsageError(f"{given[0]} {goes} --local")


def _on_this_machine(options: Options, *, force: bool, as_json: bool) -> None:
    from mycli.local import stacks, telling
    from mycli.stack.telling import interruptible

    stacks.check(options)
    if not force and not stacks.exists(options.stack_name):
        telling.ask_before_making(options)
    with interruptible():
        made = stacks.up(options, output.step)
    if as_json:
        output.json_document(telling.made_document(made))
    else:
        telling.tell_made(made)
