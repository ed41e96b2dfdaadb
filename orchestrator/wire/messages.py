"""What requests, answers and refusals are made of, and how they are sent."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

API_KEY_HEADER = "X-API-Key"
API_KEY_PATTERN = re.compile(r"sk_live_[0-9a-f]{64}")
MAX_BODY_BYTES = 64 * 1024


class WireError(Exception):
    """A request that is refused: `{"error": ..., "hint": ...}` with an HTTP status."""

    def __init__(
        self, status: int, error: str, hint: str = "", retry_after_seconds: int | None = None
    ) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.hint = hint
        self.retry_after_seconds = retry_after_seconds

    def to_json(self) -> dict[str, Any]:
        return {"error": self.error, "hint": self.hint} if self.hint else {"error": self.error}


def invalid(name: str, wrong: str, allowed: str) -> WireError:
    """A 400 that names the field, what it is or has, and (as the hint) what is allowed."""
    return WireError(400, f"invalid request: {name} {wrong}", f"{name} must be {allowed}")


@dataclass(frozen=True, kw_only=True)
class Request:
    """One action. Making one checks every field: a WireError (400) names what is wrong."""

    action: ClassVar[str]

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if value is not None and (check := item.metadata.get("check")):
                object.__setattr__(self, item.name, check(item.name, value))
            elif value is None and (allowed := item.metadata.get("required")):
                raise invalid(item.name, "is missing", allowed)

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Self:
        """Read a request; a null counts as absent, an unknown field is ignored."""
        known = {item.name for item in dataclasses.fields(cls)}
        given = {name: value for name, value in data.items() if name in known}
        return cls(**{name: value for name, value in given.items() if value is not None})

    def to_json(self) -> dict[str, Any]:
        """The request's body: `action` and every field that is not null."""
        fields = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        return {"action": self.action} | {n: v for n, v in fields.items() if v is not None}


@dataclass(frozen=True, kw_only=True)
class Response:
    """What an action answers. A field that an older function does not send has its default."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        known = {item.name for item in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def json_type(value: object) -> str:
    names: dict[type, str] = {
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a string",
    }
    names |= {list: "an array", dict: "an object", type(None): "null"}
    return names.get(type(value), type(value).__name__)
