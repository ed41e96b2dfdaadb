"""The wire contract: every request, response and error that client and function exchange.

`POST {endpoint}` with the header `X-API-Key` and a JSON object with `action`. Unknown fields are
ignored, so that old and new versions can talk. Both sides build the same dataclasses, so a request
that this package accepts is one that the function accepts. Standard library only.

Limits are those of AWS: ECS RunTask (container overrides), ECS TaskDefinition (Fargate sizes).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.wire.actions import (
        REQUESTS,
        request_from_json,
    )
    from orchestrator.wire.addresses import (
        repo_protocol,
        strip_credentials,
    )
    from orchestrator.wire.executions import (
        DEFAULT_TIMEOUT_SECONDS,
        MAX_WAIT_SECONDS,
        SETUP_FAILED_EXIT_CODE,
        STATUSES,
        TIMED_OUT_EXIT_CODE,
        ExecutionRequest,
        ListRequest,
        ListResponse,
        LogLines,
        LogsRequest,
        LogsResponse,
        StatusRequest,
        StatusResponse,
        StopRequest,
        StopResponse,
    )
    from orchestrator.wire.images import (
        DEFAULT_IMAGE,
        DOCKER_HUB,
        IMAGE_NAME,
        ListImagesRequest,
        ListImagesResponse,
        NamedImage,
        RegisterImageRequest,
        RegisterImageResponse,
        UnregisterImageRequest,
        UnregisterImageResponse,
        image_host,
    )
    from orchestrator.wire.markers import (
        begin_marker,
        end_marker,
        sign,
        split_end_marker,
    )
    from orchestrator.wire.messages import (
        API_KEY_HEADER,
        API_KEY_PATTERN,
        MAX_BODY_BYTES,
        Request,
        Response,
        WireError,
        invalid,
    )
    from orchestrator.wire.repositories import (
        IMAGE_TAG,
        IMAGE_TAG_ALLOWED,
        REPOSITORY_NAME,
        REPOSITORY_NAME_ALLOWED,
        AuthorizePushRequest,
        AuthorizePushResponse,
        FindBuiltImageRequest,
        FindBuiltImageResponse,
    )
    from orchestrator.wire.sizes import (
        ARCHITECTURES,
        FARGATE_MEMORY,
        check_fargate_size,
    )
    from orchestrator.wire.starting import (
        MAX_TIMEOUT_SECONDS,
        OVERRIDES_LIMIT,
        ExecRequest,
        ExecResponse,
    )
    from orchestrator.wire.task_definitions import (
        CONTAINER_NAME,
        REMOVED_AT_ONCE,
        KeptTaskDefinition,
        ListTaskDefinitionsRequest,
        ListTaskDefinitionsResponse,
        RemoveTaskDefinitionsRequest,
        RemoveTaskDefinitionsResponse,
        TaskDefinition,
    )

__all__ = [
    "API_KEY_HEADER",
    "API_KEY_PATTERN",
    "ARCHITECTURES",
    "CONTAINER_NAME",
    "DEFAULT_IMAGE",
    "DEFAULT_TIMEOUT_SECONDS",
    "DOCKER_HUB",
    "FARGATE_MEMORY",
    "IMAGE_NAME",
    "IMAGE_TAG",
    "IMAGE_TAG_ALLOWED",
    "MAX_BODY_BYTES",
    "MAX_TIMEOUT_SECONDS",
    "MAX_WAIT_SECONDS",
    "OVERRIDES_LIMIT",
    "REMOVED_AT_ONCE",
    "REPOSITORY_NAME",
    "REPOSITORY_NAME_ALLOWED",
    "REQUESTS",
    "SETUP_FAILED_EXIT_CODE",
    "STATUSES",
    "TIMED_OUT_EXIT_CODE",
    "AuthorizePushRequest",
    "AuthorizePushResponse",
    "ExecRequest",
    "ExecResponse",
    "ExecutionRequest",
    "FindBuiltImageRequest",
    "FindBuiltImageResponse",
    "KeptTaskDefinition",
    "ListImagesRequest",
    "ListImagesResponse",
    "ListRequest",
    "ListResponse",
    "ListTaskDefinitionsRequest",
    "ListTaskDefinitionsResponse",
    "LogLines",
    "LogsRequest",
    "LogsResponse",
    "NamedImage",
    "RegisterImageRequest",
    "RegisterImageResponse",
    "RemoveTaskDefinitionsRequest",
    "RemoveTaskDefinitionsResponse",
    "Request",
    "Response",
    "StatusRequest",
    "StatusResponse",
    "StopRequest",
    "StopResponse",
    "TaskDefinition",
    "UnregisterImageRequest",
    "UnregisterImageResponse",
    "WireError",
    "begin_marker",
    "check_fargate_size",
    "end_marker",
    "image_host",
    "invalid",
    "repo_protocol",
    "request_from_json",
    "sign",
    "split_end_marker",
    "strip_credentials",
]

# A name is looked for in one after the other, in the order in which commands need them, and what is
# not asked for is not loaded: making the messages of every action is a fifth of a command's start.
_PARTS = (
    "messages",
    "markers",
    "executions",
    "sizes",
    "addresses",
    "images",
    "starting",
    "repositories",
    "task_definitions",
    "actions",
)


def __getattr__(name: str) -> object:
    if name in __all__:
        for part in _PARTS:
            there = vars(import_module(f"{__name__}.{part}"))
            if name in there:
                globals()[name] = there[name]
                return there[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
