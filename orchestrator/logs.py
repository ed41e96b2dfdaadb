"""The action `logs`: one page of an execution's output, straight from its CloudWatch stream."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from orchestrator import executions, healing, refusals, tasks
from orchestrator.records import Record
from orchestrator.settings import Runtime
from orchestrator.times import seconds_of
from orchestrator.wire import (
    LogEvent,
    LogsRequest,
    LogsResponse,
    WireError,
    invalid,
    split_end_marker,
)

# Lambda answers 6 MB at most, counted when API Gateway's envelope has escaped the body once more.
MAX_ANSWER_BYTES = 5_000_000
# CloudWatch takes lines some seconds after they were written. Counted in looks, because the
# account on this machine, where there is no such delay, looks ten times as often.
LATE_LOOKS = 15
_EPOCH = datetime.fromtimestamp(0, UTC)
_EVENT_BYTES = 100  # an event's in the answer, without its message: what it has as text included


def page(runtime: Runtime, request: LogsRequest) -> LogsResponse:
    """The events after next_token, held up to wait_seconds while there are none.

    Two calls to AWS where nothing is waited for. A stream that is not there yet is an empty page.
    Raises WireError: 404 for an unknown execution, 400 for a token that is none.
    """
    record = executions.find(runtime, request)
    poll_seconds = runtime.settings.log_poll_seconds
    deadline = runtime.now() + request.wait_seconds
    while True:
        found, token = _read(runtime, record, request)
        done = _is_done(runtime, record, found, token == request.next_token)
        if found or done or runtime.now() + poll_seconds > deadline:
            break
        runtime.sleep(poll_seconds)
        if record.task_arn is None:
            record = executions.find(runtime, request)
    if not found and not record.finished:
        [record] = healing.heal(runtime, [record])  # its end may have got lost
    text = _to_text(found) if request.as_text else ""
    return LogsResponse(
        logs=text,
        events=found,
        next_token=token,
        done=done,
        exit_code=_exit_code(record, found, done),
        in_columns=request.in_columns,
    )


def _is_done(runtime: Runtime, record: Record, found: Sequence[LogEvent], drained: bool) -> bool:
    """Whether nothing can come after this page.

    The end marker is the last line that task.sh prints. Where it never came (killed, lost, never
    started) the stream has to be empty for some time after the task's end.
    """
    if found:
        return split_end_marker(record.execution_id, found[-1].message) is not None
    if not record.finished or not drained:
        return False
    if record.task_arn is None or record.stopped_at is None:
        return True
    late_seconds = LATE_LOOKS * runtime.settings.log_poll_seconds
    # An end that is far ahead, too, is long ago: the clock was set back since.
    return abs(runtime.now() - seconds_of(record.stopped_at)) >= late_seconds


def _exit_code(record: Record, found: Sequence[LogEvent], done: bool) -> int | None:
    if done and found and not record.finished:
        marker = split_end_marker(record.execution_id, found[-1].message)
        return marker[1] if marker else None
    return record.exit_code


def _read(
    runtime: Runtime, record: Record, request: LogsRequest
) -> tuple[list[LogEvent], str | None]:
    """The events after the request's token, as many as one answer holds, and the next token.

    An unchanged token means that there is nothing more now (CloudWatch Logs API, GetLogEvents).
    """
    if record.task_arn is None:
        return [], request.next_token
    query: dict[str, Any] = {
        "logGroupName": runtime.settings.log_group,
        "logStreamName": tasks.log_stream(record.task_arn),
        "startFromHead": True,
    }
    if request.next_token is not None:
        query["nextToken"] = request.next_token
    limit = request.limit
    while True:
        try:
            answer = runtime.logs.get_log_events(**query, limit=limit)
        except ClientError as error:
            if refusals.code_of(error) == "ResourceNotFoundException":
                return [], request.next_token
            raise _token_error(error, request) or error from None
        found = [
            LogEvent(_time(event["timestamp"]), event["message"].removesuffix("\n"))
            for event in answer["events"]
        ]
        size = _answer_bytes(found, request.as_text)
        # One event always fits: the awslogs driver splits lines at 256 KB.
        if size <= MAX_ANSWER_BYTES or len(found) <= 1:
            return found, answer["nextForwardToken"]
        limit = max(1, len(found) * MAX_ANSWER_BYTES // size)


def _token_error(error: ClientError, request: LogsRequest) -> WireError | None:
    if request.next_token is None or refusals.code_of(error) != "InvalidParameterException":
        return None
    allowed = "one that an earlier page answered in the last 24 hours; leave it out to start again"
    return invalid("next_token", "is refused by CloudWatch Logs", allowed)


@functools.lru_cache  # of the lines of a burst many have the same
def _time(milliseconds: int) -> str:
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03}Z"


@functools.lru_cache
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat().removesuffix("+00:00")


def _to_text(found: Sequence[LogEvent]) -> str:
    return "\n".join(f"{event.at[:10]} {event.at[11:19]} UTC | {event.message}" for event in found)


def _answer_bytes(found: Sequence[LogEvent], as_text: bool) -> int:
    """So many at most: in the messages as JSON the envelope escapes quotes and backslashes."""
    messages = json.dumps([event.message for event in found], ensure_ascii=False)
    once = len(messages.encode()) + messages.count('"') + messages.count("\\")
    return once * (2 if as_text else 1) + _EVENT_BYTES * len(found)
