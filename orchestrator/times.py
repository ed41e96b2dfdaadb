"""Times as records and answers have them: ISO 8601 in UTC, to the second."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


def created_seconds(execution_id: str) -> int:
    """When the execution was made: the first 8 hex digits of its id."""
    return int(execution_id[:8], 16)


def month_of(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m")
