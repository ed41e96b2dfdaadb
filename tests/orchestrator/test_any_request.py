"""Whatever is sent: an answer in words, nothing runs for strangers, and no secret is told."""

from __future__ import annotations

import base64
import contextlib
import copy
import io
import json
import logging
from collections.abc import Generator, Mapping
from typing import Any, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator import handler
from tests.orchestrator.conftest import (
    API_KEY,
    REQUEST_ID,
    Account,
    Hooks,
    api_event,
    new_task_arn,
    task_event,
)
from tests.soak import sizes

SECRET = "canary-value"  # begins each wrong key, each value of a variable and each command
UNKNOWN_ID = "6ab13b80ffff"
# ECS's words, which are not moto's.
NOT_FOUND = {
    "Error": {
        "Code": "InvalidParameterException",
        "Message": "The referenced task was not found.",
    }
}
DOCUMENTED = {200, 400, 401, 404, 409, 413, 429}

UNHURRIED = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)
Requests = st.SearchStrategy[dict[str, Any]]

# --- JSON of every shape -------------------------------------------------------------------------

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 2**31, 2**63, 10**40, 10**4000]),
    st.floats(),
    st.text(max_size=20),
    st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zs", "Zl", "Nd"]), max_size=5),
    st.sampled_from(["", "-", "--", "..", "\x00", "\ud800", "\u202e", "closing", "x" * 70_000]),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)


def nested(depth: int) -> Any:
    """A list in a list, so deep: what reads it needs a stack."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


ODD = JSON | st.sampled_from([300, 900, 990]).map(nested)

# --- Valid requests ------------------------------------------------------------------------------

EXEC = st.fixed_dictionaries(
    {"action": st.just("exec"), "command": st.just(f"echo {SECRET}"), "skip_git": st.booleans()},
    optional={
        "repo": st.sampled_from(
            ["https://github.com/user/repo", "ssh://git@host:22/x", "git@host:x", "file:///srv/x"]
        ),
        "branch": st.sampled_from(["main", "feature/x", "v1.2"]),
        "image": st.sampled_from(["alpine", "python:3.13", "registry:5000/team/app@sha256:0"]),
        "env": st.dictionaries(
            st.sampled_from(["A", "_b", "PATH", "LD_PRELOAD", "IFS", "BASH_ENV"]),
            st.text(max_size=9).map(lambda text: SECRET + text),
            max_size=3,
        ),
        "timeout_seconds": st.integers(1, 604_800),
        "workdir": st.sampled_from(["infra/prod", "/", ".."]),
        "cpu": st.sampled_from([256, 512]),
        "memory": st.sampled_from([512, 1024]),
        "request_id": st.sampled_from(["a-request", "another-request"]),
    },
)
LIST_TASK_DEFINITIONS = st.fixed_dictionaries(
    {"action": st.just("list_task_definitions")},
    optional={
        "limit": st.integers(1, 5),
        "next_token": st.just(UNKNOWN_ID),
        "include_inactive": st.booleans(),
        "image": st.sampled_from(["alpine", "python:3.13"]),
    },
)
REMOVE = st.fixed_dictionaries(
    {
        "action": st.just("remove_task_definitions"),
        "arns": st.lists(
            st.sampled_from(["mycli-task:1", "mycli-task-alpine:1", "another-task:1"]).map(
                lambda name: f"arn:aws:ecs:us-east-1:123456789012:task-definition/{name}"
            ),
            min_size=1,
            max_size=3,
        ),
    }
)
IMAGE_NAMES = st.sampled_from(["alpine", "terraform", "a-name"])
IMAGES = st.one_of(
    st.fixed_dictionaries(
        {"action": st.just("register_image"), "name": IMAGE_NAMES, "image": st.just("python:3.13")},
        optional={"arch": st.just("arm64"), "shell": st.just("/bin/ash")},
    ),
    st.fixed_dictionaries({"action": st.just("unregister_image"), "name": IMAGE_NAMES}),
    st.fixed_dictionaries(
        {"action": st.just("list_images")},
        optional={"limit": st.integers(1, 5), "next_token": IMAGE_NAMES},
    ),
)
REPOSITORIES = st.one_of(
    st.fixed_dictionaries(
        {"action": st.just("find_built_image"), "repository": IMAGE_NAMES, "tag": IMAGE_NAMES}
    ),
    st.fixed_dictionaries({"action": st.just("authorize_push"), "repository": IMAGE_NAMES}),
)
LIST = st.fixed_dictionaries(
    {"action": st.just("list")},
    optional={
        "limit": st.integers(1, 5),
        "next_token": st.just(UNKNOWN_ID),
        "repo": st.just("git@host:x"),
        "status": st.sampled_from(["STOPPED", "running"]),
        "since": st.sampled_from(["2026-01-31T12:00:00Z", "2026-09-21T14:13:20+02:00"]),
    },
)


def about(executions: Mapping[str, str]) -> Requests:
    """Requests about one of these executions (id -> task's ARN), or about one that is not there."""
    named = st.one_of(
        st.sampled_from([*executions, UNKNOWN_ID]).map(lambda name: {"execution_id": name}),
        st.sampled_from([*executions.values(), new_task_arn(1)]).map(
            lambda name: {"task_arn": name}
        ),
    )
    more = st.sampled_from(
        [
            {"action": "status"},
            {"action": "stop", "reason": "enough"},
            {"action": "logs", "limit": 5, "wait_seconds": 0},
            {
                "action": "logs",
                "next_token": "f/00000000000000000000000000000000000000000000000000",
            },
        ]
    )
    return st.tuples(named, more).map(lambda both: {**both[0], **both[1]})


def events_of(executions: Mapping[str, str]) -> Requests:
    """As ECS tells of their tasks, of other tasks under their name, and of others' tasks."""
    task_arns = [*executions.values(), new_task_arn(1)]
    return st.builds(
        task_event,
        st.sampled_from([*executions, UNKNOWN_ID, "somebody"]),
        st.sampled_from(task_arns),
        st.sampled_from(["PENDING", "RUNNING", "STOPPED"]),
        startedAt=st.none() | st.just("2026-09-21T14:14:00.123Z"),
        overrides=st.just({"containerOverrides": [{"environment": [{"value": SECRET}]}]}),
    )


@st.composite
def mutated(draw: st.DrawFn, valid: Requests) -> dict[str, Any]:
    """A valid object, or one with some of its fields, at any depth, wrong, odd, gone or new."""
    whole = copy.deepcopy(draw(valid))
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2, 3]))):
        part = whole
        while inner := [value for value in part.values() if isinstance(value, dict) and value]:
            if draw(st.booleans()):
                break
            part = cast("dict[str, Any]", draw(st.sampled_from(inner)))
        name = draw(st.sampled_from([*sorted(part), "new"]))
        change = draw(st.sampled_from(["odd", "gone", "spliced", "spliced", "wrapped"]))
        if change == "gone":
            part.pop(name, None)
        elif change == "spliced" and isinstance(text := part.get(name), str):
            at = draw(st.integers(0, len(text)))
            part[name] = text[:at] + draw(st.text(min_size=1, max_size=3)) + text[at:]
        elif change == "wrapped":
            part[name] = [part.get(name)]
        else:
            part[name] = draw(ODD)
    return whole


# --- Bodies, headers, events ---------------------------------------------------------------------


@st.composite
def bodies(draw: st.DrawFn, valid: Requests) -> tuple[object, object]:
    """A body and isBase64Encoded, as API Gateway hands them over or as nobody does."""
    text = json.dumps(draw(mutated(valid)), ensure_ascii=draw(st.booleans()))
    match draw(st.sampled_from(["whole"] * 6 + ["cut", "twice", "bytes", "base64", "any"])):
        case "cut":
            text = text[: draw(st.integers(0, len(text)))] + draw(st.sampled_from(["", "}", "\0"]))
        case "twice":  # the last of two keys counts
            text = f'{{"action": "exec", "env": {json.dumps({"A": SECRET})}, {text[1:]}'
        case "bytes":
            encoding = draw(st.sampled_from(["utf-16", "utf-8-sig", "cp1252", "utf-7"]))
            raw = text.encode(encoding, errors="ignore") + draw(st.binary(max_size=3))
            return base64.b64encode(raw).decode(), draw(st.sampled_from([True, 1, "true"]))
        case "base64":
            raw = text.encode(errors="surrogatepass")
            return base64.b64encode(raw).decode() + draw(st.sampled_from(["", "=", "*", "é"])), True
        case "any":
            odd = st.sampled_from(["[" * 60_000, '{"a":' * 9_000, "1" * 5_000, "NaN", "\ufeff{}"])
            return draw(odd | ODD | ODD.map(json.dumps) | st.text()), draw(st.booleans() | ODD)
        case _:
            pass
    return text, draw(st.sampled_from([False, False, None, 0]))


WRONG_KEYS = st.one_of(
    st.integers(0, 10_000).map(lambda length: (SECRET + "0" * length)[:length]),
    st.text(max_size=80).map(lambda text: SECRET + text),
    st.sampled_from(
        [API_KEY[:-1], API_KEY + "0", API_KEY + "\n", API_KEY.upper(), "sk_live_" + "f" * 64]
    ),
)
NAMES = st.sampled_from(["X-API-Key", "x-api-key", "X-Api-KEY", "X-API-KEY"])


@st.composite
def api_events(draw: st.DrawFn, valid: Requests) -> dict[str, Any]:
    body, encoded = draw(bodies(valid))
    headers: Any = {"Accept": "*/*", draw(NAMES): API_KEY}
    if draw(st.booleans()):
        headers = draw(st.dictionaries(NAMES, WRONG_KEYS | JSON, max_size=2) | ODD)
    more: dict[str, Any] = {"multiValueHeaders": {"X-API-Key": [API_KEY]}}
    event = api_event(cast("str", body), isBase64Encoded=encoded, headers=headers, **more)
    for name in draw(st.sets(st.sampled_from(sorted(event)), max_size=1)):
        del event[name]
    return event


@contextlib.contextmanager
def everything_printed() -> Generator[io.StringIO]:
    """stdout, stderr and what Lambda's own handler would print of `logging`."""
    printed = io.StringIO()
    spy = logging.StreamHandler(printed)
    logging.getLogger().addHandler(spy)
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            yield printed
    finally:
        logging.getLogger().removeHandler(spy)


def has_right_key(event: object) -> bool:
    headers: object = cast("Any", event).get("headers") if isinstance(event, Mapping) else None
    return isinstance(headers, dict) and API_KEY in [
        value for name, value in headers.items() if name.lower() == "x-api-key"
    ]


@sizes(300, 20_000)
def test_whatever_comes_is_answered_in_words(account: Account, hooks: Hooks, size: int) -> None:
    hooks.answer("ecs.StopTask", lambda body: None if body["task"] in known else NOT_FOUND)
    executions: dict[str, str] = {}
    for _ in range(3):
        execution_id = account.start()
        executions[execution_id] = account.task_arn(execution_id)
        account.write_log(executions[execution_id], "a line", "another")
    known = executions.values()
    api = api_events(
        EXEC | about(executions) | LIST | LIST_TASK_DEFINITIONS | REMOVE | IMAGES | REPOSITORIES
    )

    @settings(max_examples=size, deadline=None, suppress_health_check=UNHURRIED)
    @given(st.one_of(api, api, api, mutated(events_of(executions)), ODD))
    def holds(event: object) -> None:
        account.calls.clear()
        tasks_before = len(account.run_task_bodies)
        with everything_printed() as printed:
            answer = handler.handle(account.runtime, cast("Any", event), REQUEST_ID)
        assert SECRET not in printed.getvalue()
        assert API_KEY not in printed.getvalue()
        if answer is None:  # EventBridge waits for no answer
            assert set(account.calls) <= {"UpdateItem", "StopTask"}
            return
        body: str = answer["body"]
        document = json.loads(body.encode())
        assert isinstance(document, dict)
        assert answer["statusCode"] in DOCUMENTED, body
        assert ("error" in document) == (answer["statusCode"] != 200)
        assert API_KEY not in body
        assert f'"{SECRET}' not in body
        if not has_right_key(event):
            assert answer["statusCode"] == 401
            assert account.calls == []
        if answer["statusCode"] in (400, 401, 413):
            assert len(account.run_task_bodies) == tasks_before

    holds()
