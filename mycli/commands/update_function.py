"""mycli update-function: replace the function's code."""

from __future__ import annotations

from mycli import output
from mycli.commands import Json, Region, StackName, State
from mycli.errors import UsageError


def update_function(
    stack_name: StackName = "mycli",
    region: Region = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Replace the code of a stack's function.

    It becomes this version's; nothing else changes. `mycli init` does that, too, and brings the
    rest up to date.

    \b
    mycli update-function --stack-name dev --region eu-west-1
    """
    from mycli.local.where import find
    from mycli.stack.telling import interruptible, tell_changes

    where = find(stack_name, local=False, region=region, state=state)
    if where.local:
        raise UsageError(
            f"the stack {stack_name} is on this machine", "there it is: mycli init --local"
        )
    with interruptible():
        changes = where.stack().update_function(output.step)
    tell_changes(changes.created, changes.updated, changes.deleted)
    if as_json:
        output.json_document({"stack_name": stack_name, "updated": bool(changes.updated)})
