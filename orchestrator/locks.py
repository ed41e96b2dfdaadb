"""One at a time, over all processes of the function: an item of the table, under a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from orchestrator import refusals
from orchestrator.items import key_of
from orchestrator.settings import Runtime, log

# Longer than what it guards takes. Whoever dies with it holds the others up for no longer.
HELD_SECONDS = 5
_LOOK_SECONDS = 0.1

Result = TypeVar("Result")


def alone(runtime: Runtime, name: str, work: Callable[[], Result]) -> Result:
    """Do this work when nobody else is at work under this name, or when HELD_SECONDS have passed.

    Two calls to AWS. It spares work that is done twice, and nothing more may hang on it.
    """
    key = key_of(f"lock#{name}")
    owner = runtime.random_hex(8)
    looks = 0
    while not (held := _take(runtime, key, owner)) and looks * _LOOK_SECONDS < HELD_SECONDS:
        runtime.sleep(_LOOK_SECONDS)
        looks += 1
    try:
        result = work()
    except Exception:
        if held:
            _give_back(runtime, key, owner)
        raise
    if held:
        _give_back(runtime, key, owner)
    return result


def _take(runtime: Runtime, key: dict[str, Any], owner: str) -> bool:
    now = int(runtime.now())
    until = {"N": str(now + HELD_SECONDS)}
    try:
        runtime.dynamodb.put_item(
            TableName=runtime.settings.table,
            Item={**key, "owner": {"S": owner}, "held_until": until, "expires_at": until},
            # One from before the clock was set back holds nobody up.
            ConditionExpression="attribute_not_exists(execution_id)"
            " OR NOT held_until BETWEEN :now AND :until",
            ExpressionAttributeValues={":now": {"N": str(now)}, ":until": until},
        )
    except runtime.dynamodb.exceptions.ConditionalCheckFailedException:
        return False
    return True


def _give_back(runtime: Runtime, key: dict[str, Any], owner: str) -> None:
    try:
        runtime.dynamodb.delete_item(
            TableName=runtime.settings.table,
            Key=key,
            ConditionExpression="#owner = :owner",
            ExpressionAttributeNames={"#owner": "owner"},
            ExpressionAttributeValues={":owner": {"S": owner}},
        )
    except refusals.AWS_ERRORS as error:  # it ends by itself
        log(message=f"could not give a lock back: {type(error).__name__}")
