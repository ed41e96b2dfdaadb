"""What AWS's errors mean: try again later, or refused."""

from __future__ import annotations

import re
from typing import Any

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004

from orchestrator.wire import WireError

RETRY_SECONDS = 1
# What a call to AWS raises: an answer that is an error, or no answer.
AWS_ERRORS = (ClientError, HTTPClientError, ConnectionError)
_THROTTLING = frozenset(
    {
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflict",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
_NO_REVISION = re.compile(
    r"task ?definition.*(inactive|not found)|unable to (find|describe) task definition",
    re.IGNORECASE,
)


def code_of(error: ClientError) -> str:
    return str(_details(error).get("Code", ""))


def words_of(error: ClientError) -> str:
    return str(_details(error).get("Message", ""))


def _details(error: ClientError) -> dict[str, Any]:
    return dict(error.response.get("Error", {}))


def cancellation_reasons(error: ClientError) -> list[dict[str, Any]]:
    """Why DynamoDB gave a transaction up, one for each of its items in order; else []."""
    return list(error.response.get("CancellationReasons", []))


def is_throttling(error: ClientError) -> bool:
    reasons = {str(reason.get("Code")) for reason in cancellation_reasons(error)}
    return bool(({code_of(error)} | reasons) & _THROTTLING)


def is_definite(error: ClientError) -> bool:
    """Whether AWS certainly did nothing: it may have, before it answered 5xx."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)) < 500


def is_missing_revision(error: ClientError) -> bool:
    """Whether ECS says that a task definition is not there, or not any more."""
    return bool(_NO_REVISION.search(words_of(error)))


def to_wire_error(error: ClientError | HTTPClientError | ConnectionError) -> WireError:
    """429 where AWS throttled us; else 502 with AWS's own words, or for want of them.

    It says when to come back where nobody knows what AWS did: each request is safe to repeat.
    """
    if not isinstance(error, ClientError):
        return passing(f"AWS did not answer: {type(error).__name__}")
    operation = error.operation_name
    if is_throttling(error):
        return WireError(
            429,
            f"AWS throttled {operation}",
            "try again in a moment",
            retry_after_seconds=RETRY_SECONDS,
        )
    said = f"AWS answered {operation} with {code_of(error)}: {words_of(error)}"
    return WireError(502, said) if is_definite(error) else passing(said)


def passing(said: str) -> WireError:
    """A 502 for what may be over in a moment."""
    return WireError(502, said, "try again in a moment", retry_after_seconds=RETRY_SECONDS)
