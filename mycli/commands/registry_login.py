"""mycli registry-login: let a stack's tasks pull from a private registry."""

from __future__ import annotations

from typing import Annotated

import typer

from mycli import output
from mycli.commands import Json, Local, Region, StackName, State
from mycli.errors import UsageError


def registry_login(
    host: Annotated[
        str,
        typer.Argument(
            metavar="HOST", help="docker.io, ghcr.io, registry.example:5000.", show_default=False
        ),
    ],
    *,
    username: Annotated[
        str, typer.Option(metavar="NAME", help="Who logs in; for a token, often any name.")
    ],
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password or token from stdin.")
    ] = False,
    stack_name: StackName = "mycli",
    local: Local = False,
    region: Region = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Let a stack's tasks pull images from a private registry.

    The password is asked for, or read from stdin; a token that may only read is enough. It is kept
    in AWS Secrets Manager, where only ECS reads it. Executions that come next use it for every
    image of that host. ECR needs no login.

    \b
    mycli registry-login ghcr.io --username me
    pass ghcr-token | mycli registry-login ghcr.io --username me --password-stdin
    """
    from mycli.local.where import find
    from mycli.stack.registries import RegistryLogin, checked_host
    from mycli.stack.telling import interruptible

    name = checked_host(host)
    where = find(stack_name, local=local, region=region, state=state)
    if where.is_own_registry(name):
        hint = "what `mycli build --push` pushed can be pulled already"
        raise UsageError(f"{name} takes no login: it is the registry of this very account", hint)
    password = _read_password() if password_stdin else _ask_for_password(username, name)
    login = RegistryLogin(username=username, password=password)
    with interruptible():
        where.set_registry(name, login, output.step)
    output.done(f"Kept the login of {username} at {name}: the next image from there is its test")
    if not where.pulls_images():
        output.warn(
            "Tasks run as processes here, and no image is pulled: the login is kept, and nobody "
            "uses it. With Docker or Podman: `mycli init --local --runtime container`"
        )
    if as_json:
        output.json_document({"stack_name": stack_name, "registries": where.held()[1]})


def _read_password() -> str:
    from mycli import prompts
    from mycli.stack.registries import MAX_BYTES

    return prompts.read_secret("-", MAX_BYTES).removesuffix("\n")


def _ask_for_password(username: str, host: str) -> str:
    from mycli import prompts
    from mycli.stack.telling import can_ask

    if not can_ask():
        raise UsageError("there is nobody to ask for the password", "--password-stdin reads it")
    return prompts.ask_hidden(f"Password or token of {username} at {host} (not shown): ")
