from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError
from botocore.stub import Stubber

from orchestrator import handler
from tests.orchestrator.conftest import (
    API_KEY,
    REQUEST_ID,
    Account,
    Hooks,
    api_event,
    task_event,
)

UNKNOWN_ID = "6ab000000000"
UNKNOWN_ARN = f"arn:aws:ecs:us-east-1:123456789012:task/mycli-cluster/{'0' * 32}"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (None, "not JSON"),
        ("", "not JSON"),
        ("{", "not JSON"),
        ("action=exec", "not JSON"),
        ("[" * 60_000, "nested too deep"),
        ('{"action": ' + "1" * 5000 + "}", "number is too long"),
        ('{"action": "\ud800"}', "not UTF-8"),
        ("[]", "the body is an array"),
        ('"exec"', "the body is a string"),
        ("null", "the body is null"),
        ("7", "the body is a number"),
        ("{}", "action"),
        ('{"action": 7}', "action"),
        ('{"action": ["exec"]}', "action"),
        ('{"action": ' + "[" * 900 + "]" * 900 + "}", "action is an array"),
        ('{"action": "nonsense"}', "action"),
        ('{"action": "\\ud800"}', "action"),
        ('{"action": "exec"}', "command"),
        ('{"action": "exec", "command": "true"}', "repo required"),
        ('{"action": "exec", "command": 7, "skip_git": true}', "command"),
        ('{"action": "exec", "command": "  ", "skip_git": true}', "command"),
        ('{"action": "exec", "command": "a\\u0000b", "skip_git": true}', "command"),
        ('{"action": "exec", "command": "\\udfff", "skip_git": true}', "command is not valid"),
        ('{"action": "exec", "command": "true", "skip_git": "yes"}', "skip_git"),
        ('{"action": "exec", "command": "true", "repo": "ext::sh -c id"}', "repo"),
        ('{"action": "exec", "command": "true", "repo": "https://token@host/x"}', "repo"),
        ('{"action": "exec", "command": "true", "skip_git": true, "env": []}', "env"),
        ('{"action": "exec", "command": "true", "skip_git": true, "env": {"A": 1}}', "env.A"),
        ('{"action": "exec", "command": "true", "skip_git": true, "env": {"1A": ""}}', "env"),
        (
            '{"action": "exec", "command": "true", "skip_git": true, "env": {"MYCLI_X": ""}}',
            "MYCLI_X",
        ),
        ('{"action": "exec", "command": "true", "skip_git": true, "cpu": 256}', "memory"),
        ('{"action": "exec", "command": "true", "skip_git": true, "cpu": NaN}', "cpu"),
        ('{"action": "status"}', "execution_id or task_arn required"),
        ('{"action": "status", "execution_id": "../closing"}', "execution_id"),
        ('{"action": "status", "execution_id": "closing"}', "execution_id"),
        ('{"action": "status", "execution_id": {"S": "x"}}', "execution_id"),
        ('{"action": "status", "task_arn": "arn:aws:iam::123456789012:role/x"}', "task_arn"),
        ('{"action": "logs", "execution_id": "6ab000000000", "limit": 0}', "limit"),
        ('{"action": "logs", "execution_id": "6ab000000000", "wait_seconds": 60}', "wait_seconds"),
        ('{"action": "list", "limit": 1e3}', "limit"),
        ('{"action": "list", "since": "yesterday"}', "since"),
        ('{"action": "list", "status": "done"}', "status"),
        ('{"action": "list", "next_token": "nonsense"}', "next_token"),
        ('{"action": "list", "next_token": "000000000000"}', "next_token"),
    ],
)
def test_a_bad_request_is_a_400_that_says_what_is_wrong(
    account: Account, body: str | None, words: str
) -> None:
    answer = account.send(api_event(body))

    assert answer["statusCode"] == 400
    assert words in json.loads(answer["body"])["error"]
    assert json.loads(answer["body"])["hint"]
    assert account.items() == []
    assert account.tasks() == []


@pytest.mark.parametrize("body", [7, ["{}"], {"action": "list"}, True])
def test_a_body_that_is_no_text_is_a_400(account: Account, body: Any) -> None:
    assert account.send(api_event(body))["statusCode"] == 400
    assert account.send(api_event(body, isBase64Encoded=True))["statusCode"] == 400


@pytest.mark.parametrize("event", [None, [], "detail-type", 7, {"headers": [API_KEY]}])
def test_what_is_no_request_at_all_is_unauthorized(account: Account, event: Any) -> None:
    assert account.send(event)["statusCode"] == 401
    assert account.calls == []


@pytest.mark.parametrize("action", ["status", "logs", "stop"])
@pytest.mark.parametrize(
    "name",
    [
        {"execution_id": UNKNOWN_ID},
        {"task_arn": UNKNOWN_ARN},
        {"task_arn": UNKNOWN_ARN.replace("mycli-cluster", "another-cluster")},
    ],
)
def test_an_execution_that_does_not_exist_is_a_404(
    account: Account, action: str, name: dict[str, str]
) -> None:
    status, answer = account.ask(action, **name)

    assert status == 404
    assert next(iter(name.values())) in answer["error"]


def test_a_base64_body_is_decoded(account: Account) -> None:
    body = base64.b64encode(b'{"action": "list"}').decode()

    assert account.send(api_event(body, isBase64Encoded=True))["statusCode"] == 200


@pytest.mark.parametrize(
    "body", ["***", "é", "eyJhY3Rpb24iOi*AibGlzdCJ9", base64.b64encode(b"\xff\xfe").decode()]
)
def test_a_body_that_is_no_base64_or_no_utf8_is_a_400(account: Account, body: str) -> None:
    assert account.send(api_event(body, isBase64Encoded=True))["statusCode"] == 400


def test_a_body_that_is_too_large_is_a_413_that_says_by_how_much(account: Account) -> None:
    body = json.dumps({"action": "list", "padding": ""})
    body = body.replace('""', '"' + "é" * 32_768 + '"')
    over = len(body.encode()) - 65_536

    answer = account.send(api_event(body))

    assert over > 0
    assert answer["statusCode"] == 413
    assert f"by {over} bytes" in json.loads(answer["body"])["error"]


def test_unknown_fields_are_ignored(account: Account) -> None:
    assert account.ask("list", from_the_future=True)[0] == 200


def test_an_answer_is_json_that_nobody_caches(account: Account) -> None:
    answer = account.send(api_event('{"action": "list"}'))

    assert answer["headers"] == {"Content-Type": "application/json", "Cache-Control": "no-store"}
    assert json.loads(answer["body"]) == {"executions": [], "next_token": None}


@pytest.mark.parametrize(
    "code",
    ["ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"],
)
def test_throttling_is_a_429_that_says_when_to_come_back(account: Account, code: str) -> None:
    with Stubber(account.runtime.dynamodb) as dynamodb:
        dynamodb.add_client_error("query", code, "Rate exceeded", http_status_code=400)
        answer = account.send(api_event('{"action": "list"}'))

    assert answer["statusCode"] == 429
    assert int(answer["headers"]["Retry-After"]) > 0
    assert "Query" in json.loads(answer["body"])["error"]


def test_a_refusal_is_a_502_with_the_words_of_aws(account: Account) -> None:
    with Stubber(account.runtime.dynamodb) as dynamodb:
        words = "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: dynamodb:Query"
        dynamodb.add_client_error("query", "AccessDeniedException", words, http_status_code=400)
        status, answer = account.ask("list")

    assert status == 502
    assert words in answer["error"]
    assert "AccessDeniedException" in answer["error"]


@pytest.mark.parametrize(("status", "retries"), [(400, False), (500, True), (503, True)])
def test_a_fault_of_aws_may_pass_and_a_refusal_does_not(
    account: Account, status: int, retries: bool
) -> None:
    with Stubber(account.runtime.dynamodb) as dynamodb:
        for _ in range(3):  # what botocore sends before it gives up
            dynamodb.add_client_error("query", "SomeException", "x", http_status_code=status)
        answer = account.send(api_event('{"action": "list"}'))

    assert answer["statusCode"] == 502
    assert ("Retry-After" in answer["headers"]) == retries


def test_an_aws_that_does_not_answer_is_a_502(account: Account, hooks: Hooks) -> None:
    def time_out(**_: object) -> None:
        raise ConnectTimeoutError(endpoint_url="https://dynamodb")

    hooks.add("before-call.dynamodb.Query", time_out)

    status, answer = account.ask("list")

    assert status == 502
    assert "did not answer" in answer["error"]
    assert account.send(api_event('{"action": "list"}'))["headers"]["Retry-After"] == "1"


def test_a_bug_is_a_500_with_a_request_id_and_no_internals(
    account: Account, hooks: Hooks, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise LookupError(f"this message holds a value: {API_KEY}")

    hooks.add("before-call.dynamodb.Query", fail)

    status, answer = account.ask("list")

    assert status == 500
    assert REQUEST_ID in answer["error"]
    assert "LookupError" not in json.dumps(answer)
    logged = capsys.readouterr().out
    trace = json.loads(logged.splitlines()[0])
    assert trace["request_id"] == REQUEST_ID
    assert trace["error"] == "LookupError"
    assert any("listing.py" in frame for frame in trace["trace"])
    assert API_KEY not in logged


def test_an_event_that_cannot_be_noted_fails_so_that_lambda_tries_again(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    event = task_event(UNKNOWN_ID, UNKNOWN_ARN, "RUNNING", overrides={"value": "hunter2"})
    with Stubber(account.runtime.dynamodb) as dynamodb:
        dynamodb.add_client_error("update_item", "ThrottlingException", "hunter2")
        with pytest.raises(RuntimeError, match=REQUEST_ID) as failed:
            account.tell(event)

    assert failed.value.__suppress_context__
    assert "hunter2" not in capsys.readouterr().out


def test_every_invocation_prints_a_line_and_no_secret(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    execution_id = account.start(command="echo hunter2", env={"PASSWORD": "hunter3"})
    account.send(api_event("hunter2"))
    account.send(api_event("hunter2", key="hunter3"))
    account.tell(task_event(execution_id, account.task_arn(execution_id), "RUNNING"))
    account.tell(task_event("somebody-else", UNKNOWN_ARN, "RUNNING"))

    logged = capsys.readouterr().out
    lines = [json.loads(line) for line in logged.splitlines() if "milliseconds" in line]
    assert [(line["action"], line["status"]) for line in lines] == [
        ("exec", 200),
        (None, 400),
        (None, 401),
        ("event", "RUNNING"),
        ("event", "not ours"),
    ]
    assert lines[0]["execution_id"] == execution_id
    assert "hunter" not in logged
    assert API_KEY not in logged


def test_every_action_of_the_wire_contract_has_a_route() -> None:
    from orchestrator.wire import REQUESTS

    assert list(handler.ROUTES) == list(REQUESTS)


def test_the_entry_reads_the_environment_once(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dataclasses.asdict(account.runtime.settings)
    names = {"api_key_hash": "API_KEY_HASH", "api_key_sha256_prefix": "API_KEY_SHA256_PREFIX"}
    for name, value in settings.items():
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        monkeypatch.setenv(names.get(name, f"MYCLI_{name.upper()}"), text)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")

    answer = handler.handler(api_event('{"action": "list"}'), None)
    monkeypatch.delenv("MYCLI_TABLE")
    again = handler.handler(api_event('{"action": "list"}'), None)

    assert answer
    assert again
    assert (answer["statusCode"], again["statusCode"]) == (200, 200)
