from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict
from botocore.stub import Stubber

from orchestrator.logs import (
    LATE_LOOKS,
    LINES_TOGETHER,
    MAX_ANSWER_BYTES,
    MAX_REMEMBERED,
)
from orchestrator.wire import begin_marker, end_marker
from tests.orchestrator.conftest import Account, Hooks, api_event, new_task_arn, task_event

AT = 1_790_000_000_123
PAGE_EVENTS = 10_000


def logs_answer(messages: list[str], token: str) -> dict[str, Any]:
    return {
        "events": [{"timestamp": AT, "message": message} for message in messages],
        "nextForwardToken": token,
        "nextBackwardToken": "b/0",
    }


def started(account: Account) -> tuple[str, str]:
    execution_id = account.start()
    return execution_id, account.task_arn(execution_id)


def finish(account: Account, execution_id: str, task_arn: str, exit_code: int = 0) -> None:
    ended = {"containers": [{"name": "executor", "exitCode": exit_code}]}
    account.tell(task_event(execution_id, task_arn, "STOPPED", **ended))


def pages(account: Account, **fields: object) -> Iterator[dict[str, Any]]:
    """Page after page until done, as a client reads them."""
    token = None
    for _ in range(100):
        page = account.ok("logs", next_token=token, **fields)
        yield page
        if page["done"]:
            return
        token = page["next_token"]
        account.clock.seconds += 1
    raise AssertionError("the logs have no end")


def test_a_page_has_the_seeds_text_and_the_events(account: Account) -> None:
    execution_id, task_arn = started(account)
    stream = "task/executor/" + task_arn.rpartition("/")[2]
    asked = {
        "logGroupName": "/aws/mycli/mycli",
        "logStreamName": stream,
        "startFromHead": True,
        "limit": 1000,
    }
    with Stubber(account.runtime.logs) as logs:
        logs.add_response("get_log_events", logs_answer(["one", "\n", "zwei ✓\n"], "f/2"), asked)
        answer = account.ok("logs", execution_id=execution_id)

    assert answer == {
        "logs": "2026-09-21 14:13:20 UTC | one\n"
        "2026-09-21 14:13:20 UTC | \n"
        "2026-09-21 14:13:20 UTC | zwei ✓",
        "events": [
            {"at": "2026-09-21T14:13:20.123Z", "message": message}
            for message in ("one", "", "zwei ✓")
        ],
        "next_token": "f/2",
        "done": False,
        "exit_code": None,
    }


def test_the_pages_join_to_the_whole(account: Account) -> None:
    execution_id, task_arn = started(account)
    lines = [f"line {number}" for number in range(25)]
    account.write_log(task_arn, *lines)
    finish(account, execution_id, task_arn, 3)

    read = list(pages(account, execution_id=execution_id, limit=10))

    assert [event["message"] for page in read for event in page["events"]] == lines
    assert read[-1]["exit_code"] == 3
    assert not any(page["done"] for page in read[:-1])


@pytest.mark.parametrize("last", ["{}", "no final newline{}"])
def test_the_end_marker_ends_the_following_before_ecs_notices(account: Account, last: str) -> None:
    execution_id, task_arn = started(account)
    marker = end_marker(execution_id, 7)
    account.write_log(task_arn, begin_marker(execution_id), "output", last.format(marker))

    page = account.ok("logs", execution_id=execution_id)

    assert page["done"]
    assert page["exit_code"] == 7
    assert len(page["events"]) == 3


def test_the_record_of_the_exit_code_stands_over_the_marker(account: Account) -> None:
    execution_id, task_arn = started(account)
    account.write_log(task_arn, end_marker(execution_id, 0))
    finish(account, execution_id, task_arn, 137)

    assert account.ok("logs", execution_id=execution_id)["exit_code"] == 137


def test_a_marker_does_not_hide_that_there_is_no_exit_code(account: Account) -> None:
    execution_id, task_arn = started(account)
    account.write_log(task_arn, end_marker(execution_id, 0))
    account.tell(task_event(execution_id, task_arn, "STOPPED"))

    page = account.ok("logs", execution_id=execution_id)

    assert (page["done"], page["exit_code"]) == (True, None)


@pytest.mark.parametrize("line", ["[mycli ffffffffffff] exit code 0.", "[mycli {}] exit code 0. "])
def test_another_marker_ends_nothing(account: Account, line: str) -> None:
    execution_id, task_arn = started(account)
    account.write_log(task_arn, line.format(execution_id))

    assert not account.ok("logs", execution_id=execution_id)["done"]


def test_a_marker_that_cloudwatch_cut_in_two_ends_nothing_and_tells_no_exit_code(
    account: Account,
) -> None:
    execution_id, task_arn = started(account)
    marker = end_marker(execution_id, 123)
    parts = [part for cut in range(1, len(marker)) for part in (marker[:cut], marker[cut:])]
    account.write_log(task_arn, *parts)
    read = list(islice(pages(account, execution_id=execution_id, limit=1), len(parts)))

    assert [event["message"] for page in read for event in page["events"]] == parts
    assert not any(page["done"] for page in read)

    finish(account, execution_id, task_arn, 123)
    *_, last = pages(account, execution_id=execution_id)

    assert (last["events"], last["exit_code"]) == ([], 123)


def test_a_marker_with_output_after_it_does_not_cut_that_off(account: Account) -> None:
    execution_id, task_arn = started(account)
    account.write_log(task_arn, end_marker(execution_id, 0), "there is more")
    finish(account, execution_id, task_arn)

    read = list(pages(account, execution_id=execution_id, limit=10))

    assert [event["message"] for event in read[0]["events"]][-1] == "there is more"
    assert not read[0]["done"]


def test_a_stream_that_is_not_there_yet_is_an_empty_page(account: Account) -> None:
    execution_id, _ = started(account)

    assert account.ok("logs", execution_id=execution_id) == {
        "logs": "",
        "events": [],
        "next_token": None,
        "done": False,
        "exit_code": None,
    }


def test_an_empty_page_is_not_the_end(account: Account) -> None:
    execution_id, task_arn = started(account)
    account.write_log(task_arn, "one")
    first = account.ok("logs", execution_id=execution_id)

    empty = account.ok("logs", execution_id=execution_id, next_token=first["next_token"])
    assert (empty["events"], empty["done"]) == ([], False)

    account.write_log(task_arn, "two")
    more = account.ok("logs", execution_id=execution_id, next_token=empty["next_token"])
    assert [event["message"] for event in more["events"]] == ["two"]


def test_without_a_marker_late_lines_are_waited_for(account: Account) -> None:
    execution_id, task_arn = started(account)
    account.write_log(task_arn, "one")
    finish(account, execution_id, task_arn, 137)
    token = account.ok("logs", execution_id=execution_id)["next_token"]

    account.clock.seconds += LATE_LOOKS - 1
    early = account.ok("logs", execution_id=execution_id, next_token=token)
    account.clock.seconds += 1
    late = account.ok("logs", execution_id=execution_id, next_token=token)

    assert (early["done"], late["done"]) == (False, True)
    assert late["exit_code"] == 137


def test_a_finished_execution_that_never_wrote_a_line_is_done(account: Account) -> None:
    execution_id, task_arn = started(account)
    account.tell(task_event(execution_id, task_arn, "STOPPED"))
    account.clock.seconds += LATE_LOOKS

    page = account.ok("logs", execution_id=execution_id)

    assert (page["done"], page["exit_code"]) == (True, None)


def test_a_changed_token_on_an_empty_page_means_ask_again(account: Account) -> None:
    execution_id, task_arn = started(account)
    finish(account, execution_id, task_arn)
    account.clock.seconds += 3600
    with Stubber(account.runtime.logs) as logs:
        logs.add_response("get_log_events", logs_answer([], "f/2"))
        logs.add_response("get_log_events", logs_answer([], "f/2"))
        first = account.ok("logs", execution_id=execution_id, next_token="f/1")
        second = account.ok("logs", execution_id=execution_id, next_token=first["next_token"])

    assert (first["done"], second["done"]) == (False, True)


def test_an_execution_that_never_got_a_task_is_done_at_once(account: Account) -> None:
    execution_id = account.start_unanswered()
    account.forget_task(account.task_arn(execution_id))
    account.clock.seconds += 3600
    assert account.ok("status", execution_id=execution_id)["status"] == "STOPPED"
    account.calls.clear()

    page = account.ok("logs", execution_id=execution_id, wait_seconds=5)

    assert (page["done"], page["events"]) == (True, [])
    assert account.calls == ["GetItem"]


def test_a_lost_end_is_found_by_whoever_reads_the_logs(account: Account) -> None:
    execution_id, task_arn = started(account)
    account.runtime.ecs.stop_task(cluster="mycli-cluster", task=task_arn, reason="by hand")

    read = list(pages(account, execution_id=execution_id))

    assert read[-1]["done"]
    assert account.ok("status", execution_id=execution_id)["status"] == "STOPPED"


def test_a_request_is_held_until_there_is_something(account: Account) -> None:
    execution_id, task_arn = started(account)
    empty = [logs_answer([], "f/0")] * 2
    with Stubber(account.runtime.logs) as logs:
        for answer in (*empty, logs_answer(["now"], "f/1")):
            logs.add_response("get_log_events", answer)
        before = account.clock.seconds
        page = account.ok("logs", execution_id=execution_id, wait_seconds=5)

    assert [event["message"] for event in page["events"]] == ["now"]
    assert account.clock.seconds - before == 2
    assert task_arn


def test_a_request_is_held_no_longer_than_asked(account: Account) -> None:
    execution_id, task_arn = started(account)
    account.write_log(task_arn, "one")
    token = account.ok("logs", execution_id=execution_id)["next_token"]
    before = account.clock.seconds
    account.calls.clear()

    page = account.ok("logs", execution_id=execution_id, next_token=token, wait_seconds=3)

    assert page["events"] == []
    assert account.clock.seconds - before == 3
    assert account.calls.count("GetLogEvents") == 4


def test_nothing_is_waited_for_when_lines_are_there(account: Account) -> None:
    execution_id, task_arn = started(account)
    account.write_log(task_arn, "one")
    before = account.clock.seconds

    account.ok("logs", execution_id=execution_id, wait_seconds=5)

    assert account.clock.seconds == before


def test_a_held_request_notices_the_task_that_starts(account: Account, hooks: Hooks) -> None:
    execution_id = account.start_unanswered()
    task_arn = account.task_arn(execution_id)
    account.write_log(task_arn, "hello")
    events = iter([task_event(execution_id, task_arn, "RUNNING")])
    seen: list[str] = []

    def start_at_second_look(_: str) -> None:
        seen.append("look")
        if len(seen) == 2:
            account.tell(next(events))

    hooks.watch("before-call.dynamodb.GetItem", start_at_second_look)

    page = account.ok("logs", execution_id=execution_id, wait_seconds=5)

    assert [event["message"] for event in page["events"]] == ["hello"]


@pytest.mark.parametrize("character", ["x", '"', "\x1b", "é", "😀", "\\"])
def test_an_answer_stays_below_what_lambda_takes(
    account: Account, hooks: Hooks, character: str
) -> None:
    """The answer is JSON in JSON: a control character of the log is 14 bytes of it."""
    execution_id, _ = started(account)
    lines = [character * 1000 for _ in range(1_000_000 // (1000 * len(character.encode())))]
    served: list[int] = []

    def serve(body: dict[str, Any]) -> dict[str, Any]:
        served.append(body["limit"])
        return logs_answer(lines[: served[-1]], f"f/{served[-1]}")

    hooks.answer("logs.GetLogEvents", serve)
    body = {"action": "logs", "execution_id": execution_id, "limit": 10_000}

    whole = account.send(api_event(json.dumps(body)))

    assert whole["statusCode"] == 200
    assert len(json.dumps(whole, ensure_ascii=False).encode()) < MAX_ANSWER_BYTES + 1000
    page = json.loads(whole["body"])
    assert page["events"]
    assert page["next_token"] == f"f/{served[-1]}"
    assert len(page["events"]) == min(served[-1], len(lines))


@pytest.mark.parametrize("token", ["garbage", "f/x"])
def test_a_bad_token_is_a_400(account: Account, token: str) -> None:
    execution_id, task_arn = started(account)
    account.write_log(task_arn, "one")

    status, answer = account.ask("logs", execution_id=execution_id, next_token=token)

    assert status == 400
    assert "next_token" in answer["error"]


def test_an_empty_token_is_a_400(account: Account) -> None:
    assert account.ask("logs", execution_id=account.start(), next_token="")[0] == 400


def test_throttled_by_cloudwatch_is_a_429(account: Account, hooks: Hooks) -> None:
    execution_id, _ = started(account)
    hooks.fail("logs.GetLogEvents", "ThrottlingException", "Rate exceeded")

    assert account.ask("logs", execution_id=execution_id)[0] == 429


def test_a_refusal_of_cloudwatch_is_a_502(account: Account, hooks: Hooks) -> None:
    execution_id, _ = started(account)
    hooks.fail("logs.GetLogEvents", "InvalidParameterException", "something else")

    assert account.ask("logs", execution_id=execution_id)[0] == 502


def test_a_task_of_another_stack_has_no_logs_here(account: Account) -> None:
    other = new_task_arn(1).replace("mycli-cluster", "second-cluster")

    assert account.ask("logs", task_arn=other)[0] == 404
    assert account.calls == []


def test_whoever_reads_the_events_gets_no_text_besides(account: Account) -> None:
    execution_id, task_arn = started(account)
    account.write_log(task_arn, "one")

    page = account.ok("logs", execution_id=execution_id, as_text=False)

    assert page["logs"] == ""
    assert [event["message"] for event in page["events"]] == ["one"]


def test_whoever_asks_for_groups_gets_the_lines_of_a_time_together(account: Account) -> None:
    execution_id, _ = started(account)
    answer = logs_answer(["one", "two\n", 'zw"ei ✓'], "f/1")
    answer["events"].append({"timestamp": AT + 1, "message": "later\n"})
    asked = {"execution_id": execution_id, "grouped": True}
    assert account.ok("logs", **asked)["events"] == []
    with Stubber(account.runtime.logs) as logs:
        for _ in range(2):
            logs.add_response("get_log_events", answer)
        grouped = account.ok("logs", **asked)
        plain = account.ok("logs", execution_id=execution_id)

    assert grouped["events"] == [
        {"at": "2026-09-21T14:13:20.123Z", "lines": 'one\ntwo\nzw"ei ✓'},
        {"at": "2026-09-21T14:13:20.124Z", "lines": "later"},
    ]
    assert [event["message"] for event in plain["events"]] == ["one", "two", 'zw"ei ✓', "later"]
    assert grouped["logs"] == plain["logs"]


def _served(hooks: Hooks, *pages: list[str]) -> list[tuple[str | None, int]]:
    """Let these be CloudWatch's pages; what is asked for: the token and the limit."""
    asked: list[tuple[str | None, int]] = []

    def serve(body: dict[str, Any]) -> dict[str, Any]:
        asked.append((body.get("nextToken"), body["limit"]))
        at = int(body.get("nextToken", "0"))
        return logs_answer(pages[at], f"{at + 1}")

    hooks.answer("logs.GetLogEvents", serve)
    return asked


def test_one_answer_has_two_full_pages(account: Account, hooks: Hooks) -> None:
    execution_id, _ = started(account)
    asked = _served(hooks, ["a"] * PAGE_EVENTS, ["b"] * PAGE_EVENTS, ["c"])
    whole = {"execution_id": execution_id, "limit": PAGE_EVENTS, "pages": 2, "grouped": True}

    page = account.ok("logs", **whole, as_text=False)

    lines = [event["lines"].split("\n") for event in page["events"]]
    assert [*itertools.chain(*lines)] == ["a"] * PAGE_EVENTS + ["b"] * PAGE_EVENTS
    assert {len(together) for together in lines} == {LINES_TOGETHER}
    assert page["next_token"] == "2"
    assert asked == [(None, PAGE_EVENTS), ("1", PAGE_EVENTS)]


@pytest.mark.parametrize(
    ("first", "asked"),
    [
        ({"limit": 10, "pages": 2}, 2),
        ({"limit": 11, "pages": 2}, 1),  # whoever follows, asks once
        ({"limit": 10}, 1),
    ],
)
def test_another_page_is_asked_for_only_where_there_is_more(
    account: Account, hooks: Hooks, first: dict[str, Any], asked: int
) -> None:
    execution_id, _ = started(account)
    seen = _served(hooks, ["a"] * 10, ["b"])

    page = account.ok("logs", execution_id=execution_id, **first)

    assert [limit for _, limit in seen] == [first["limit"]] * asked
    assert len(page["events"]) == 9 + asked


def test_a_second_page_for_which_there_is_no_room_comes_next_time(
    account: Account, hooks: Hooks
) -> None:
    execution_id, _ = started(account)
    _served(hooks, ["a" * 300] * PAGE_EVENTS, ["b" * 300] * PAGE_EVENTS, ["c"])
    asked = {"execution_id": execution_id, "limit": PAGE_EVENTS, "pages": 2, "grouped": True}

    first = account.ok("logs", **asked, as_text=False)
    second = account.ok("logs", **asked, as_text=False, next_token=first["next_token"])

    found = ["".join(event["lines"][0] for event in page["events"]) for page in (first, second)]
    assert [*map(set, found)] == [{"a"}, {"b", "c"}]
    assert (first["next_token"], second["next_token"]) == ("1", "3")


def test_an_execution_that_has_ended_is_looked_up_once_for_all_its_pages(account: Account) -> None:
    execution_id, task_arn = started(account)
    account.write_log(task_arn, "one", "two")
    asked = {"execution_id": execution_id, "limit": 1}
    token = account.ok("logs", **asked)["next_token"]
    finish(account, execution_id, task_arn, 3)
    account.calls.clear()

    page = account.ok("logs", **asked, next_token=token)
    again = account.ok("logs", **asked, next_token=token)

    assert page == again
    assert page["exit_code"] == 3
    assert account.calls == ["GetItem", "GetLogEvents", "GetLogEvents"]


def test_the_ended_ones_that_are_remembered_are_bounded(account: Account) -> None:
    account.runtime.ended |= dict.fromkeys(map(str, range(MAX_REMEMBERED)))
    execution_id, task_arn = started(account)
    finish(account, execution_id, task_arn)

    account.ok("logs", execution_id=execution_id)

    assert list(account.runtime.ended) == [execution_id]


def test_botocore_does_not_walk_the_events(account: Account, hooks: Hooks) -> None:
    """To look up each event's fields in its model was most of the function's time for a page."""
    event = {"timestamp": AT, "message": "one", "a field": "that no model has"}
    _serve(hooks, json.dumps({"events": [event], "nextForwardToken": "f/1"}).encode())

    answer = account.runtime.logs.get_log_events(logGroupName="group", logStreamName="stream")

    assert (answer["events"], answer["nextForwardToken"]) == ([event], "f/1")


@pytest.mark.parametrize("body", [b"<html>", b"\xff", b"{}"])
def test_an_answer_that_is_no_page_is_left_to_botocore(
    account: Account, hooks: Hooks, body: bytes
) -> None:
    execution_id, _ = started(account)
    _serve(hooks, body)

    assert account.ask("logs", execution_id=execution_id)[0] == 500


def _serve(hooks: Hooks, body: bytes) -> None:
    """Let this be what CloudWatch sends."""

    def send(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        return AWSResponse(request.url, 200, HeadersDict(), RawResponse(body))

    hooks.add("before-send.cloudwatch-logs.GetLogEvents", send)


class RawResponse(BytesIO):
    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()
