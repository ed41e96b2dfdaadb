"""The two ways in which CloudWatch Logs is read, in pages as AWS has them.

What they read is in log_streams.py: a stream's events are in order, and a slice of them is cheap.
"""

from __future__ import annotations

import bisect
import heapq
import json
from collections.abc import Iterator, Sequence
from typing import Any

from mycli.local import emulator

PAGE_BYTES = 1024 * 1024  # a page has 1 MB or 10,000 events, whichever comes first
PAGE_EVENTS = 10_000

Event = dict[str, Any]


def get_log_events(data: Event) -> Any:
    """GetLogEvents with AWS's limit of 1 MB a page; a token is the number of an event."""
    logs = emulator.service("cloudwatch_logs")
    group_name, stream_name = logs._resolve_log_group_name(data), data.get("logStreamName")
    group = logs._log_groups.get(group_name)
    if group is None or stream_name not in group["streams"]:
        missing = "log stream" if group else "log group"
        reason = f"The specified {missing} does not exist."
        return logs.error_response_json("ResourceNotFoundException", reason, 400)
    events = group["streams"][stream_name]["events"]
    limit = min(data.get("limit", PAGE_EVENTS), PAGE_EVENTS)
    token = data.get("nextToken") or ("f/0" if data.get("startFromHead") else f"b/{len(events)}")
    direction, _, place = token.partition("/")
    if direction not in ("f", "b") or not place.isdecimal():
        reason = "The specified nextToken is invalid."
        return logs.error_response_json("InvalidParameterException", reason, 400)
    at = min(int(place), len(events))
    first = at if direction == "f" else max(0, at - limit)
    last = events.page_end(first, limit) if direction == "f" else at
    tokens = {"nextForwardToken": f"f/{last}", "nextBackwardToken": f"b/{first}"}
    status, headers, rest = logs.json_response(tokens)
    return status, headers, b'{"events":[' + events.documents(first, last) + b"]," + rest[1:]


def filter_log_events(data: Event) -> Any:
    """FilterLogEvents in pages, as AWS has them: the emulator answers the first 10,000 events only.

    The token says for each stream how far it was read.
    """
    logs = emulator.service("cloudwatch_logs")
    group_name = logs._resolve_log_group_name(data)
    group = logs._log_groups.get(group_name)
    if group is None:
        reason = f"The specified log group does not exist: {group_name}"
        return logs.error_response_json("ResourceNotFoundException", reason, 400)
    matches = logs._compile_filter_pattern(data.get("filterPattern") or "")
    prefix, streams = data.get("logStreamNamePrefix") or "", group["streams"]
    names = data.get("logStreamNames") or [name for name in streams if name.startswith(prefix)]
    try:
        reached: dict[str, int] = json.loads(data.get("nextToken") or "{}")
        parts = [
            _in_time(streams[name]["events"], name, int(reached.get(name, 0)), data)
            for name in names
            if name in streams
        ]
    except (ValueError, TypeError, AttributeError):
        reason = "The specified nextToken is invalid."
        return logs.error_response_json("InvalidParameterException", reason, 400)
    found: list[Event] = []
    size, most = 0, min(data.get("limit", PAGE_EVENTS), PAGE_EVENTS)
    token = {}
    for number, name, event in heapq.merge(*parts, key=lambda part: part[2]["timestamp"]):
        if len(found) == most or (found and size + len(event["message"]) > PAGE_BYTES):
            token = {"nextToken": json.dumps(reached)}
            break
        reached[name] = number + 1
        if matches(event["message"]):
            found.append({**event, "logStreamName": name})
            size += len(event["message"])
    return logs.json_response({"events": found, "searchedLogStreams": [], **token})


def _in_time(
    events: Sequence[Event], name: str, first: int, data: Event
) -> Iterator[tuple[int, str, Event]]:
    """The events from `first` on that the query's times take in, read as they are asked for."""

    def milliseconds(event: Event) -> int:
        return event["timestamp"]

    if data.get("startTime") is not None:
        first = max(first, bisect.bisect_left(events, data["startTime"], key=milliseconds))
    last = len(events)
    if data.get("endTime") is not None:
        last = bisect.bisect_right(events, data["endTime"], key=milliseconds)
    for at in range(first, last, PAGE_EVENTS):
        for number, event in enumerate(events[at : min(at + PAGE_EVENTS, last)], at):
            yield number, name, event
