"""Every action by its name, and a request's body read as the one that it names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from orchestrator.wire.executions import ListRequest, LogsRequest, StatusRequest, StopRequest
from orchestrator.wire.images import (
    ListImagesRequest,
    RegisterImageRequest,
    UnregisterImageRequest,
)
from orchestrator.wire.messages import Request, WireError, invalid, json_type
from orchestrator.wire.repositories import AuthorizePushRequest, FindBuiltImageRequest
from orchestrator.wire.starting import ExecRequest
from orchestrator.wire.task_definitions import (
    ListTaskDefinitionsRequest,
    RemoveTaskDefinitionsRequest,
)

REQUESTS: Mapping[str, type[Request]] = {
    request.action: request
    for request in (
        ExecRequest,
        StatusRequest,
        LogsRequest,
        StopRequest,
        ListRequest,
        ListTaskDefinitionsRequest,
        RemoveTaskDefinitionsRequest,
        RegisterImageRequest,
        UnregisterImageRequest,
        ListImagesRequest,
        FindBuiltImageRequest,
        AuthorizePushRequest,
    )
}


def request_from_json(data: object) -> Request:
    """Read a request's body. Raises WireError (400) that names what is wrong with it."""
    if not isinstance(data, Mapping):
        raise WireError(400, f"invalid request: the body is {json_type(data)}", "send an object")
    fields = cast("Mapping[str, object]", data)
    action = fields.get("action")
    if not isinstance(action, str) or action not in REQUESTS:
        wrong = repr(action[:80]) if isinstance(action, str) else json_type(action)
        raise invalid("action", f"is {wrong}", "one of " + ", ".join(REQUESTS))
    return REQUESTS[action].from_json(fields)
