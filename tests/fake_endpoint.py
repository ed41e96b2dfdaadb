"""mycli's endpoint as far as the wire goes: a real HTTP server here, scripted by a test."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from mycli.config import Profile
from orchestrator.wire import begin_marker, end_marker

KEY = "sk_live_" + "0123456789abcdef" * 4
ID = "67a1a8f4a3b5"
ARN = "arn:aws:ecs:us-east-1:123456789012:task/mycli-cluster/0123456789abcdef0123456789abcdef"
AT = "2026-01-31T12:00:00.123Z"
REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
PUSH_PASSWORD = "a-password-of-the-registry"

STARTED: Mapping[str, Any] = {
    "execution_id": ID,
    "task_arn": ARN,
    "status": "starting",
    "log_stream": "task/executor/0123456789abcdef0123456789abcdef",
    "created_at": "2026-01-31T11:59:00Z",
    "image": "ubuntu:22.04",
    "image_name": None,
    "task_definition": "arn:aws:ecs:us-east-1:123456789012:task-definition/mycli-task-ubuntu:1",
    "task_definition_cached": True,
    "task_definition_reason": "",
}
STATUS: Mapping[str, Any] = {
    "execution_id": ID,
    "task_arn": ARN,
    "status": "STOPPED",
    "desired_status": "STOPPED",
    "created_at": "2026-01-31T11:59:00Z",
    "exit_code": 0,
    "command": "echo hello",
    "image": "ubuntu:22.04",
}


def definition(family: str, revision: int, image: str = "alpine:latest", **more: Any) -> Any:
    """A task definition as the function lists it."""
    return {
        "arn": f"arn:aws:ecs:us-east-1:123456789012:task-definition/{family}:{revision}",
        "family": family,
        "revision": revision,
        "image": image,
        "status": "ACTIVE",
        "registered_at": "2026-01-01T12:00:00Z",
        **more,
    }


@dataclass(frozen=True)
class Answer:
    """What the endpoint answers once. A body that is no document is sent as it is.

    lost: the connection breaks before the answer, or (cut) in the middle of its body.
    """

    document: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    lost: bool = False
    cut: bool = False


LOST = Answer(lost=True)
Script = Callable[[Mapping[str, Any]], Answer]


@dataclass(frozen=True)
class Seen:
    """One request as it came. connection: the port it came from."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    connection: int

    @property
    def key(self) -> str | None:
        return self.headers.get("x-api-key")


class FakeEndpoint:
    """Answers each action as it was told; a 404 where it was told nothing."""

    def __init__(self, daemon_secret: str = "", *, port: int = 0) -> None:
        self.daemon_secret = daemon_secret
        self.seen: list[Seen] = []
        self.closes_connections = False
        self._scripts: dict[str, Script] = {}
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.endpoint = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.drop_connections()
        self._server.server_close()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/prod/execute"

    @property
    def profile(self) -> Profile:
        return Profile(api_endpoint=self.url, api_key=KEY, daemon_secret=self.daemon_secret)

    def says(self, action: str, *answers: Answer | Mapping[str, Any]) -> None:
        """Answer each of these once, and the last for ever."""
        left = [item if isinstance(item, Answer) else Answer(item) for item in answers]
        self.runs(action, lambda _: left.pop(0) if len(left) > 1 else left[0])

    def runs(self, action: str, script: Script) -> None:
        self._scripts[action] = script

    def script(self, action: str) -> Script:
        return self._scripts[action]

    def has_log(self, *pages: Sequence[str], exit_code: int | None = 0) -> None:
        """Answer `logs` with these pages, one after the other; the last one is the end."""

        def script(request: Mapping[str, Any]) -> Answer:
            index = int(request.get("next_token") or 0)
            return Answer(log_page(pages, index, exit_code))

        self.runs("logs", script)

    def has_task_definitions(self, *definitions: Mapping[str, Any]) -> dict[str, Any]:
        """List these and remove them, ten a page; returns those that are left, by their ARN."""
        left = {item["arn"]: item for item in definitions}

        def listed(request: Mapping[str, Any]) -> Answer:
            start = int(request.get("next_token") or 0)
            page = [*left.values()][start : start + 10]
            token = str(start + 10) if start + 10 < len(left) else None
            return Answer({"task_definitions": page, "next_token": token})

        def removed(request: Mapping[str, Any]) -> Answer:
            for arn in request["arns"]:
                left.pop(arn, None)
            return Answer({"removed": request["arns"], "kept": []})

        self.runs("list_task_definitions", listed)
        self.runs("remove_task_definitions", removed)
        return left

    def has_registry(self, host: str = REGISTRY) -> dict[str, str]:
        """Find built images, and give leave to push; returns what is there, for a test to fill:
        `name:tag` -> digest.
        """
        images: dict[str, str] = {}

        def found(request: Mapping[str, Any]) -> Answer:
            name = f"{request['repository']}:{request['tag']}"
            if name not in images:
                hint = "`mycli build --push` builds it and pushes it"
                return Answer({"error": f"there is no image mycli/{name}", "hint": hint}, 404)
            image = {"image": f"{host}/mycli/{name}", "digest": images[name], "pushed_at": AT}
            return Answer(image)

        def authorized(request: Mapping[str, Any]) -> Answer:
            uri = f"{host}/mycli/{request['repository']}"
            login = {"username": "AWS", "password": PUSH_PASSWORD, "expires_at": AT}
            return Answer({"repository_uri": uri, **login})

        self.runs("find_built_image", found)
        self.runs("authorize_push", authorized)
        return images

    def answer(self, body: Mapping[str, Any]) -> Answer:
        script = self._scripts.get(str(body.get("action")))
        return script(body) if script else Answer({"error": "no such execution"}, status=404)

    def asked(self, action: str) -> list[Mapping[str, Any]]:
        return [seen.body for seen in self.seen if seen.body.get("action") == action]


def log_page(pages: Sequence[Sequence[str]], index: int, exit_code: int | None) -> dict[str, Any]:
    lines = pages[index] if index < len(pages) else ()
    done = index >= len(pages) - 1
    return {
        "logs": "\n".join(lines),
        "events": [{"at": AT, "lines": "\n".join(lines)}] if lines else [],
        "next_token": str(min(index + 1, len(pages))),
        "done": done,
        "exit_code": exit_code if done else None,
    }


def output_of(lines: Sequence[str], exit_code: int = 0) -> list[str]:
    """A whole log: the setup, these lines between the markers, and an end."""
    return ["Cloning...", begin_marker(ID), *lines, end_marker(ID, exit_code)]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    endpoint: FakeEndpoint

    def __init__(self, *args: Any) -> None:
        self._connections: list[socket.socket] = []
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.append(request)
        super().process_request(request, client_address)

    def drop_connections(self) -> None:
        """Also those that wait for another request, whose threads would never end."""
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._serve({})

    def do_POST(self) -> None:
        self._serve(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _serve(self, body: Mapping[str, Any]) -> None:
        endpoint = self.server.endpoint  # pyright: ignore[reportAttributeAccessIssue]
        headers = {name.lower(): value for name, value in self.headers.items()}
        endpoint.seen.append(Seen(self.command, self.path, headers, body, self.client_address[1]))
        parts = urlsplit(self.path)
        if parts.path == "/_mycli/prove":
            answer = self._prove(endpoint, parse_qs(parts.query)["nonce"][0])
        else:
            answer = endpoint.answer(body)
        if answer.lost:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._send(answer, close=endpoint.closes_connections)

    def _prove(self, endpoint: FakeEndpoint, nonce: str) -> Answer:
        if not endpoint.daemon_secret:
            return Answer({"message": "Missing Authentication Token"}, status=403)
        message = f"{nonce} {endpoint.origin}".encode()
        proof = hmac.new(endpoint.daemon_secret.encode(), message, hashlib.sha256)
        return Answer({"proof": proof.hexdigest()})

    def _send(self, answer: Answer, *, close: bool) -> None:
        body = json.dumps(answer.document).encode() if answer.body is None else answer.body
        self.send_response(answer.status)
        headers = {"Content-Type": "application/json", **answer.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        if close:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if answer.cut:
            body = body[: len(body) // 2]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the library
        pass
