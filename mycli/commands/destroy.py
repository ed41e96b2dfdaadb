"""mycli destroy: delete a stack."""

from __future__ import annotations

from typing import Annotated

import typer

from mycli import output
from mycli.commands import Json, Local, Region, StackName, State


def destroy(
    *,
    stack_name: StackName = "mycli",
    local: Local = False,
    region: Region = None,
    state: State = None,
    unlock: Annotated[
        bool, typer.Option("--unlock", help="Clear the lock that a crash left.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Do not ask.")] = False,
    keep_config: Annotated[
        bool, typer.Option("--keep-config", help="Keep its profile in the configuration.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Delete a stack, and leave nothing behind.

    New executions are refused, running tasks are stopped, and its resources, records, logs, task
    definitions and the images built for it are deleted; other stacks are not touched. Running it
    again finishes what was interrupted. The account on this machine, and the bucket of Pulumi's
    state in AWS, go with their last stack.

    \b
    mycli destroy
    mycli destroy --stack-name dev --region eu-west-1
    """
    from mycli.local.where import find
    from mycli.stack.telling import interruptible

    where = find(stack_name, local=local, region=region, state=state)
    if where.local:
        _on_this_machine(stack_name, force=force, keep_config=keep_config, as_json=as_json)
        return
    from mycli.stack import dialogue, setup

    stack = where.stack()
    if unlock:
        dialogue.unlock(stack, force=force)
    if not force:
        dialogue.ask_before_destroying(stack)
    with interruptible():
        gone = setup.destroy(stack, keep_config, output.step)
    if as_json:
        output.json_document(dialogue.gone_document(stack_name, gone))
    else:
        dialogue.tell_gone(gone)


def _on_this_machine(stack_name: str, *, force: bool, keep_config: bool, as_json: bool) -> None:
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
