"""A container registry as far as second tags go: a real HTTP server here, filled by a test."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.fake_endpoint import PUSH_PASSWORD


class Registry(ThreadingHTTPServer):
    """Manifests by `name:tag`, which never move.

    refusing: what it answers to every PUT. quicker: what somebody writes just before each.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.refusing: tuple[int, bytes] | None = None
        self.quicker: tuple[str, bytes] | None = None

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Registry  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        found = self.server.manifests.get(self._name())
        if found is None:
            self._say(404, b"{}")
        elif found[0] not in self.headers["Accept"]:
            self._say(406, b"{}")
        else:
            self._say(200, found[1], found[0])

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name = self._name()
        if self.server.quicker:
            self.server.manifests[name] = self.server.quicker
        if self.server.refusing:
            self._say(*self.server.refusing)
        elif name in self.server.manifests:
            self._say(400, b'{"errors": [{"message": "it is immutable"}]}')
        else:
            self.server.manifests[name] = (self.headers["Content-Type"], body)
            self._say(201, b"")

    def _name(self) -> str:
        found = re.fullmatch("/v2/mycli/([^/]+)/manifests/([^/]+)", self.path)
        return f"{found[1]}:{found[2]}" if found else ""

    def _say(self, status: int, body: bytes, kind: str = "application/json") -> None:
        given = self.headers.get("Authorization", "")
        if given != "Basic " + base64.b64encode(f"AWS:{PUSH_PASSWORD}".encode()).decode():
            status, body = 401, b"{}"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the library
        pass


@pytest.fixture
def fake_registry() -> Iterator[Registry]:
    with Registry() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
