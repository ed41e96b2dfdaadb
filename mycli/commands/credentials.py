"""mycli credentials: those of a stack for git, and a look at those for registries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import click
import typer

from mycli import output
from mycli.commands import Json, Local, Region, StackName, State
from mycli.errors import UsageError
from mycli.stack.credentials import CREDENTIALS, Credential

if TYPE_CHECKING:
    from mycli.local.where import Where

app = typer.Typer(
    help="A stack's credentials for git; those for registries are listed.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class _Kind(click.Choice[str]):
    def get_invalid_choice_message(self, value: object, ctx: click.Context | None) -> str:
        said = super().get_invalid_choice_message(value, ctx)
        return f"{said} For a registry: `mycli registry-login`, `mycli registry-logout`."


_Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        click_type=_Kind([credential.name for credential in CREDENTIALS]),
        help=", ".join(credential.name for credential in CREDENTIALS) + ".",
        show_default=False,
    ),
]


@app.command("set")
def set_(
    name: _Name,
    *,
    file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Read it from here; - is stdin.")
    ] = None,
    stack_name: StackName = "mycli",
    local: Local = False,
    region: Region = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Add a git credential, or replace it.

    It is kept as an SSM SecureString, and reaches a task only while it clones. Executions that run
    are not touched; those that come next have it.

    \b
    mycli credentials set github-token
    mycli credentials set ssh-private-key --file ~/.ssh/deploy_key
    """
    from mycli.stack.telling import ask_for_credential, read_credential

    credential = _named(name)
    where = _find(stack_name, local, region, state)
    text = read_credential(credential, file) if file else ask_for_credential(credential)
    if not text:
        raise UsageError(
            f"no {credential.title} was given", "`mycli credentials remove` takes away"
        )
    _change(where, credential, text, as_json)


@app.command()
def remove(
    name: _Name,
    *,
    stack_name: StackName = "mycli",
    local: Local = False,
    region: Region = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Take a git credential away from a stack."""
    _change(_find(stack_name, local, region, state), _named(name), "", as_json)


@app.command("list")
def list_(
    *,
    stack_name: StackName = "mycli",
    local: Local = False,
    region: Region = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Show what a stack has credentials for.

    Listed are the kinds for git, and the hosts of registries; never what they are.
    """
    where = _find(stack_name, local, region, state)
    have, hosts = where.held()
    if as_json:
        document = {"stack_name": stack_name, "git_credentials": have, "registries": hosts}
        output.json_document(document)
        return
    for credential in CREDENTIALS:
        if credential.kind in have:
            output.result(credential.name)
    for host in hosts:
        output.result(f"registry {host}")
    if not have:
        output.story("none for git: only public repositories can be cloned")
    if not hosts:
        output.story("none for registries: only public images, and those in ECR, can be pulled")


def _find(stack_name: str, local: bool, region: str | None, state: str | None) -> Where:
    from mycli.local.where import find

    return find(stack_name, local=local, region=region, state=state)


def _named(name: str) -> Credential:
    return next(credential for credential in CREDENTIALS if credential.name == name)


def _change(where: Where, credential: Credential, text: str, as_json: bool) -> None:
    from mycli.stack.telling import interruptible

    with interruptible():
        where.set_git_credential(credential.kind, text, output.step)
    output.done(f"{credential.title} {'kept' if text else 'taken away'}")
    if as_json:
        document = {"stack_name": where.stack_name, "git_credentials": where.held()[0]}
        output.json_document(document)
