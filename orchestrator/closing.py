"""A stack that is being destroyed: while the item `closing` is there, nothing new is made in it."""

from __future__ import annotations

from orchestrator.items import key_of
from orchestrator.settings import Runtime
from orchestrator.wire import WireError


def being_destroyed() -> WireError:
    """What refuses whatever a destroy under way would leave behind."""
    return WireError(409, "this stack is being destroyed", "nothing new can be made in it")


def is_closing(runtime: Runtime) -> bool:
    found = runtime.dynamodb.get_item(
        TableName=runtime.settings.table, Key=key_of("closing"), ConsistentRead=True
    )
    return "Item" in found
