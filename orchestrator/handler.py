"""The function's entry: an API request or an ECS event in, an answer out.

The event is never logged: it holds the API key and the user's values.
"""

from __future__ import annotations

import base64
import functools
import gc
import json
import os
import secrets
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any, cast

from orchestrator import (
    auth,
    events,
    executions,
    images,
    listing,
    logs,
    refusals,
    removal,
    repositories,
    revisions,
)
from orchestrator.settings import Runtime, log, make_runtime, read_settings
from orchestrator.wire import (
    MAX_BODY_BYTES,
    Response,
    WireError,
    request_from_json,
)

ROUTES: Mapping[str, Callable[[Runtime, Any], Response]] = {
    "exec": executions.start,
    "status": executions.status,
    "logs": logs.page,
    "stop": executions.stop,
    "list": listing.page,
    "list_task_definitions": revisions.page,
    "remove_task_definitions": removal.remove,
    "register_image": images.register,
    "unregister_image": images.unregister,
    "list_images": images.page,
    "find_built_image": repositories.find,
    "authorize_push": repositories.authorize_push,
}


def handler(event: object, context: Any) -> dict[str, Any] | None:
    """What Lambda calls. Clients are made once per process."""
    request_id = getattr(context, "aws_request_id", "") or secrets.token_hex(8)
    return handle(_runtime(), event, request_id)


@functools.cache
def _runtime() -> Runtime:
    runtime = make_runtime(read_settings(os.environ))
    gc.freeze()  # boto3 stays: the collector would walk all of it, several times in a long page
    return runtime


def handle(runtime: Runtime, event: object, request_id: str) -> dict[str, Any] | None:
    """Answer an API Gateway proxy request; an EventBridge event has no answer."""
    if not isinstance(event, Mapping):  # whoever may invoke the function can send any JSON
        event = {}
    event = cast("Mapping[str, Any]", event)
    if "detail-type" in event:
        return _receive(runtime, event, request_id)
    return _answer(runtime, event, request_id)


def _receive(runtime: Runtime, event: Mapping[str, Any], request_id: str) -> None:
    started = time.monotonic()
    try:
        record = events.receive(runtime, event)
    except Exception as error:  # noqa: BLE001
        _log_trace(error, request_id)  # and not its message, which could hold a value
        raise RuntimeError(f"the event was not noted: {request_id}") from None  # Lambda tries again
    log(
        action="event",
        execution_id=record and record.execution_id,
        status=record.status if record else "not ours",
        milliseconds=_since(started),
    )


def _answer(runtime: Runtime, event: Mapping[str, Any], request_id: str) -> dict[str, Any]:
    started = time.monotonic()
    action, execution_id, headers = None, None, {}
    try:
        auth.authenticate(runtime, _headers(event))
        request = request_from_json(_read_body(event))
        action, execution_id = request.action, getattr(request, "execution_id", None)
        status, document = 200, ROUTES[request.action](runtime, request).to_json()
        execution_id = document.get("execution_id", execution_id)
    except Exception as error:  # noqa: BLE001
        refusal = _to_wire_error(error, request_id)
        status, document = refusal.status, refusal.to_json()
        if refusal.retry_after_seconds is not None:
            headers = {"Retry-After": str(refusal.retry_after_seconds)}
    log(
        action=action,
        execution_id=execution_id,
        status=status,
        milliseconds=_since(started),
    )
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json", "Cache-Control": "no-store", **headers},
        "body": json.dumps(document, ensure_ascii=False),
    }


def _headers(event: Mapping[str, Any]) -> dict[str, str]:
    given = event.get("headers")
    headers = cast("Mapping[str, object]", given) if isinstance(given, Mapping) else {}
    return {name: value for name, value in headers.items() if isinstance(value, str)}


def _read_body(event: Mapping[str, Any]) -> object:
    """The body as JSON. Raises WireError: 413 where it is too large, 400 where it is no JSON."""
    body = event.get("body") or ""
    if not isinstance(body, str):
        raise _not_json("it is no text")
    try:
        raw = (
            base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
        )
    except ValueError:  # of either: no base64, no Unicode
        raise _not_json("it is not UTF-8") from None
    over = len(raw) - MAX_BODY_BYTES
    if over > 0:
        raise WireError(
            413,
            f"the request is too large by {over} bytes",
            f"a request may have {MAX_BODY_BYTES} bytes",
        )
    try:
        return json.loads(raw.decode())
    except UnicodeDecodeError:
        raise _not_json("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise _not_json(f"{error.msg} at character {error.pos}") from None
    except (ValueError, RecursionError):  # a number of 5,000 digits, 10,000 brackets
        raise _not_json("a number is too long or it is nested too deep") from None


def _not_json(why: str) -> WireError:
    return WireError(400, f"invalid request: the body is not JSON: {why}", "send a JSON object")


def _to_wire_error(error: Exception, request_id: str) -> WireError:
    if isinstance(error, WireError):
        return error
    if isinstance(error, refusals.AWS_ERRORS):
        return refusals.to_wire_error(error)
    _log_trace(error, request_id)
    return WireError(
        500,
        f"internal error, request id {request_id}",
        "this is a bug in mycli; the function's log has more under this id",
    )


def _log_trace(error: Exception, request_id: str) -> None:
    """Where it happened, without the error's message: that can hold a key or a value."""
    frames = traceback.extract_tb(error.__traceback__)
    trace = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    log(request_id=request_id, error=type(error).__name__, trace=trace)


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
