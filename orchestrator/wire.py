"""The wire contract: every request, response and error that client and function exchange.

`POST {endpoint}` with the header `X-API-Key` and a JSON object with `action`. Unknown fields are
ignored, so that old and new versions can talk. Both sides build the same dataclasses, so a request
that this module accepts is one that the function accepts. Standard library only.

Limits are those of AWS: ECS RunTask (container overrides), ECS TaskDefinition (Fargate sizes).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Self, cast

API_KEY_HEADER = "X-API-Key"
API_KEY_PATTERN = re.compile(r"sk_live_[0-9a-f]{64}")
CONTAINER_NAME = "executor"
DEFAULT_IMAGE = "ubuntu:22.04"
DEFAULT_TIMEOUT_SECONDS = 1800
MAX_TIMEOUT_SECONDS = 7 * 24 * 3600
MAX_WAIT_SECONDS = 5
MAX_BODY_BYTES = 64 * 1024
OVERRIDES_LIMIT = 8192  # characters of RunTask's `overrides`, JSON included
REMOVED_AT_ONCE = 10  # task definitions: ECS DeleteTaskDefinitions takes no more
SETUP_FAILED_EXIT_CODE = 125  # task.sh could not get as far as the command
TIMED_OUT_EXIT_CODE = 124  # as timeout(1)

# An execution moves through these in order and never back: ECS's own words, and one before them.
STATUSES = (
    "starting",
    "PROVISIONING",
    "PENDING",
    "ACTIVATING",
    "RUNNING",
    "DEACTIVATING",
    "STOPPING",
    "DEPROVISIONING",
    "STOPPED",
)

# A task's CPU, as Docker and GitHub write it; ECS writes the same in capitals.
ARCHITECTURES = ("x86_64", "arm64")

# vCPU units -> the MB of memory that Fargate takes with them.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
FARGATE_MEMORY: Mapping[int, Sequence[int]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
    16384: range(32768, 122880 + 1, 8192),
}


class WireError(Exception):
    """A request that is refused: `{"error": ..., "hint": ...}` with an HTTP status."""

    def __init__(
        self, status: int, error: str, hint: str = "", retry_after_seconds: int | None = None
    ) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.hint = hint
        self.retry_after_seconds = retry_after_seconds

    def to_json(self) -> dict[str, Any]:
        return {"error": self.error, "hint": self.hint} if self.hint else {"error": self.error}


def invalid(name: str, wrong: str, allowed: str) -> WireError:
    """A 400 that names the field, what was wrong, and (as the hint) what is allowed."""
    return WireError(400, f"invalid request: {name}: {wrong}", f"{name} must be {allowed}")


# --- What a field may hold. Each check raises the 400 that says so. ------------------------------

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ENV_RESERVED = ("MYCLI_", "AWS_CONTAINER_", "ECS_CONTAINER_")
_EXECUTION_ID = re.compile(r"[0-9a-f]{12}")
_TASK_ARN = re.compile(
    r"arn:[a-z-]+:ecs:[a-z0-9-]+:[0-9]{12}:task/[A-Za-z0-9_-]+/"
    r"(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
)
_TASK_DEFINITION_ARN = re.compile(
    r"arn:[a-z-]+:ecs:[a-z0-9-]+:[0-9]{12}:task-definition/[A-Za-z0-9_-]{1,255}:[1-9][0-9]{0,9}"
)
_TASK_DEFINITIONS_ALLOWED = f"1 to {REMOVED_AT_ONCE} ARNs of task definitions, with revisions"
# A name has none of / : . @, so that most images cannot be taken for one.
IMAGE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_IMAGE_NAME_ALLOWED = "1 to 40 small letters, digits and dashes, no dash first"
_SHELL = re.compile(r"/[A-Za-z0-9._/+-]{1,254}")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,511}")
# What `git check-ref-format` takes, but for a dash in front, and what a terminal would obey.
_REF = re.compile(
    r"(?![-./]|@$)(?!.*(?:\.\.|//|/\.|@\{|\.lock(?:/|$)))"
    r"[^\x00-\x20\x7f-\x9f\u2028\u2029~^:?*\[\\]{1,255}(?<![./])"
)
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
# No user and no host begins with a dash, or is not ASCII, or hides something behind a %.
_USER = r"[A-Za-z0-9_][A-Za-z0-9_.+-]*"
_HOST = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_URL_REPO = re.compile(
    rf"(?:https|http|ssh)://(?:{_USER}(?:@{_HOST})?@)?"
    rf"(?:{_HOST}|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{{1,5}}))?(?:/.*)?"
)
_SCP_REPO = re.compile(rf"(?:{_USER}@{_HOST}:(?!//)|{_HOST}:(?!/))(?P<path>[^:-].*)")


def _is_text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise invalid(name, f"is {_json_type(value)}", "a string")
    if "\x00" in value:
        raise invalid(name, "holds a NUL character", "text without NUL characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise invalid(name, "is not valid Unicode", "text that UTF-8 can carry") from None
    return value


def _is_whole(name: str, value: object, low: int, high: int) -> int:
    allowed = f"a whole number from {low} to {high}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid(name, f"is {_json_type(value)}", allowed)
    if not low <= value <= high:
        raise invalid(name, f"is {value}", allowed)
    return value


def _matches(name: str, value: object, pattern: re.Pattern[str], allowed: str) -> str:
    text = _is_text(name, value)
    if not pattern.fullmatch(text):
        raise invalid(name, f"is {text[:80]!r}", allowed)
    return text


def _json_type(value: object) -> str:
    names: dict[type, str] = {
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a string",
    }
    names |= {list: "an array", dict: "an object", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def repo_protocol(repo: str) -> str:
    """The transport git will use for this address: https, ssh, http or file.

    Raises WireError (400) for whatever git, or the ssh that it starts, would take as something
    else: an option, a remote helper (`ext::sh -c ...`), a path; and for an address with a token.
    """
    _is_text("repo", repo)
    scheme, separator, rest = repo.partition("://")
    netloc = rest.partition("/")[0] if separator else ""
    if scheme == "file" and not netloc and repo.isprintable() and " " not in repo:
        return "file"
    if ":" in netloc.rpartition("@")[0] or (scheme in ("https", "http") and "@" in netloc):
        raise _has_token()
    pattern = _URL_REPO if separator else _SCP_REPO
    if not repo.isprintable() or " " in repo or not (found := pattern.fullmatch(repo)):
        raise _is_no_address(repo)
    if not separator and "@" in found["path"].partition("/")[0]:  # user:token@host:path
        raise _has_token()
    if separator and not 0 < int(found["port"] or "22") < 65536:
        raise _is_no_address(repo)
    return scheme if separator else "ssh"


def _is_no_address(repo: str) -> WireError:
    # Whatever stands in front of an @ may be a token.
    shown = re.sub(r".*(?:@|%40)", "…@", repo, flags=re.DOTALL)[:80]
    allowed = (
        "an address such as https://github.com/user/repo, ssh://git@host/repo or git@host:repo"
    )
    return invalid("repo", f"is {shown!r}", allowed)


def _has_token() -> WireError:
    return invalid(
        "repo",
        "has a user name or token in it",
        "an address without one: git credentials are kept in the stack, never in a request",
    )


def strip_credentials(repo: str) -> str:
    """The address without a token or password: `https://TOKEN@host/x` becomes `https://host/x`.

    The user of an ssh address stays: it is part of the address, not a secret.
    """
    scheme, separator, rest = repo.partition("://")
    netloc, slash, path = rest.partition("/")
    if not separator or "@" not in netloc:
        return repo
    user, _, host = netloc.rpartition("@")
    kept = f"{user.partition(':')[0]}@" if scheme == "ssh" else ""
    return f"{scheme}://{kept}{host}{slash}{path}"


def _is_env(name: str, value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise invalid(name, f"is {_json_type(value)}", "an object of names and string values")
    return {
        _is_env_name(key): _is_text(f"{name}.{key}", text)
        for key, text in cast("Mapping[object, object]", value).items()
    }


def _is_env_name(value: object) -> str:
    name = _matches("env", value, _ENV_NAME, "names of letters, digits and _, no digit first")
    if name.startswith(_ENV_RESERVED):
        reserved = ", ".join(f"{prefix}*" for prefix in _ENV_RESERVED)
        raise invalid("env", f"names {name}", f"names other than {reserved}, which are reserved")
    return name


def _is_time(name: str, value: object) -> str:
    text = _is_text(name, value)
    try:
        if datetime.fromisoformat(text).tzinfo is None:
            raise ValueError
    except ValueError:
        allowed = "a time with its zone, such as 2026-01-31T12:00:00Z"
        raise invalid(name, f"is {text[:80]!r}", allowed) from None
    return text


def _is_status(name: str, value: object) -> str:
    text = _is_text(name, value)
    known = {status.lower(): status for status in STATUSES}
    if text.lower() not in known:
        raise invalid(name, f"is {text[:80]!r}", "one of " + ", ".join(STATUSES))
    return known[text.lower()]


def _is_arch(name: str, value: object) -> str:
    text = _is_text(name, value)
    if text not in ARCHITECTURES:
        raise invalid(name, f"is {text[:80]!r}", "one of " + ", ".join(ARCHITECTURES))
    return text


def _is_boolean(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise invalid(name, f"is {_json_type(value)}", "true or false")
    return value


def _is_command(name: str, value: object) -> str:
    text = _is_text(name, value)
    if not text.strip():
        raise invalid(name, "is empty", "a shell command")
    return text


def _is_token(name: str, value: object) -> str:
    text = _is_text(name, value)
    if not text:
        raise invalid(name, "is empty", "what an earlier page answered, or left out")
    return text


def _is_workdir(name: str, value: object) -> str:
    text = _is_text(name, value)
    if not text or "\n" in text:
        raise invalid(name, "is empty or has a line break", "a folder, such as infra/prod")
    return text


def _is_task_definitions(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise invalid(name, f"is {_json_type(value)}", _TASK_DEFINITIONS_ALLOWED)
    arns = cast("Sequence[object]", value)
    if len(arns) > REMOVED_AT_ONCE:
        raise invalid(name, f"has {len(arns)}", _TASK_DEFINITIONS_ALLOWED)
    return tuple(
        _matches(name, arn, _TASK_DEFINITION_ARN, _TASK_DEFINITIONS_ALLOWED) for arn in arns
    )


def _checked(check: Callable[[str, object], object], default: Any = None) -> Any:
    return field(default=default, metadata={"check": check})


def _whole(low: int, high: int, default: int | None = None) -> Any:
    return _checked(lambda name, value: _is_whole(name, value, low, high), default)


def _text(pattern: re.Pattern[str], allowed: str) -> Any:
    return _checked(lambda name, value: _matches(name, value, pattern, allowed))


# --- Requests ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Request:
    """One action. Making one checks every field: a WireError (400) names what is wrong."""

    action: ClassVar[str]

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if value is not None and (check := item.metadata.get("check")):
                object.__setattr__(self, item.name, check(item.name, value))

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Self:
        """Read a request; a null counts as absent, an unknown field is ignored."""
        known = {item.name for item in dataclasses.fields(cls)}
        given = {name: value for name, value in data.items() if name in known}
        return cls(**{name: value for name, value in given.items() if value is not None})

    def to_json(self) -> dict[str, Any]:
        """The request's body: `action` and every field that is not null."""
        fields = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        return {"action": self.action} | {n: v for n, v in fields.items() if v is not None}


@dataclass(frozen=True, kw_only=True)
class ExecRequest(Request):
    """Start one execution.

    command: one shell string, run by `sh -c`. repo: needed unless skip_git. branch: a branch, tag
    or commit; the remote's default branch where it is left out. env: the user's variables.
    cpu: vCPU units (1024 = one). memory: MB. arch: the stack's own where it is left out.
    request_id: a repeat with the same one starts nothing new and answers the same execution.
    """

    action: ClassVar[str] = "exec"
    command: str = _checked(_is_command, "")
    repo: str | None = _checked(lambda _, value: (repo_protocol(cast("str", value)), value)[1])
    branch: str | None = _text(_REF, "a branch, tag or commit as git writes it")
    image: str | None = _text(
        _IMAGE, "an image such as python:3.13 or registry:5000/team/app@sha256:…"
    )
    env: Mapping[str, str] = field(default_factory=dict, repr=False, metadata={"check": _is_env})
    timeout_seconds: int = _whole(1, MAX_TIMEOUT_SECONDS, DEFAULT_TIMEOUT_SECONDS)
    skip_git: bool = _checked(_is_boolean, False)
    workdir: str | None = _checked(_is_workdir)
    cpu: int | None = _whole(256, 16384)
    memory: int | None = _whole(512, 122880)
    arch: str | None = _checked(_is_arch)
    request_id: str | None = _text(_REQUEST_ID, "8 to 64 letters, digits, - or _")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.skip_git and self.repo is None:
            raise WireError(
                400, "invalid request: repo required", "give a repo, or skip_git to run without one"
            )
        check_fargate_size(self.cpu, self.memory)


def check_fargate_size(cpu: int | None, memory: int | None) -> None:
    """Raise a WireError (400) unless Fargate takes this pair; None means the stack's default."""
    if cpu is None and memory is None:
        return
    if cpu is None or memory is None:
        missing = "cpu" if cpu is None else "memory"
        raise invalid(missing, "is missing", "given together with the other of cpu and memory")
    if cpu not in FARGATE_MEMORY:
        raise invalid("cpu", f"is {cpu}", "one of " + ", ".join(map(str, FARGATE_MEMORY)))
    if memory not in FARGATE_MEMORY[cpu]:
        allowed = ", ".join(map(str, FARGATE_MEMORY[cpu]))
        raise invalid("memory", f"is {memory}", f"one of {allowed} (with cpu {cpu})")


@dataclass(frozen=True, kw_only=True)
class ExecutionRequest(Request):
    """A request about one execution, named by its short id or by its task's ARN."""

    execution_id: str | None = _text(_EXECUTION_ID, "12 hexadecimal digits")
    task_arn: str | None = _text(_TASK_ARN, "the ARN of an ECS task")

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.execution_id is None) == (self.task_arn is None):
            raise WireError(
                400,
                "invalid request: execution_id or task_arn required",
                "name the execution by exactly one of them",
            )


@dataclass(frozen=True, kw_only=True)
class StatusRequest(ExecutionRequest):
    action: ClassVar[str] = "status"


@dataclass(frozen=True, kw_only=True)
class LogsRequest(ExecutionRequest):
    """A page of an execution's output. wait_seconds: how long to wait for something to be there."""

    action: ClassVar[str] = "logs"
    next_token: str | None = _checked(_is_token)
    wait_seconds: int = _whole(0, MAX_WAIT_SECONDS, 0)
    limit: int = _whole(1, 10_000, 1000)


@dataclass(frozen=True, kw_only=True)
class StopRequest(ExecutionRequest):
    action: ClassVar[str] = "stop"
    reason: str | None = _checked(_is_text)


@dataclass(frozen=True, kw_only=True)
class ListRequest(Request):
    """Executions, newest first. since: only those created at or after this time."""

    action: ClassVar[str] = "list"
    limit: int = _whole(1, 100, 20)
    next_token: str | None = _checked(_is_token)
    repo: str | None = _checked(_is_text)
    status: str | None = _checked(_is_status)
    since: str | None = _checked(_is_time)


@dataclass(frozen=True, kw_only=True)
class ListTaskDefinitionsRequest(Request):
    """The stack's task definitions: by family, and in a family the newest revision first.

    include_inactive: those that were deregistered too, after the family's active ones. image: only
    those that run this image; never the template.
    """

    action: ClassVar[str] = "list_task_definitions"
    limit: int = _whole(1, 100, 50)
    next_token: str | None = _checked(_is_token)
    include_inactive: bool = _checked(_is_boolean, False)
    image: str | None = _text(_IMAGE, "an image such as python:3.13")


@dataclass(frozen=True, kw_only=True)
class RemoveTaskDefinitionsRequest(Request):
    """Deregister and delete task definitions, as many as ECS deletes in a call."""

    action: ClassVar[str] = "remove_task_definitions"
    arns: Sequence[str] = _checked(_is_task_definitions, ())

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.arns:
            raise invalid("arns", "is empty", _TASK_DEFINITIONS_ALLOWED)


@dataclass(frozen=True, kw_only=True)
class RegisterImageRequest(Request):
    """Let `image` of an exec be this name, and mean this image with this size and architecture.

    shell: the absolute path of what is given `-c SCRIPT` in an image without /bin/sh.
    """

    action: ClassVar[str] = "register_image"
    name: str | None = _text(IMAGE_NAME, _IMAGE_NAME_ALLOWED)
    image: str | None = _text(_IMAGE, "an image such as hashicorp/terraform:1.6")
    cpu: int | None = _whole(256, 16384)
    memory: int | None = _whole(512, 122880)
    arch: str | None = _checked(_is_arch)
    shell: str | None = _text(_SHELL, "the absolute path of a shell in the image, such as /bin/ash")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name is None:
            raise invalid("name", "is missing", _IMAGE_NAME_ALLOWED)
        if self.image is None:
            raise invalid("image", "is missing", "an image such as hashicorp/terraform:1.6")
        check_fargate_size(self.cpu, self.memory)


@dataclass(frozen=True, kw_only=True)
class UnregisterImageRequest(Request):
    action: ClassVar[str] = "unregister_image"
    name: str | None = _text(IMAGE_NAME, _IMAGE_NAME_ALLOWED)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name is None:
            raise invalid("name", "is missing", _IMAGE_NAME_ALLOWED)


@dataclass(frozen=True, kw_only=True)
class ListImagesRequest(Request):
    action: ClassVar[str] = "list_images"
    limit: int = _whole(1, 100, 50)
    next_token: str | None = _checked(_is_token)


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
    )
}


def request_from_json(data: object) -> Request:
    """Read a request's body. Raises WireError (400) that names what is wrong with it."""
    if not isinstance(data, Mapping):
        raise WireError(400, f"invalid request: the body is {_json_type(data)}", "send an object")
    fields = cast("Mapping[str, object]", data)
    action = fields.get("action")
    if not isinstance(action, str) or action not in REQUESTS:
        wrong = repr(action[:80]) if isinstance(action, str) else _json_type(action)
        raise invalid("action", f"is {wrong}", "one of " + ", ".join(REQUESTS))
    return REQUESTS[action].from_json(fields)


# --- Responses -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Response:
    """What an action answers. A field that an older function does not send has its default."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        known = {item.name for item in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in data.items() if name in known})

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True)
class ExecResponse(Response):
    """The execution that was started, or that an earlier request with this request_id started.

    image: what runs; image_name: the named image that was asked for, if it was one.
    task_definition_reason: why a task definition was registered, empty where one was there.
    """

    execution_id: str
    task_arn: str
    status: str
    log_stream: str
    created_at: str
    image: str = ""
    image_name: str | None = None
    task_definition: str = ""
    task_definition_cached: bool = False
    task_definition_reason: str = ""


@dataclass(frozen=True, kw_only=True)
class StatusResponse(Response):
    """One execution as it stands. Times are ISO 8601 in UTC; cpu is in vCPU units, memory in MB.

    exit_code is null while it runs, and null for good where the container never ran or was lost:
    then stopped_reason says why, and it counts as failed. cost_usd is an estimate.
    """

    execution_id: str
    status: str
    created_at: str
    desired_status: str = ""
    task_arn: str | None = None
    started_at: str | None = None
    stopped_at: str | None = None
    exit_code: int | None = None
    stopped_reason: str | None = None
    image: str = ""
    image_name: str | None = None
    cpu: int | None = None
    memory: int | None = None
    arch: str | None = None
    repo: str | None = None
    branch: str | None = None
    command: str = ""
    task_definition: str = ""
    cost_usd: float | None = None

    @property
    def finished(self) -> bool:
        return self.status == "STOPPED"


@dataclass(frozen=True, kw_only=True)
class LogEvent(Response):
    """One line of output, without its final newline, and when it was written."""

    at: str
    message: str


@dataclass(frozen=True, kw_only=True)
class LogsResponse(Response):
    """A page of output. `logs` is the same as `events`, as `YYYY-MM-DD HH:MM:SS UTC | message`.

    Ask again with next_token until done: an empty page is not the end.
    """

    logs: str = ""
    events: Sequence[LogEvent] = ()
    next_token: str | None = None
    done: bool = False
    exit_code: int | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        events = tuple(LogEvent.from_json(event) for event in data.get("events", ()))
        return super().from_json({**data, "events": events})


@dataclass(frozen=True, kw_only=True)
class StopResponse(Response):
    status: str


@dataclass(frozen=True, kw_only=True)
class ListResponse(Response):
    executions: Sequence[StatusResponse] = ()
    next_token: str | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        found = tuple(StatusResponse.from_json(item) for item in data.get("executions", ()))
        return super().from_json({**data, "executions": found})


@dataclass(frozen=True, kw_only=True)
class TaskDefinition(Response):
    """One revision. status: ACTIVE, INACTIVE or DELETE_IN_PROGRESS. cpu: vCPU units. memory: MB.

    git: the stack's git credentials are in reach of it. template: it is of the family that the
    others are copies of. last_used_at and executions tell of the 90 days that records are kept.
    """

    arn: str
    family: str
    revision: int
    image: str
    status: str
    arch: str = ""
    cpu: int = 0
    memory: int = 0
    git: bool = False
    template: bool = False
    registered_at: str | None = None
    last_used_at: str | None = None
    executions: int = 0


@dataclass(frozen=True, kw_only=True)
class ListTaskDefinitionsResponse(Response):
    """A page; it can be short, or empty, and still have a next_token."""

    task_definitions: Sequence[TaskDefinition] = ()
    next_token: str | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        found = tuple(TaskDefinition.from_json(item) for item in data.get("task_definitions", ()))
        return super().from_json({**data, "task_definitions": found})


@dataclass(frozen=True, kw_only=True)
class KeptTaskDefinition(Response):
    arn: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class RemoveTaskDefinitionsResponse(Response):
    """Which are gone, and which had to stay and why."""

    removed: Sequence[str] = ()
    kept: Sequence[KeptTaskDefinition] = ()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        kept = tuple(KeptTaskDefinition.from_json(item) for item in data.get("kept", ()))
        return super().from_json({**data, "removed": tuple(data.get("removed", ())), "kept": kept})


@dataclass(frozen=True, kw_only=True)
class NamedImage(Response):
    """What a name means. cpu (vCPU units), memory (MB), arch, shell: the stack's own where null."""

    name: str
    image: str
    cpu: int | None = None
    memory: int | None = None
    arch: str | None = None
    shell: str | None = None
    registered_at: str = ""


@dataclass(frozen=True, kw_only=True)
class RegisterImageResponse(Response):
    image: NamedImage

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return super().from_json({**data, "image": NamedImage.from_json(data["image"])})


@dataclass(frozen=True, kw_only=True)
class UnregisterImageResponse(Response):
    pass


@dataclass(frozen=True, kw_only=True)
class ListImagesResponse(Response):
    images: Sequence[NamedImage] = ()
    next_token: str | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        images = tuple(NamedImage.from_json(image) for image in data.get("images", ()))
        return super().from_json({**data, "images": images})


# --- What task.sh and its readers agree on -------------------------------------------------------
# task.sh prints the begin marker as a line of its own before the command's output, and the end
# marker after it: on the same line where the output had no final newline. What it says in between
# (that the time is up) begins with the same sign. CloudWatch cuts a line at 256 KB, so the end
# marker has an end of its own: without it `exit code 1` could be what was left of `exit code 12`.


def sign(execution_id: str) -> str:
    return f"[mycli {execution_id}] "


def begin_marker(execution_id: str) -> str:
    return f"{sign(execution_id)}begin"


def end_marker(execution_id: str, exit_code: int) -> str:
    return f"{sign(execution_id)}exit code {exit_code}."


def split_end_marker(execution_id: str, message: str) -> tuple[str, int] | None:
    """The output in front of the end marker, and its exit code; None where there is no marker.

    A command could print a marker itself: it ends the following only, the record's exit code
    comes from ECS.
    """
    found = re.search(rf"{re.escape(sign(execution_id))}exit code ([0-9]{{1,3}})\.$", message)
    return (message[: found.start()], int(found[1])) if found else None
