"""FilterLogEvents on this machine: what the AWS CLI and others read logs by."""

from __future__ import annotations

import time
from typing import Any

from tests.local.conftest import LOG_GROUP, Running


def put(running: Running, stream: str, *events: tuple[int, str]) -> None:
    logs = running.clients("logs")
    logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName=stream)
    said = [{"timestamp": at, "message": message} for at, message in events]
    logs.put_log_events(logGroupName=LOG_GROUP, logStreamName=stream, logEvents=said)


def asked(running: Running, **query: Any) -> list[list[str]]:
    """The messages, a list for each page."""
    paginator = running.clients("logs").get_paginator("filter_log_events")
    pages = paginator.paginate(logGroupName=LOG_GROUP, **query)
    return [[event["message"] for event in page["events"]] for page in pages]


def test_every_event_comes_once_over_pages_and_streams_in_the_order_of_time(
    running: Running,
) -> None:
    now = int(time.time() * 1000)
    put(running, "filter/a", *[(now + 2 * number, f"a{number}") for number in range(5)])
    put(running, "filter/b", *[(now + 2 * number + 1, f"b{number}") for number in range(3)])

    pages = asked(running, logStreamNamePrefix="filter/", PaginationConfig={"PageSize": 3})

    assert pages == [["a0", "b0", "a1"], ["b1", "a2", "b2"], ["a3", "a4"]]
    assert asked(running, logStreamNames=["filter/b"]) == [["b0", "b1", "b2"]]


def test_only_what_is_of_the_time_and_matches(running: Running) -> None:
    now = int(time.time() * 1000)
    put(
        running,
        "times",
        *[(now + number, f"{number} {'odd' * (number % 2)}") for number in range(9)],
    )
    where = {"logStreamNames": ["times"]}

    assert asked(running, **where, startTime=now + 7) == [["7 odd", "8 "]]
    assert asked(running, **where, startTime=now + 2, endTime=now + 3) == [["2 ", "3 odd"]]
    assert asked(running, **where, filterPattern="odd", endTime=now + 4) == [["1 odd", "3 odd"]]


def test_a_stream_of_more_than_a_page_comes_whole(running: Running) -> None:
    now = int(time.time() * 1000)
    put(running, "long", *[(now, f"line {number:05}") for number in range(10_000)])
    said = [{"timestamp": now, "message": "the last"}]
    running.clients("logs").put_log_events(
        logGroupName=LOG_GROUP, logStreamName="long", logEvents=said
    )

    pages = asked(running, logStreamNames=["long"])

    assert [len(page) for page in pages] == [10_000, 1]
    assert pages[1] == ["the last"]
