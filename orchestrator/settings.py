"""What one warm process holds: its settings, its AWS clients, its clock and what it remembers.

The environment is read here and nowhere else. Tests make a Runtime of their own.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import boto3
from botocore.config import Config

Key = TypeVar("Key")
Value = TypeVar("Value")

# API Gateway gives up after 29 s: all tries of one call must end well before that.
CLIENT_CONFIG = Config(
    connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3}
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The function's environment. template: the ARN, with revision, of `{stack}-task`.

    registries: a registry's host -> the ARN of the secret with its login.
    """

    stack: str
    api_key_hash: str = field(repr=False)
    api_key_sha256_prefix: str = field(repr=False)
    table: str
    cluster: str
    log_group: str
    subnets: tuple[str, ...]
    security_group: str
    template: str
    default_image: str
    log_poll_seconds: float
    registries: Mapping[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Runtime:
    """Handed to every action. now: seconds since 1970. random_hex: so many random bytes as hex.

    verified_keys: SHA-256 of an API key -> until when it needs no bcrypt.
    remembered: what task_definitions.py has looked up, for as long as the process lives.
    ended: the records of executions that have ended, which logs.py has looked up.
    """

    settings: Settings
    dynamodb: Any
    ecs: Any
    logs: Any
    ecr: Any
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    random_hex: Callable[[int], str] = secrets.token_hex
    verified_keys: dict[str, float] = field(default_factory=dict, repr=False)
    remembered: dict[tuple[str, ...], Any] = field(default_factory=dict, repr=False)
    ended: dict[str, Any] = field(default_factory=dict, repr=False)


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the variables that the stack sets on the function. Raises KeyError for a missing one.

    MYCLI_REGISTRIES may be missing: a stack without private registries has none.
    """
    return Settings(
        stack=environment["MYCLI_STACK"],
        api_key_hash=environment["API_KEY_HASH"],
        api_key_sha256_prefix=environment["API_KEY_SHA256_PREFIX"],
        table=environment["MYCLI_TABLE"],
        cluster=environment["MYCLI_CLUSTER"],
        log_group=environment["MYCLI_LOG_GROUP"],
        subnets=tuple(environment["MYCLI_SUBNETS"].split(",")),
        security_group=environment["MYCLI_SECURITY_GROUP"],
        template=environment["MYCLI_TEMPLATE"],
        default_image=environment["MYCLI_DEFAULT_IMAGE"],
        log_poll_seconds=float(environment["MYCLI_LOG_POLL_SECONDS"]),
        registries=json.loads(environment.get("MYCLI_REGISTRIES") or "{}"),
    )


def make_runtime(settings: Settings) -> Runtime:
    """The real thing: region, credentials and endpoint are found by boto3 itself."""
    return Runtime(
        settings=settings,
        dynamodb=boto3.client("dynamodb", config=CLIENT_CONFIG),
        ecs=boto3.client("ecs", config=CLIENT_CONFIG),
        logs=quick_to_read(boto3.client("logs", config=CLIENT_CONFIG)),
        ecr=boto3.client("ecr", config=CLIENT_CONFIG),
    )


def quick_to_read(logs: Any) -> Any:
    """The client, which takes a page's events as they are in the answer.

    botocore alone looks up each field of each event in its model: most of what a page would cost.
    """
    event = "before-parse.cloudwatch-logs.GetLogEvents"
    logs.meta.events.register(event, _take_events, unique_id="mycli")  # once a client
    return logs


def _take_events(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_rest: Any
) -> None:
    """Leave the rest of the answer, and an error, to botocore."""
    if response_dict["status_code"] != 200:
        return
    with contextlib.suppress(ValueError, KeyError):  # no page: botocore has the words for that
        document = json.loads(response_dict["body"])
        customized_response_dict["events"] = document.pop("events")
        response_dict["body"] = json.dumps(document).encode()


def remember(known: dict[Key, Value], key: Key, value: Value, most: int) -> None:
    """Keep it while this process lives; where there are so many already, all others go."""
    if len(known) >= most:
        known.clear()
    known[key] = value


def log(**fields: object) -> None:
    """One JSON line in the function's own log. Never a key, a value or an event."""
    sys.stdout.write(json.dumps(fields, ensure_ascii=False) + "\n")
    sys.stdout.flush()
