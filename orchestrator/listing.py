"""The action `list`: executions, newest first, month by month back to the oldest that is kept."""

from __future__ import annotations

import math
import re

from orchestrator import healing, records
from orchestrator.executions import to_status_response
from orchestrator.records import Record
from orchestrator.settings import Runtime
from orchestrator.times import created_seconds, month_of, seconds_of
from orchestrator.wire import ListRequest, ListResponse, invalid

_TOKEN = re.compile(r"[0-9a-f]{12}")
QUERIES_A_PAGE = 12  # a filter that matches little must not hold the request for ever
_EXAMINED_AT_ONCE = 100
AHEAD_SECONDS = 24 * 3600  # where the clock was set back, the newest ids are ahead of it


def page(runtime: Runtime, request: ListRequest) -> ListResponse:
    """Up to `limit` executions that match, healed; next_token goes on with older ones.

    A page can be short, or empty, and still have a next_token: much was looked at, little matched.
    """
    now = int(runtime.now())
    since = math.ceil(seconds_of(request.since)) if request.since else 0
    newest = now + AHEAD_SECONDS
    low = f"{min(max(since, now - records.KEPT_SECONDS), newest + 1):08x}0000"
    high = f"{newest:08x}ffff"
    if request.next_token is not None:
        high = min(high, _before(request.next_token))
    filtered = bool(request.repo or request.status)
    matched: list[Record] = []
    for _ in range(QUERIES_A_PAGE):
        if high < low:
            return _to_response(runtime, matched, None)
        month = month_of(created_seconds(high))
        wanted = _EXAMINED_AT_ONCE if filtered else request.limit - len(matched)
        found, more = records.page_of_month(runtime, month, low, high, wanted)
        for record in healing.heal(runtime, found):
            if _matches(record, request):
                matched.append(record)
            if len(matched) == request.limit:
                return _to_response(runtime, matched, record.execution_id)
        high = _before(found[-1].execution_id) if more else _before(_first_of(month))
    return _to_response(runtime, matched, _after(high))


def _matches(record: Record, request: ListRequest) -> bool:
    return (request.status is None or record.status == request.status) and (
        request.repo is None or _plain(request.repo) == _plain(record.repo or "")
    )


def _plain(repo: str) -> str:
    return repo.rstrip("/").removesuffix(".git")


def _to_response(runtime: Runtime, found: list[Record], next_token: str | None) -> ListResponse:
    executions = tuple(to_status_response(runtime, record) for record in found)
    return ListResponse(executions=executions, next_token=next_token)


def _before(execution_id: str) -> str:
    """The id in front of this one. Raises WireError (400) for what is no token of a list."""
    if not _TOKEN.fullmatch(execution_id) or int(execution_id, 16) == 0:
        raise invalid("next_token", "is none that a list answered", "one that a list answered")
    return f"{int(execution_id, 16) - 1:012x}"


def _after(execution_id: str) -> str:
    return f"{int(execution_id, 16) + 1:012x}"


def _first_of(month: str) -> str:
    return f"{int(seconds_of(f'{month}-01T00:00:00+00:00')):08x}0000"
