"""The way into the registry: where the token is while it is used, and second tags."""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from mycli.building.registry import add_tag, is_in_clear, login
from mycli.errors import BuildError
from orchestrator.wire import AuthorizePushResponse
from tests.fake_endpoint import PUSH_PASSWORD as TOKEN
from tests.fake_registry import Registry


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


OCI = "application/vnd.oci.image.manifest.v1+json"
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


@pytest.mark.parametrize("kind", [OCI, LIST])
def test_a_second_tag_is_the_same_manifest(kind: str, fake_registry: Registry) -> None:
    fake_registry.manifests["api:hash"] = kind, b'{"the": "manifest"}\n'
    add_tag(leave(fake_registry.host), "hash", "v1")
    assert fake_registry.manifests["api:v1"] == fake_registry.manifests["api:hash"]
    fake_registry.quicker = kind, b"what a second PUT would meet"
    add_tag(leave(fake_registry.host), "hash", "v1")


def test_a_tag_that_is_another_image(fake_registry: Registry) -> None:
    fake_registry.manifests |= {"api:hash": (OCI, b"one"), "api:v1": (OCI, b"other")}
    with pytest.raises(BuildError, match="is another image than hash") as caught:
        add_tag(leave(fake_registry.host), "hash", "v1")
    assert "never move" in caught.value.hint
    assert fake_registry.manifests["api:v1"] == (OCI, b"other")


@pytest.mark.parametrize(("content", "fails"), [(b"one", False), (b"other", True)])
def test_another_pipeline_was_quicker(content: bytes, fails: bool, fake_registry: Registry) -> None:
    fake_registry.manifests["api:hash"] = (OCI, b"one")
    fake_registry.quicker = (OCI, content)
    if fails:
        with pytest.raises(BuildError, match="is another image"):
            add_tag(leave(fake_registry.host), "hash", "v1")
    else:
        add_tag(leave(fake_registry.host), "hash", "v1")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (403, b'{"errors": [{"message": "denied"}]}', "HTTP 403 (denied)"),
        (401, b"", "HTTP 401 (Unauthorized)"),
        (507, b"<html>", "HTTP 507 (Insufficient Storage)"),
        (500, b'{"errors": []}', "HTTP 500"),
    ],
)
def test_a_tag_that_is_refused(
    status: int, body: bytes, said: str, fake_registry: Registry
) -> None:
    fake_registry.manifests["api:hash"] = (OCI, b"one")
    fake_registry.refusing = status, body
    with pytest.raises(BuildError, match="v1 cannot be written") as caught:
        add_tag(leave(fake_registry.host), "hash", "v1")
    assert said in caught.value.message
    assert TOKEN not in caught.value.message


def test_a_registry_that_is_away() -> None:
    with pytest.raises(BuildError, match="cannot be reached") as caught:
        add_tag(leave("127.0.0.1:1"), "hash", "v1")
    assert TOKEN not in caught.value.message
