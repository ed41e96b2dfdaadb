"""Every error that mycli raises on purpose.

MycliError
 ├── UsageError             2    a flag, an argument or a field that cannot be
 ├── ConfigError            2    a config or project file that cannot be read or understood
 ├── EndpointError          125  the endpoint cannot be reached, or is not the one it should be
 ├── ApiError               125  the endpoint answered with an error; `status` is the HTTP status
 │    │                        (2 for 400 and 413: a request that cannot be, or is too large)
 │    ├── Unauthorized           401
 │    ├── ExecutionNotFound      404
 │    ├── ImageNotFound          404: no image has this name, or this tag
 │    └── Throttled              429
 ├── ExecutionFailed        125  an execution ended without an exit code
 ├── BuildError             125  an image could not be built, pushed or tagged
 ├── StackError             125  a stack could not be made, changed or destroyed
 │    ├── AwsCredentialsError    no AWS credentials, or AWS does not take them (any more)
 │    ├── EngineError            the Pulumi engine cannot be had, or does not work
 │    └── StackLocked            something else is changing the stack; `lock` says what
 └── LocalAccountError      125  the account on this machine could not do what was asked

Each carries one line that says what happened, a hint that says what to do, and the exit code of
the command line. 124 and the command's own exit codes are no errors of mycli.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


class MycliError(Exception):
    exit_code = 125

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(MycliError):
    exit_code = 2


class ConfigError(MycliError):
    exit_code = 2


class EndpointError(MycliError):
    """`may_pass`: the trouble may be over in a moment (a lost connection, a busy gateway).

    `is_busy`: or in a minute, because the gateway is there and has no room.
    """

    def __init__(
        self, message: str, hint: str = "", *, may_pass: bool = False, is_busy: bool = False
    ) -> None:
        super().__init__(message, hint)
        self.may_pass = may_pass
        self.is_busy = is_busy


class ApiError(MycliError):
    """`retry_after_seconds`: when the same request may succeed, where the endpoint said so."""

    def __init__(
        self, status: int, message: str, hint: str = "", retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message, hint)
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        if status in (400, 413):
            self.exit_code = UsageError.exit_code


class Unauthorized(ApiError):
    pass


class ExecutionNotFound(ApiError):
    pass


class ImageNotFound(ApiError):
    pass


class Throttled(ApiError):
    pass


class ExecutionFailed(MycliError):
    pass


class BuildError(MycliError):
    pass


class StackError(MycliError):
    pass


class AwsCredentialsError(StackError):
    pass


class EngineError(StackError):
    pass


@dataclass(frozen=True, kw_only=True)
class Lock:
    """Who holds a stack's state. owner: `user@host (pid N)`; taken_at: with its time zone."""

    owner: str
    taken_at: datetime | None

    def __str__(self) -> str:
        """`ann@laptop (pid 4711), since 2026-11-21 12:39 UTC (3 hours ago)`."""
        if not self.taken_at:
            return self.owner
        seconds = (datetime.now(UTC) - self.taken_at).total_seconds()
        sizes = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
        unit = next((unit for unit, size in sizes.items() if seconds >= 2 * size), "seconds")
        age = f"{seconds / sizes[unit]:.0f} {unit} ago"
        return f"{self.owner}, since {self.taken_at:%Y-%m-%d %H:%M %Z} ({age})"


class StackLocked(StackError):
    def __init__(self, message: str, hint: str, lock: Lock) -> None:
        super().__init__(message, hint)
        self.lock = lock


class LocalAccountError(MycliError):
    pass
