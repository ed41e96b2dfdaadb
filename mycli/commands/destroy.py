"""mycli destroy: delete a stack."""

from __future__ import annotations

from typing import Annotated

import typer

from mycli import output
from mycli.commands import Json


def destroy(
    stack_name: Annotated[str, typer.Option(metavar="NAME", help="The stack to delete.")] = "mycli",
    force: Annotated[bool, typer.Option("--force", help="Do not ask.")] = False,
    keep_config: Annotated[
        bool, typer.Option("--keep-config", help="Keep its profile in the configuration.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Delete a stack, and leave nothing behind.

    New executions are refused, running tasks are stopped, and its resources, records, logs and
    task definitions are deleted; other stacks are not touched. Running it again finishes what was
    interrupted. The account on this machine goes with its last stack.
    """
    from mycli.local import teardown, telling
    from mycli.stack.telling import interruptible

    teardown.find(stack_name)
    if not force:
        telling.ask_before_destroying(stack_name, teardown.is_last(stack_name))
    with interruptible():
        gone = teardown.destroy(stack_name, keep_config, output.step)
    if as_json:
        output.json_document(telling.gone_document(stack_name, gone))
    else:
        telling.tell_gone(gone)
