"""The HTTP transport of the wire contract: a request in, its answer out, or an error with a hint.

Every request is safe to repeat (exec carries a request_id), so trouble that may pass is waited out.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import re
import time
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from mycli import connection
from mycli.config import Profile
from mycli.errors import (
    ApiError,
    EndpointError,
    ExecutionNotFound,
    MycliError,
    Throttled,
    Unauthorized,
    UsageError,
)
from orchestrator import wire

if TYPE_CHECKING:
    import httpx

Answer = TypeVar("Answer", bound=wire.Response)

PATIENCE_SECONDS = 15.0  # how long lost connections and troubles of AWS are borne
# API Gateway answers so where Lambda has no room: a new account runs ten functions at once, so that
# 200 executions take most of a minute.
BUSY_PATIENCE_SECONDS = 120.0
FIRST_PATIENCE_SECONDS = 3.0  # the same, while nothing was ever reached: perhaps a wrong address
DAEMON_PATIENCE_SECONDS = 60.0  # for one that is started again; one that was killed stays away
THROTTLED_PATIENCE_SECONDS = 300.0  # 200 executions at 20 RunTask/s are through in 10 s
THROTTLED_POLL_SECONDS = 2.0  # where a 429 does not say when to come back
TOLD_TRIES = 6  # a follower may try for minutes

_OTHER_KEY = (
    "is it this stack's key? `mycli configure` saves another; MYCLI_API_KEY goes before a saved one"
)
_OLDER = "`mycli init` again, by whoever made the stack, brings it up to date"

_draw = random.SystemRandom()


@contextlib.contextmanager
def checked(**names: str) -> Generator[None]:
    """Turn the 400 of a request that cannot be into a UsageError, before anything is sent.

    names: how the user calls a field, such as `--timeout`, where it is not as in the request.
    """
    try:
        yield
    except wire.WireError as error:
        raise _called(error.error.removeprefix("invalid request: "), error.hint, names) from None
    except UsageError as error:  # of somebody who calls the fields as the request does
        raise _called(error.message, error.hint, names) from None


def _called(message: str, hint: str, names: Mapping[str, str]) -> UsageError:
    """The words of wire's `invalid`: first comes the field, also in the hint."""

    def called(text: str, pattern: str) -> str:
        return re.sub(pattern, lambda found: names.get(found[0], found[0]), text)

    return UsageError(
        called(message, r"^\w+(?= (?:is|has|holds|names|needs) )|(?<= needs )\w+"),
        called(hint, r"^\w+(?= must be )"),
    )


class Endpoint:
    """One stack's endpoint. `on_wait` is told, in a sentence, why and how long a request waits."""

    def __init__(
        self,
        profile: Profile,
        *,
        on_wait: Callable[[str], None] | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises ConfigError for an address or a key that cannot be right."""
        connection.check(profile)
        self.profile = profile
        self.sleep = sleep
        self._clock = clock
        self._on_wait = on_wait
        self._origin = connection.origin(profile)
        self._http = connection.open_client(profile, transport)
        self._reached = False

    def close(self) -> None:
        self._http.close()

    def send(
        self,
        request: wire.Request,
        answer: type[Answer],
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> Answer:
        """The answer to one request; trouble that may pass is waited out. Raises MycliError."""
        body = json.dumps(request.to_json(), ensure_ascii=False).encode()
        troubled_at: float | None = None
        patience, tries = 0.0, 0
        while True:
            try:
                return self._parse(self._post(body), answer)
            except (ApiError, EndpointError) as error:
                if troubled_at is None:
                    troubled_at = self._clock()
                pause = self._pause(error, tries)
                # In a crowd one is throttled, then finds no room: the longest patience counts.
                patience = max(patience, self._patience(error, patience_seconds))
                if pause is None or self._clock() - troubled_at + pause > patience:
                    raise
                if self._on_wait and (tries < TOLD_TRIES or tries % TOLD_TRIES == 0):
                    self._on_wait(f"{error.message}: trying again in {pause:.1f} s")
            self.sleep(pause)
            tries += 1

    def _pause(self, error: MycliError, tries: int) -> float | None:
        """How long to wait before the next try, in seconds; None where it would be no use."""
        if isinstance(error, ApiError) and error.retry_after_seconds is not None:
            # A crowd that was turned away together must not come back together; nor so late that
            # what AWS would take of it goes unused.
            return error.retry_after_seconds + _draw.uniform(0, 1 + 0.1 * tries)
        if isinstance(error, EndpointError) and error.may_pass:
            return min(0.5 * 2**tries, 8) * _draw.uniform(0.7, 1)
        return None

    def _patience(self, error: MycliError, asked: float) -> float:
        if isinstance(error, Throttled):
            return max(THROTTLED_PATIENCE_SECONDS, asked)
        if isinstance(error, EndpointError) and error.is_busy:
            return max(BUSY_PATIENCE_SECONDS, asked)
        if self._reached:
            return min(asked, DAEMON_PATIENCE_SECONDS) if self.profile.is_local else asked
        return min(asked, FIRST_PATIENCE_SECONDS)

    # --- One try -----------------------------------------------------------------------------

    def _post(self, body: bytes) -> connection.Received:
        import httpx

        try:
            return connection.post(self._http, self.profile, body)
        except httpx.RequestError as error:
            raise self._unreachable(error) from error

    def _parse(self, received: connection.Received, answer: type[Answer]) -> Answer:
        self._reached = True
        document = _json_object(received.text)
        if received.status != 200:
            raise self._refused(received, document)
        # Some answers have no field that must be there, so one that has none of them is no answer.
        known = {item.name for item in dataclasses.fields(answer)}
        if known and not document.keys() & known:
            raise self._stranger("answered something else than mycli does")
        try:
            return answer.from_json(document)
        except (TypeError, AttributeError, ValueError, KeyError):
            raise self._stranger("answered something that this mycli cannot read") from None

    # --- What went wrong -----------------------------------------------------------------------

    def _refused(self, received: connection.Received, document: dict[str, Any]) -> MycliError:
        status, headers, _ = received
        ours = "error" in document  # API Gateway's own answers have a `message` instead
        text = str(document.get("error") or document.get("message") or f"HTTP {status}")
        hint = str(document.get("hint") or "")
        if status == 429:
            after = _seconds(headers.get("Retry-After"))
            return Throttled(
                status, text if ours else f"AWS throttles requests ({text})", hint, after
            )
        if not ours:
            strange = f"answered HTTP {status}"
            return self._gateway(status, text) if status >= 500 else self._stranger(strange)
        if status == 400 and text.startswith("invalid request: action"):
            return EndpointError("the stack's function is older than this mycli", _OLDER)
        if status == 401:
            return Unauthorized(status, text, _OTHER_KEY)  # the function's hint is for programmers
        if status == 404:
            return ExecutionNotFound(status, text, hint)
        after = headers.get("Retry-After")
        return ApiError(status, text, hint, None if after is None else _seconds(after))

    def _gateway(self, status: int, text: str) -> EndpointError:
        return EndpointError(
            f"{self._origin} answered HTTP {status} ({text})",
            "AWS has no room for the stack's function, or it is broken: its log would say so",
            may_pass=True,
            is_busy=status == 500,
        )

    def _stranger(self, what: str) -> EndpointError:
        return EndpointError(
            f"{self._origin} {what}",
            f"check that {self.profile.api_endpoint} is mycli's address, that its stack still "
            "stands, and that no proxy stands in between",
        )

    def _unreachable(self, error: httpx.RequestError) -> EndpointError:
        import httpx

        reason = str(error) or type(error).__name__
        cause = f"cannot reach {self._origin}: {reason}"
        refused = isinstance(error, httpx.ConnectError)
        if "SSL" in reason:
            hint = "if a proxy here opens TLS, name its certificates in SSL_CERT_FILE"
            return EndpointError(cause, hint)
        if self.profile.is_loopback:
            hint = "is the account on this machine running? `mycli local start` starts it"
            # A daemon that was not there from the start will not come by waiting.
            return EndpointError(cause, hint, may_pass=self._reached or not refused)
        hint = "check the network, a proxy (HTTPS_PROXY), and the address in the configuration"
        return EndpointError(cause, hint, may_pass=True)


def _json_object(text: str) -> dict[str, Any]:
    """The JSON object in an answer; {} where it is anything else."""
    try:
        document: object = json.loads(text)
    except ValueError:
        return {}
    return cast("dict[str, Any]", document) if isinstance(document, dict) else {}


def _seconds(retry_after: str | None) -> float:
    try:
        return min(max(float(retry_after or ""), 0.0), 60.0)
    except ValueError:
        return THROTTLED_POLL_SECONDS
