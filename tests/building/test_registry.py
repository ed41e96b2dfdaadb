"""The way into the registry: where the token is while it is used, and second tags."""

from __future__ import annotations

import base64
import json
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mycli.building.registry import add_tag, is_in_clear, login
from mycli.errors import BuildError
from orchestrator.wire import AuthorizePushResponse

TOKEN = "token-that-nobody-may-see"


def leave(host: str = "1.dkr.ecr.eu-west-1.amazonaws.com") -> AuthorizePushResponse:
    return AuthorizePushResponse(
        repository_uri=f"{host}/mycli/api", username="AWS", password=TOKEN, expires_at=""
    )


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


# --- The token -----------------------------------------------------------------------------------


def expected(host: str) -> dict[str, Any]:
    return {host: {"auth": base64.b64encode(f"AWS:{TOKEN}".encode()).decode()}}


def test_podman_reads_a_file_of_ours_which_is_gone_then(temporary: Path) -> None:
    with login(leave(), for_podman=True) as file:
        assert json.loads(file.read_text()) == {
            "auths": expected("1.dkr.ecr.eu-west-1.amazonaws.com")
        }
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.parent.stat().st_mode & 0o777 == 0o700
    assert list(temporary.iterdir()) == []


def test_docker_reads_a_copy_of_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temporary: Path
) -> None:
    own = tmp_path / "docker"
    (own / "contexts").mkdir(parents=True)
    (own / "contexts" / "colima").write_text("x")
    settings = {
        "currentContext": "colima",
        "credsStore": "desktop",
        "credHelpers": {"1.dkr.ecr.eu-west-1.amazonaws.com": "ecr-login"},
        "auths": {"ghcr.io": {"auth": "another secret"}},
    }
    before = json.dumps(settings)
    (own / "config.json").write_text(before)
    monkeypatch.setenv("DOCKER_CONFIG", str(own))
    with login(leave("127.0.0.1:4566"), for_podman=False) as folder:
        assert json.loads((folder / "config.json").read_text()) == {
            "currentContext": "colima",
            "auths": expected("127.0.0.1:4566"),
        }
        assert (folder / "config.json").stat().st_mode & 0o777 == 0o600
        assert (folder / "contexts" / "colima").read_text() == "x"
    assert list(temporary.iterdir()) == []
    assert (own / "config.json").read_text() == before
    assert (own / "contexts" / "colima").exists()


@pytest.mark.parametrize("content", [None, "", "[]", "{nonsense"])
def test_docker_without_settings(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    if content is not None:
        (tmp_path / "docker").mkdir()
        (tmp_path / "docker" / "config.json").write_text(content)
    with login(leave("h"), for_podman=False) as folder:
        assert json.loads((folder / "config.json").read_text()) == {"auths": expected("h")}


def test_it_is_gone_whatever_happens(temporary: Path) -> None:
    with pytest.raises(KeyboardInterrupt), login(leave(), for_podman=True):
        raise KeyboardInterrupt
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("host", "clear"),
    [
        ("127.0.0.1:4566", True),
        ("127.0.0.1.example:4566", False),
        ("1.dkr.ecr.eu-west-1.amazonaws.com", False),
        ("10.0.0.1:5000", False),
        ("localhost.example:1", False),
    ],
)
def test_only_this_machine_speaks_plain_http(host: str, clear: bool) -> None:
    assert is_in_clear(leave(host)) is clear


# --- A second tag --------------------------------------------------------------------------------


class Registry(ThreadingHTTPServer):
    """Manifests by tag, which never move. refusing: what it answers to every PUT."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.refusing: tuple[int, bytes] | None = None
        self.quicker: tuple[str, bytes] | None = None

    @property
    def leave(self) -> AuthorizePushResponse:
        return leave(f"127.0.0.1:{self.server_address[1]}")


class _Handler(BaseHTTPRequestHandler):
    server: Registry  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        found = self.server.manifests.get(self.path.rpartition("/")[2])
        if not self.path.startswith("/v2/mycli/api/manifests/") or found is None:
            self._say(404, b"{}")
        elif found[0] not in self.headers["Accept"]:
            self._say(406, b"{}")
        else:
            self._say(200, found[1], found[0])

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name = self.path.rpartition("/")[2]
        if self.server.quicker:
            self.server.manifests[name] = self.server.quicker
        if self.server.refusing:
            self._say(*self.server.refusing)
        elif name in self.server.manifests:
            self._say(400, b'{"errors": [{"message": "it is immutable"}]}')
        else:
            self.server.manifests[name] = (self.headers["Content-Type"], body)
            self._say(201, b"")

    def _say(self, status: int, body: bytes, kind: str = "application/json") -> None:
        given = self.headers.get("Authorization", "")
        if given != "Basic " + base64.b64encode(f"AWS:{TOKEN}".encode()).decode():
            status, body = 401, b"{}"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the library
        pass


@pytest.fixture
def registry() -> Iterator[Registry]:
    with Registry() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


OCI = "application/vnd.oci.image.manifest.v1+json"
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


@pytest.mark.parametrize("kind", [OCI, LIST])
def test_a_second_tag_is_the_same_manifest(kind: str, registry: Registry) -> None:
    registry.manifests["hash"] = kind, b'{"the": "manifest"}\n'
    add_tag(registry.leave, "hash", "v1")
    assert registry.manifests["v1"] == registry.manifests["hash"]
    add_tag(registry.leave, "hash", "v1")


def test_a_tag_that_is_another_image(registry: Registry) -> None:
    registry.manifests |= {"hash": (OCI, b"one"), "v1": (OCI, b"other")}
    with pytest.raises(BuildError, match="is another image than hash") as caught:
        add_tag(registry.leave, "hash", "v1")
    assert "never move" in caught.value.hint
    assert registry.manifests["v1"] == (OCI, b"other")


@pytest.mark.parametrize(("content", "fails"), [(b"one", False), (b"other", True)])
def test_another_pipeline_was_quicker(content: bytes, fails: bool, registry: Registry) -> None:
    registry.manifests["hash"] = (OCI, b"one")
    registry.quicker = (OCI, content)
    if fails:
        with pytest.raises(BuildError, match="is another image"):
            add_tag(registry.leave, "hash", "v1")
    else:
        add_tag(registry.leave, "hash", "v1")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (403, b'{"errors": [{"message": "denied"}]}', "HTTP 403 (denied)"),
        (401, b"", "HTTP 401 (Unauthorized)"),
        (507, b"<html>", "HTTP 507 (Insufficient Storage)"),
        (500, b'{"errors": []}', "HTTP 500"),
    ],
)
def test_a_tag_that_is_refused(status: int, body: bytes, said: str, registry: Registry) -> None:
    registry.manifests["hash"] = (OCI, b"one")
    registry.refusing = status, body
    with pytest.raises(BuildError, match="v1 cannot be written") as caught:
        add_tag(registry.leave, "hash", "v1")
    assert said in caught.value.message
    assert TOKEN not in caught.value.message


def test_a_registry_that_is_away() -> None:
    with pytest.raises(BuildError, match="cannot be reached") as caught:
        add_tag(leave("127.0.0.1:1"), "hash", "v1")
    assert TOKEN not in caught.value.message
