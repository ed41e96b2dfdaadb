"""Requests that no library sends, and signatures that are not quite right, against the daemon."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import boto3
import botocore.auth
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from mycli.local.guard import MAX_INVOKE_BYTES
from tests.local.conftest import Running, until

INVOKE = "/restapis/abc123/prod/_user_request_/execute"
RESET = "/_ministack/reset"


def talk(running: Running, request: str) -> bytes:
    """What the daemon answers to these bytes, up to its end or to half a second of silence."""
    with socket.create_connection(("127.0.0.1", running.account.port), timeout=30) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode())
        answer = connection.recv(65_536)
        connection.settimeout(0.5)
        with contextlib.suppress(TimeoutError, ConnectionError):
            while more := connection.recv(65_536):
                answer += more
        return answer


def head(running: Running, method: str, target: str, *lines: str) -> str:
    host = f"Host: 127.0.0.1:{running.account.port}"
    return "\n".join([f"{method} {target} HTTP/1.1", host, "Connection: close", *lines, "", ""])


@pytest.fixture(autouse=True)
def unharmed(running: Running) -> Iterator[None]:
    """Whatever was asked: the account answers as before, and has what it had."""
    clusters = running.clients("ecs").list_clusters()["clusterArns"]
    yield
    assert running.clients("ecs").list_clusters()["clusterArns"] == clusters
    assert clusters


@pytest.mark.parametrize(
    "target",
    [
        "//_ministack/reset",
        "/./_ministack/reset",
        "/%2e%2e/_ministack/reset",
        "/_ministack%2freset",
        "/%5fministack/reset",
        "/restapis/../_ministack/reset",
        "/_aws/execute-api/abc123/prod/execute",
        "/_aws/lambda-url/abc123/",
        "/2015-03-31/functions/f/invocations",
        "/restapis/abc123/resources/r/methods/POST",
        "http://127.0.0.1/_ministack/reset",
        "http://example.com" + INVOKE,
        "*",
        INVOKE + "%00",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_no_spelling_of_a_path_gets_in(running: Running, method: str, target: str) -> None:
    answer = talk(running, head(running, method, target, "Content-Length: 0"))
    assert answer.startswith(b"HTTP/1.1 403 "), answer
    assert b'"forbidden: ' in answer, "the emulator was not asked"


def test_what_is_behind_the_invoke_path_needs_a_signature(running: Running) -> None:
    for target in (
        INVOKE.replace("execute", "@connections/c"),
        INVOKE.replace("execute", "../../../.." + RESET),
        INVOKE.replace("abc123", "zzz"),
    ):
        answer = talk(running, head(running, "POST", target, "Content-Length: 0"))
        assert answer.startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 404 ")), answer


@pytest.mark.parametrize(
    "path", ["/health", "/v2.0/_catalog", "/oauth2/authorize", "/logout", "/bucket/key", "/graphql"]
)
def test_a_key_without_its_secret_opens_no_path(running: Running, path: str) -> None:
    scope = f"{running.account.access_key_id}/20260101/us-east-1/ecs/aws4_request"
    unsigned = f"Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=, Signature=0"
    answer = talk(running, head(running, "GET", path, unsigned))
    assert b'"forbidden: this path is shut"' in answer, answer


@pytest.mark.parametrize(
    "host",
    [
        "",
        "Host: localhost:{port}\n",
        "Host: 127.0.0.1.:{port}\n",
        "Host: 127.0.0.1\n",
        "Host: 127.0.0.1:{port}\nHost: 127.0.0.1:{port}\n",
        "Host: 127.0.0.1:{port}\nHost: example.com\n",
    ],
)
def test_another_host_or_none_is_refused(running: Running, host: str) -> None:
    line = host.format(port=running.account.port)
    for version in ("1.0", "1.1"):
        answer = talk(running, f"POST {INVOKE} HTTP/{version}\n{line}Content-Length: 0\n\n")
        assert answer.startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 400 ")), answer


def test_only_http_1_1_is_spoken(running: Running) -> None:
    """HTTP/2 has another header for the host, and its own rules for what is one request."""
    host = f"Host: 127.0.0.1:{running.account.port}\n"
    upgrade = "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABk\n"
    assert talk(running, f"GET {INVOKE} HTTP/1.1\n{host}{upgrade}\n")[:12] != b"HTTP/1.1 101"
    known_before = talk(running, "PRI * HTTP/2.0\n\nSM\n\n")
    assert known_before.startswith(b"HTTP/1.1 4"), known_before
    assert talk(running, f"GET {INVOKE} HTTP/1.0\n{host}\n").startswith(b"HTTP/1.1 403 ")


def test_a_websocket_is_refused(running: Running) -> None:
    asked = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + "A" * 24)
    request = head(running, "GET", INVOKE, *asked).replace("close", "Upgrade")
    assert talk(running, request).startswith(b"HTTP/1.1 403 ")


def test_nothing_is_smuggled_behind_another_request(running: Running) -> None:
    """Of two lengths the chunks count, and what follows them is asked for its own key."""
    first = head(running, "POST", INVOKE, "Content-Length: 5", "Transfer-Encoding: chunked")
    second = head(running, "POST", RESET, "Content-Length: 0")
    answer = talk(running, first.replace("Connection: close\n", "") + "0\n\n" + second)
    assert answer.count(b"HTTP/1.1 ") == 2
    assert answer.endswith(b'{"error": "forbidden: this path is shut"}')
    two = head(running, "POST", INVOKE, "Content-Length: 2", "Content-Length: 20")
    assert talk(running, two + "{}").startswith(b"HTTP/1.1 400 ")


def test_a_body_without_an_end_is_cut_off(running: Running) -> None:
    size = MAX_INVOKE_BYTES // 2
    chunk = f"{size:x}\n{'x' * size}\n"
    request = head(running, "POST", INVOKE, "Transfer-Encoding: chunked") + 3 * chunk
    assert talk(running, request).startswith(b"HTTP/1.1 413 ")


def test_many_who_never_finish_hold_up_nobody(running: Running) -> None:
    with contextlib.ExitStack() as slow:
        for body in ("", "1\nx\n") * 100:
            address = ("127.0.0.1", running.account.port)
            stranger = slow.enter_context(socket.create_connection(address))
            request = head(running, "POST", INVOKE, "Transfer-Encoding: chunked")
            request = request + body if body else request.rstrip("\n")
            stranger.sendall(request.replace("\n", "\r\n").encode())
        assert running.clients("ecs").list_clusters()["clusterArns"]


# --- Signatures ----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Signer:
    """Signs a request of ecs and sends it, or one a little different; its status and answer."""

    running: Running
    credentials: Credentials

    def send(
        self,
        body: bytes = b"{}",
        late: Mapping[str, str] | None = None,
        at: timedelta = timedelta(),
    ) -> tuple[int, str]:
        """Sign `{}`; send this body, with these headers put over the signed ones."""
        request = AWSRequest(
            "POST", self.running.account.origin + "/", data=b"{}", headers=self._headers()
        )
        now = datetime.now(UTC) + at
        signer = SigV4Auth(self.credentials, "ecs", self.running.account.region)
        with mock.patch.object(botocore.auth, "get_current_datetime", return_value=now):
            signer.add_auth(request)
        headers = {**dict(request.headers.items()), **(late or {})}
        port = self.running.account.port
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
            connection.request("POST", "/", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def _headers(self) -> dict[str, str]:
        return {
            "Host": f"127.0.0.1:{self.running.account.port}",
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "AmazonEC2ContainerServiceV20141113.ListClusters",
        }


@pytest.fixture
def owner(running: Running) -> Signer:
    here = running.account
    return Signer(running, Credentials(here.access_key_id, here.secret_access_key))


OTHER = b'{"maxResults": 1}'
DIGEST = "X-Amz-Content-SHA256"


def test_a_signature_is_for_one_request(owner: Signer) -> None:
    assert owner.send()[0] == 200
    assert "ignature" in owner.send(OTHER)[1]
    other_call = {"X-Amz-Target": "AmazonEC2ContainerServiceV20141113.ListTaskDefinitions"}
    assert "ignature" in owner.send(late=other_call)[1]


def test_a_digest_that_is_told_is_not_believed(owner: Signer) -> None:
    signed = hashlib.sha256(b"{}").hexdigest()
    assert owner.send(late={DIGEST: signed})[0] == 200
    for told in (signed, "UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"):
        assert "ignature" in owner.send(OTHER, {DIGEST: told})[1]


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_signature_of_another_hour_is_refused(owner: Signer, hours: int) -> None:
    status, answer = owner.send(at=timedelta(hours=hours))
    assert (status, "Signature" in answer) == (400, True), answer


@pytest.fixture
def role(running: Running) -> Iterator[str]:
    """A role that may do everything; its name. Gone at the end, or before."""
    iam, name = running.clients("iam"), "visitor"
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Statement": [trust]})
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)
    anything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = json.dumps({"Statement": [anything]})
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=policy)
    yield name
    with contextlib.suppress(iam.exceptions.NoSuchEntityException):
        iam.delete_role_policy(RoleName=name, PolicyName="all")
        iam.delete_role(RoleName=name)


def session(running: Running, role: str, **more: Any) -> Credentials:
    """The credentials of a session of the role. A duration may be shorter than AWS allows."""
    here = running.account
    sts = boto3.client(
        "sts",
        aws_access_key_id=here.access_key_id,
        aws_secret_access_key=here.secret_access_key,
        region_name=here.region,
        endpoint_url=here.origin,
        config=Config(parameter_validation=False, proxies={}),
    )
    arn = f"arn:aws:iam::{here.account_id}:role/{role}"
    given = sts.assume_role(RoleArn=arn, RoleSessionName="visit", **more)["Credentials"]
    return Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


def test_a_session_needs_its_token_and_its_role(running: Running, role: str) -> None:
    visitor = Signer(running, session(running, role))
    assert visitor.send()[0] == 200
    for token in (None, "another"):
        key, secret = visitor.credentials.access_key, visitor.credentials.secret_key
        assert "security token" in Signer(running, Credentials(key, secret, token)).send()[1]
    iam = running.clients("iam")
    iam.delete_role_policy(RoleName=role, PolicyName="all")
    iam.delete_role(RoleName=role)
    assert visitor.send()[0] == 403


def test_an_expired_session_is_refused(running: Running, role: str) -> None:
    visitor = Signer(running, session(running, role, DurationSeconds=1))
    until(lambda: visitor.send()[0] != 200, seconds=10)
    assert "expired" in visitor.send()[1]
