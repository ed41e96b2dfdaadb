"""mycli registry-logout: forget a stack's login to a private registry."""

from __future__ import annotations

from typing import Annotated

import typer

from mycli import output
from mycli.commands import Json, Local, Region, StackName, State
from mycli.errors import StackError


def registry_logout(
    host: Annotated[
        str,
        typer.Argument(
            metavar="HOST", help="As `mycli credentials list` has it.", show_default=False
        ),
    ],
    *,
    stack_name: StackName = "mycli",
    local: Local = False,
    region: Region = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Forget a stack's login to a private registry.

    Its secret is deleted. Executions that run are not touched.

    \b
    mycli registry-logout ghcr.io
    """
    from mycli.local.where import find
    from mycli.stack.registries import checked_host
    from mycli.stack.telling import interruptible

    name = checked_host(host)
    where = find(stack_name, local=local, region=region, state=state)
    _, known = where.held()
    if name not in known:
        hint = f"there are: {', '.join(known)}" if known else "it has none"
        raise StackError(f"the stack {stack_name} has no login of {name}", hint)
    with interruptible():
        where.set_registry(name, None, output.step)
    output.done(f"Forgot the login at {name}")
    if as_json:
        output.json_document({"stack_name": stack_name, "registries": where.held()[1]})
