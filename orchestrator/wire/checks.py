"""What any field may hold. Each check raises the 400 that says so."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import field
from datetime import datetime
from typing import Any

from orchestrator.wire.messages import invalid, json_type


def is_text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise invalid(name, f"is {json_type(value)}", "a string")
    if "\x00" in value:
        raise invalid(name, "holds a NUL character", "text without NUL characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise invalid(name, "is not valid Unicode", "text that UTF-8 can carry") from None
    return value


def is_whole(name: str, value: object, low: int, high: int) -> int:
    allowed = f"a whole number from {low} to {high}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid(name, f"is {json_type(value)}", allowed)
    if not low <= value <= high:
        raise invalid(name, f"is {value}", allowed)
    return value


def matches(name: str, value: object, pattern: re.Pattern[str], allowed: str) -> str:
    text = is_text(name, value)
    if not pattern.fullmatch(text):
        raise invalid(name, f"is {text[:80]!r}", allowed)
    return text


def is_time(name: str, value: object) -> str:
    text = is_text(name, value)
    try:
        if datetime.fromisoformat(text).tzinfo is None:
            raise ValueError
    except ValueError:
        allowed = "a time with its zone, such as 2026-01-31T12:00:00Z"
        raise invalid(name, f"is {text[:80]!r}", allowed) from None
    return text


def is_boolean(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise invalid(name, f"is {json_type(value)}", "true or false")
    return value


def is_token(name: str, value: object) -> str:
    text = is_text(name, value)
    if not text:
        raise invalid(name, "is empty", "what an earlier page answered, or left out")
    return text


def checked(
    check: Callable[[str, object], object], default: Any = None, *, required: str = ""
) -> Any:
    """A request's field. required: what is allowed, where the field must be given."""
    return field(default=default, metadata={"check": check, "required": required})


def whole(low: int, high: int, default: int | None = None) -> Any:
    return checked(lambda name, value: is_whole(name, value, low, high), default)


def text(pattern: re.Pattern[str], allowed: str, *, required: bool = False) -> Any:
    def check(name: str, value: object) -> str:
        return matches(name, value, pattern, allowed)

    return checked(check, required=allowed if required else "")
