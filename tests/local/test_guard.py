from __future__ import annotations

import asyncio
import hashlib
import hmac
import http.client
import json
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from mycli.local.guard import (
    MAX_INVOKE_BYTES,
    MAX_LAYER_BYTES,
    MAX_MANIFEST_BYTES,
    Message,
    guard,
)
from tests.local.conftest import Running

PORT = 4566
KEY = "AKIAABCDEFGHIJKLMNOP"
HOST = ("host", f"127.0.0.1:{PORT}")
SIGNED = ("authorization", f"AWS4-HMAC-SHA256 Credential={KEY}/20260101/us-east-1/ecs/aws4_request")
CALLERS = {"Basic good": "somebody"}
INVOKE = "/restapis/abc123/prod/_user_request_/execute"


def ask(
    path: str,
    *headers: tuple[str, str],
    method: str = "POST",
    query: str = "",
    body: bytes | None = b"",
    version: str = "1.1",
) -> tuple[int, dict[str, str], Any]:
    """Ask the guard in front of an app that answers 200 with what it was sent.

    body: None for one that never comes.
    """

    async def app(scope: Message, receive: Any, send: Any) -> None:
        seen = await receive()
        invites = (b"Access-Control-Allow-Origin", b"*")
        await send({"type": "http.response.start", "status": 200, "headers": [invites]})
        await send({"type": "http.response.body", "body": b'"through %d"' % len(seen["body"])})

    sent: list[Message] = []

    async def receive() -> Message:
        if body is None:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Message = {
        "type": "http",
        "http_version": version,
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    knows_key, seconds = KEY.__eq__, 0.01
    guarded = guard(
        app, PORT, "secret", knows_key, CALLERS.get, body_seconds=seconds, piece_seconds=seconds
    )
    asyncio.run(guarded(scope, receive, send))
    answered = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, json.loads(sent[1]["body"])


def status(path: str, *headers: tuple[str, str], **request: Any) -> int:
    return ask(path, *headers, **request)[0]


def test_the_owner_gets_through_and_no_page_is_invited() -> None:
    code, headers, body = ask("/", HOST, SIGNED)
    assert (code, body) == (200, "through 0")
    assert not [name for name in headers if name.startswith("access-control-")]


def test_an_api_key_is_enough_on_the_invoke_path() -> None:
    assert status(INVOKE, HOST, body=b"{}") == 200


@pytest.mark.parametrize(
    "header",
    [
        ("origin", "https://example.com"),
        ("origin", "null"),
        ("sec-fetch-mode", "no-cors"),
        ("sec-fetch-site", "none"),
    ],
)
def test_pages_are_refused_with_whatever_key(header: tuple[str, str]) -> None:
    assert status(INVOKE, HOST, header) == 403
    assert status("/", HOST, SIGNED, header) == 403
    assert status("/_mycli/prove", HOST, header, method="GET", query="nonce=" + "0" * 32) == 403


@pytest.mark.parametrize(
    "host",
    ["evil.example:4566", "127.0.0.1", "127.0.0.1:80", "localhost:4566", "127.0.0.1:4566.evil", ""],
)
def test_another_host_is_refused(host: str) -> None:
    """A name of the page's own that points here is how DNS rebinding looks."""
    assert status("/", ("host", host), SIGNED) == 403
    assert status(INVOKE, ("host", host)) == 403


def test_two_hosts_or_none_are_refused() -> None:
    assert status(INVOKE, HOST, HOST) == 403
    assert status(INVOKE) == 403


@pytest.mark.parametrize(
    "path",
    ["/", "/restapis", "/restapis/abc123/stages", "/2015-03-31/functions/f", "/tags/arn:aws:a"],
)
def test_the_owner_has_the_services_of_a_stack(path: str) -> None:
    assert status(path, HOST, SIGNED) == 200


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT", "PRI"])
def test_an_uncommon_method_is_refused(method: str) -> None:
    assert status("/", HOST, SIGNED, method=method) == 403
    assert status(INVOKE, HOST, method=method) == 403


@pytest.mark.parametrize("version", ["1.0", "2", "2.0", "3"])
def test_another_version_of_http_is_refused(version: str) -> None:
    assert status("/", HOST, SIGNED, version=version) == 403


@pytest.mark.parametrize(
    "path",
    [
        "/_ministack/reset",
        "/_ministack/health",
        "/_ministack/config",
        "/_ministack/lambda-code/a/b/c",
        "/_localstack/health",
        "/_aws/execute-api/abc123/prod/execute",
        "/_mycli/other",
        "/health",
        "/v2x",
        "/v2.0/_catalog",
        "/oauth2/token",
        "/graphql",
        "/bucket/key",
        "/restapis_",
        "//_ministack/reset",
        "/../_ministack/reset",
        "http://127.0.0.1:4566/_ministack/reset",
        "*",
        "",
    ],
)
def test_the_emulators_own_paths_are_shut(path: str) -> None:
    assert status(path, HOST, SIGNED) == 403
    assert status(path, HOST, SIGNED, method="GET") == 403


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/health",
        "/restapis",
        "/restapis/abc123/stages",
        "/restapis/abc123/prod/_user_request_x",
        "/x/restapis/abc123/prod/_user_request_/execute",
        "/2015-03-31/functions/f/invocations",
        "/bucket/key",
    ],
)
def test_without_a_key_all_but_the_invoke_path_is_shut(path: str) -> None:
    assert status(path, HOST) == 403
    assert status(path, HOST, method="GET") == 403


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ecs/aws4_request",
        "AWS4-HMAC-SHA256 Credential=/20260101/us-east-1/ecs/aws4_request",
        "AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/ecs/aws4_request",
        f"AWS4-HMAC-SHA256 Credential={KEY}X/20260101/us-east-1/ecs/aws4_request",
        f"AWS4-HMAC-SHA256 SignedHeaders=host, Credential={KEY}/20260101/us-east-1/ecs",
        f"AWS4-ECDSA-P256-SHA256 Credential={KEY}/20260101/ecs/aws4_request",
        f"AWS {KEY}:signature",
        f"Bearer {KEY}",
    ],
)
def test_a_key_of_nobody_is_refused(authorization: str) -> None:
    assert status("/", HOST, ("authorization", authorization)) == 403
    assert status(INVOKE, HOST, ("authorization", authorization)) == 403


def test_one_good_key_beside_a_bad_one_is_refused() -> None:
    bad = ("authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ecs/aws4_request")
    assert status("/", HOST, SIGNED, bad) == 403
    assert status("/", HOST, bad, SIGNED) == 403


@pytest.mark.parametrize("name", ["X-Amz-Credential", "x-amz-signature", "AWSAccessKeyId"])
def test_credentials_in_the_address_are_refused(name: str) -> None:
    assert status("/", HOST, SIGNED, query=f"{name}={KEY}") == 403
    assert status(INVOKE, HOST, query=f"{name}=test/20260101/us-east-1/ecs/aws4_request") == 403


def test_bodies_have_a_limit() -> None:
    announced = ("content-length", str(MAX_INVOKE_BYTES + 1))
    assert status(INVOKE, HOST, announced) == 413
    assert status(INVOKE, HOST, body=b"x" * (MAX_INVOKE_BYTES + 1)) == 413
    assert status(INVOKE, HOST, body=b"x" * MAX_INVOKE_BYTES) == 200


def test_a_body_must_come_in_time() -> None:
    assert status(INVOKE, HOST, body=None) == 408
    assert status("/", HOST, SIGNED, body=None) == 408


def test_it_proves_that_it_is_this_account() -> None:
    nonce = "0123456789abcdef" * 2
    code, _, body = ask("/_mycli/prove", HOST, method="GET", query=f"nonce={nonce}")
    message = f"{nonce} http://127.0.0.1:{PORT}".encode()
    assert (code, body) == (200, {"proof": hmac.digest(b"secret", message, hashlib.sha256).hex()})


@pytest.mark.parametrize("query", ["", "nonce=", "nonce=abc", "nonce=" + "g" * 32, "nonce=1&nonce"])
def test_a_proof_needs_a_real_nonce(query: str) -> None:
    assert status("/_mycli/prove", HOST, method="GET", query=query) == 400


# --- The registry ---------------------------------------------------------------------------------

LOGIN = ("authorization", "Basic good")
UPLOAD = "/v2/a/blobs/uploads/0123"


@pytest.mark.parametrize("path", ["/v2", "/v2/", "/v2/a/manifests/1", "/v2/../restapis", UPLOAD])
def test_the_registry_is_for_those_with_its_password(path: str) -> None:
    assert status(path, HOST, LOGIN, method="GET") == 200
    bad = ("authorization", "Basic bad")
    for headers in ([], [SIGNED], [bad], [LOGIN, LOGIN], [LOGIN, bad], [bad, LOGIN]):
        code, answered, body = ask(path, HOST, *headers, method="GET")
        assert (code, answered["www-authenticate"][:6]) == (401, "Basic "), headers
        assert body["errors"][0]["code"] == "UNAUTHORIZED"


@pytest.mark.parametrize("path", ["/", "/restapis", INVOKE, "/v2x", "/v2.0/", "/x/v2/", "//v2/"])
def test_a_password_of_the_registry_opens_nothing_else(path: str) -> None:
    assert status(path, HOST, LOGIN) == 403


def test_the_registry_is_shut_to_pages_and_other_hosts() -> None:
    for stranger in ([HOST, ("origin", "null")], [HOST, ("sec-fetch-site", "none")], [HOST, HOST]):
        assert status("/v2/", *stranger, LOGIN) == 403
    assert status("/v2/", ("host", "evil.example:4566"), LOGIN) == 403
    assert status("/v2/", LOGIN) == 403


def test_layers_may_be_large_and_manifests_not() -> None:
    for path, limit in ((UPLOAD, MAX_LAYER_BYTES), ("/v2/a/manifests/1", MAX_MANIFEST_BYTES)):
        assert status(path, HOST, LOGIN, ("content-length", str(limit)), method="PUT") == 200
        for announced in (str(limit + 1), "9" * 100, "-1", "1e3", ""):
            length = ("content-length", announced)
            assert status(path, HOST, LOGIN, length, method="PUT") == 413
    assert status("/v2/a/manifests/1", HOST, LOGIN, body=b"x" * (MAX_MANIFEST_BYTES + 1)) == 413


def test_each_piece_of_a_layer_must_come_in_time() -> None:
    assert status(UPLOAD, HOST, LOGIN, method="PATCH", body=None) == 408
    assert status("/v2/a/manifests/1", HOST, LOGIN, method="PUT", body=None) == 408


def test_websockets_are_refused() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    scope: Message = {"type": "websocket", "headers": [], "path": INVOKE}
    asyncio.run(guard(nothing, PORT, "secret", lambda _: True, CALLERS.get)(scope, nothing, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


# --- The same in front of the real daemon --------------------------------------------------------


def call(running: Running, method: str, path: str, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", running.account.port)
    try:
        connection.request(method, path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_daemon_refuses_strangers(running: Running) -> None:
    assert call(running, "POST", "/_ministack/reset") == 403
    assert call(running, "GET", "/_ministack/health") == 403
    assert (
        call(running, "POST", "/", **{"X-Amz-Target": "AmazonEC2ContainerService.RunTask"}) == 403
    )
    assert call(running, "GET", "/", Origin="https://example.com") == 403
    assert call(running, "GET", "/", Host="example.com") == 403


def client(running: Running, service: str, key: str, secret: str) -> Any:
    return boto3.client(
        service,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        region_name=running.account.region,
        endpoint_url=running.account.origin,
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )


@pytest.mark.parametrize("key", ["test", "000000000000", "AKIAABCDEFGHIJKLMNOP"])
def test_the_daemon_refuses_the_emulators_own_keys(running: Running, key: str) -> None:
    with pytest.raises(ClientError, match="403"):
        client(running, "ecs", key, "test").list_clusters()


def test_the_daemon_refuses_the_account_number_as_a_key(running: Running) -> None:
    with pytest.raises(ClientError, match="403"):
        client(running, "ecs", running.account.account_id, "test").list_clusters()


@pytest.mark.parametrize("service", ["ecs", "iam", "lambda", "dynamodb", "logs", "apigateway"])
def test_the_right_key_with_a_wrong_secret_is_refused(running: Running, service: str) -> None:
    calls = {
        "ecs": "list_clusters",
        "iam": "list_roles",
        "lambda": "list_functions",
        "dynamodb": "list_tables",
        "logs": "describe_log_groups",
        "apigateway": "get_rest_apis",
    }
    stranger = client(running, service, running.account.access_key_id, "not the secret")
    with pytest.raises(ClientError, match=r"[Ss]ignature"):
        getattr(stranger, calls[service])()
