"""Items of the table in DynamoDB's own form, and in ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def key_of(execution_id: str) -> dict[str, Any]:
    return {"execution_id": {"S": execution_id}}


def to_item(fields: Mapping[str, Any]) -> dict[str, Any]:
    """In DynamoDB's own form; what is None is left out (an index key may not be null)."""
    return {name: _to_attribute(value) for name, value in fields.items() if value is not None}


def _to_attribute(value: str | int) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"N": str(value)} if isinstance(value, int) else {"S": value}


def from_item(item: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        name: int(attribute["N"]) if "N" in attribute else next(iter(attribute.values()))
        for name, attribute in item.items()
    }
