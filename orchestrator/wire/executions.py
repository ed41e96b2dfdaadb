"""An execution that was started: its state, its output, its end; and the list of all."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Self

from orchestrator.wire.checks import checked, is_boolean, is_text, is_time, is_token, text, whole
from orchestrator.wire.messages import Request, Response, WireError, invalid

DEFAULT_TIMEOUT_SECONDS = 1800
MAX_WAIT_SECONDS = 5
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

_EXECUTION_ID = re.compile(r"[0-9a-f]{12}")
_TASK_ARN = re.compile(
    r"arn:[a-z-]+:ecs:[a-z0-9-]+:[0-9]{12}:task/[A-Za-z0-9_-]+/"
    r"(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
)


def _is_status(name: str, value: object) -> str:
    text = is_text(name, value)
    known = {status.lower(): status for status in STATUSES}
    if text.lower() not in known:
        raise invalid(name, f"is {text[:80]!r}", "one of " + ", ".join(STATUSES))
    return known[text.lower()]


@dataclass(frozen=True, kw_only=True)
class ExecutionRequest(Request):
    """A request about one execution, named by its short id or by its task's ARN."""

    execution_id: str | None = text(_EXECUTION_ID, "12 hexadecimal digits")
    task_arn: str | None = text(_TASK_ARN, "the ARN of an ECS task")

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
    """A page of an execution's output. wait_seconds: how long to wait for something to be there.

    as_text: with `logs` in the answer; whoever reads `events` gets half as much without.
    pages: of CloudWatch's, of `limit` events each, as many as an answer has room for.
    grouped: with those `events` together that have the same time, which makes a long log several
    times as fast to send and to read.
    """

    action: ClassVar[str] = "logs"
    next_token: str | None = checked(is_token)
    wait_seconds: int = whole(0, MAX_WAIT_SECONDS, 0)
    as_text: bool = checked(is_boolean, True)
    grouped: bool = checked(is_boolean, False)
    limit: int = whole(1, 10_000, 1000)
    pages: int = whole(1, 2, 1)


@dataclass(frozen=True, kw_only=True)
class StopRequest(ExecutionRequest):
    action: ClassVar[str] = "stop"
    reason: str | None = checked(is_text)


@dataclass(frozen=True, kw_only=True)
class ListRequest(Request):
    """Executions, newest first. since: only those created at or after this time."""

    action: ClassVar[str] = "list"
    limit: int = whole(1, 100, 20)
    next_token: str | None = checked(is_token)
    repo: str | None = checked(is_text)
    status: str | None = checked(_is_status)
    since: str | None = checked(is_time)


@dataclass(frozen=True, kw_only=True)
class StatusResponse(Response):
    """One execution as it stands. Times are ISO 8601 in UTC; cpu is in vCPU units, memory in MB.

    exit_code is null while it runs, and null for good where the container never ran or was lost:
    then stopped_reason says why, and it counts as failed. cost_usd is an estimate. env_names: of
    the user's variables, whose values nobody keeps.
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
    workdir: str | None = None
    timeout_seconds: int | None = None
    env_names: Sequence[str] = ()
    task_definition: str = ""
    cost_usd: float | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return super().from_json({**data, "env_names": tuple(data.get("env_names", ()))})

    @property
    def finished(self) -> bool:
        return self.status == "STOPPED"


class LogLines(NamedTuple):
    """Lines of output that were written in the same millisecond, with newlines between them.

    There are thousands in an answer, and most of a burst have the same time.
    """

    at: str
    lines: str


@dataclass(frozen=True, kw_only=True)
class LogsResponse(Response):
    """A page of output. `logs` is the same as `events`, as `YYYY-MM-DD HH:MM:SS UTC | message`.

    Ask again with next_token until done: an empty page is not the end. On the wire `events` is
    `[{"at": ..., "message": ...}, ...]`, or `[{"at": ..., "lines": "one\\ntwo"}, ...]` if grouped.
    """

    logs: str = ""
    events: Sequence[LogLines] = ()
    next_token: str | None = None
    done: bool = False
    exit_code: int | None = None
    grouped: bool = field(default=False, compare=False)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        events = tuple(
            LogLines(item["at"], item["lines"] if "lines" in item else item["message"])
            for item in data.get("events", ())
        )
        return super().from_json({**data, "events": events})

    def to_json(self) -> dict[str, Any]:
        document = vars(self).copy()
        if document.pop("grouped"):
            return {**document, "events": [same._asdict() for same in self.events]}
        each = ((at, line) for at, lines in self.events for line in lines.split("\n"))
        return {**document, "events": [{"at": at, "message": line} for at, line in each]}


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
