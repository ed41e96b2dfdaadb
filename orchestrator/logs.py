"""The action `logs`: one page of an execution's output, straight from its CloudWatch stream."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any

from botocore.exceptions import ClientError

from orchestrator import executions, healing, refusals, tasks
from orchestrator.records import Record
from orchestrator.settings import Runtime, remember
from orchestrator.times import seconds_of
from orchestrator.wire import (
    LogLines,
    LogsRequest,
    LogsResponse,
    WireError,
    invalid,
    split_end_marker,
)

MAX_REMEMBERED = 100
LINES_TOGETHER = 200
# Lambda answers 6 MB at most, counted when API Gateway's envelope has escaped the body once more.
MAX_ANSWER_BYTES = 5_000_000
# CloudWatch takes lines some seconds after they were written. Counted in looks, because the
# account on this machine, where there is no such delay, looks ten times as often.
LATE_LOOKS = 15
_EPOCH = datetime.fromtimestamp(0, UTC)
_UNESCAPED = bytes(set(range(0x20, 0x100)) - set(b'"\\'))
_ESCAPED_BYTES = len(r"\\u0000")  # at most, in JSON that is a string in JSON
_EVENT_BYTES = 100  # an event's in the answer, without its message: what it has as text included


def page(runtime: Runtime, request: LogsRequest) -> LogsResponse:
    """The events after next_token, held up to wait_seconds while there are none.

    Two calls to AWS where nothing is waited for. A stream that is not there yet is an empty page.
    Raises WireError: 404 for an unknown execution, 400 for a token that is none.
    """
    record = _find(runtime, request)
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
        grouped=request.grouped,
    )


def _find(runtime: Runtime, request: LogsRequest) -> Record:
    """Remembered once it has ended: nothing of it changes then, and a log may have many pages."""
    name = request.execution_id or request.task_arn or ""
    if record := runtime.ended.get(name):
        return record
    record = executions.find(runtime, request)
    if record.finished:
        remember(runtime.ended, name, record, MAX_REMEMBERED)
    return record


def _is_done(runtime: Runtime, record: Record, found: Sequence[LogLines], drained: bool) -> bool:
    """Whether nothing can come after this page.

    The end marker is the last line that task.sh prints. Where it never came (killed, lost, never
    started) the stream has to be empty for some time after the task's end.
    """
    if found:
        return _marker(record, found) is not None
    if not record.finished or not drained:
        return False
    if record.task_arn is None or record.stopped_at is None:
        return True
    late_seconds = LATE_LOOKS * runtime.settings.log_poll_seconds
    # An end that is far ahead, too, is long ago: the clock was set back since.
    return abs(runtime.now() - seconds_of(record.stopped_at)) >= late_seconds


def _exit_code(record: Record, found: Sequence[LogLines], done: bool) -> int | None:
    if done and found and not record.finished:
        marker = _marker(record, found)
        return marker[1] if marker else None
    return record.exit_code


def _marker(record: Record, found: Sequence[LogLines]) -> tuple[str, int] | None:
    return split_end_marker(record.execution_id, found[-1].lines.rpartition("\n")[2])


def _read(
    runtime: Runtime, record: Record, request: LogsRequest
) -> tuple[list[LogLines], str | None]:
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
    found: list[LogLines] = []
    token, limit, pages = request.next_token, request.limit, request.pages
    room = MAX_ANSWER_BYTES
    while pages > 0:
        try:
            answer = runtime.logs.get_log_events(**query, limit=limit, **_next(token))
        except ClientError as error:
            if refusals.code_of(error) == "ResourceNotFoundException":
                break
            raise _token_error(error, request) or error from None
        events = answer["events"]
        lines = _grouped(events)
        size = _answer_bytes(lines, len(events), request.as_text)
        if size > room and found:
            break  # it stands in the next answer
        if size > room and len(events) > 1:  # one always fits: awslogs splits lines at 256 KB
            limit, pages = max(1, len(events) * room // size), 1
            continue
        found += lines
        token = answer["nextForwardToken"]
        room -= size
        pages = pages - 1 if len(events) == limit else 0
    return found, token


def _next(token: str | None) -> dict[str, str]:
    return {} if token is None else {"nextToken": token}


def _token_error(error: ClientError, request: LogsRequest) -> WireError | None:
    if request.next_token is None or refusals.code_of(error) != "InvalidParameterException":
        return None
    allowed = "one that an earlier page answered in the last 24 hours; leave it out to start again"
    return invalid("next_token", "is refused by CloudWatch Logs", allowed)


def _grouped(events: Sequence[Mapping[str, Any]]) -> list[LogLines]:
    """The events of each time together, in short texts: long ones cost their reader memory."""
    found: list[LogLines] = []
    for start in range(0, len(events), LINES_TOGETHER):
        some = events[start : start + LINES_TOGETHER]
        for at, same in itertools.groupby(some, key=itemgetter("timestamp")):
            lines = [event["message"].removesuffix("\n") for event in same]
            found.append(LogLines(_time(at), "\n".join(lines)))
    return found


def _time(milliseconds: int) -> str:
    at = _EPOCH + timedelta(milliseconds=milliseconds)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _to_text(found: Sequence[LogLines]) -> str:
    starts = ((f"{at[:10]} {at[11:19]} UTC | ", lines) for at, lines in found)
    return "\n".join(start + lines.replace("\n", f"\n{start}") for start, lines in starts)


def _answer_bytes(found: Sequence[LogLines], events: int, as_text: bool) -> int:
    """So many at most. Counted in one look at the text: as JSON it would have to be made twice."""
    text = "".join([lines for _, lines in found]).encode(errors="replace")
    escaped = text.translate(None, delete=_UNESCAPED)
    once = len(text) + (_ESCAPED_BYTES - 1) * len(escaped)
    return once * (2 if as_text else 1) + _EVENT_BYTES * events
