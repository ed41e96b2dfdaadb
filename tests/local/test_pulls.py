"""What Docker's or Podman's command is asked when a task's image is pulled: on stand-ins."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from mycli.local.processes import CannotStart
from mycli.local.pulls import Login, Wanted, have, registry_of

# Notes what it is asked, and what a login it is given looks like while it runs.
_ENGINE = """#!/bin/sh
echo "$@" >>{folder}/asked
case "$*" in
--version) echo {kind} version 1; exit ;;
"image inspect"*) [ -f {folder}/there ] && cat {folder}/there; exit ;;
esac
while [ $# -gt 0 ]; do
  case $1 in
  --config) cp -RL "$2" {folder}/given; file=$2/config.json ;;
  --authfile) mkdir {folder}/given; cp "$2" {folder}/given/config.json; file=$2 ;;
  esac
  shift
done
[ -z "$file" ] || stat -c %a "$file" >{folder}/mode
[ -f {folder}/refusal ] && {{ cat {folder}/refusal >&2; exit 1; }}
echo "id linux/amd64" >{folder}/there
"""

PASSWORD = "a-secret-password"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a user of Docker, with a context and logins of his own."""
    own = tmp_path / "home" / ".docker"
    (own / "contexts").mkdir(parents=True)
    (own / "contexts" / "colima").write_text("where Docker is")
    settings = {
        "currentContext": "colima",
        "credsStore": "desktop",
        "credHelpers": {"registry.example": "helper"},
        "auths": {"elsewhere.example": {"auth": "of the user"}},
    }
    (own / "config.json").write_text(json.dumps(settings))
    monkeypatch.setenv("HOME", str(own.parent))
    return own.parent


def engine(folder: Path, kind: str) -> str:
    path = folder / "engine"
    path.write_text(_ENGINE.format(folder=folder, kind=kind))
    path.chmod(0o700)
    return str(path)


def wanted(image: str = "registry.example/team/tool:1", **more: bool) -> Wanted:
    return Wanted(image, "X86_64", lambda: Login("me", PASSWORD), **more)


def asked(folder: Path) -> str:
    return (folder / "asked").read_text()


@pytest.mark.parametrize("kind", ["Docker", "podman"])
def test_a_login_is_in_a_file_of_ours_alone(kind: str, tmp_path: Path, home: Path) -> None:
    assert have(engine(tmp_path, kind), wanted()) == "id"
    given = json.loads((tmp_path / "given" / "config.json").read_text())
    pair = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
    assert given.pop("auths") == {"registry.example": {"auth": pair}}
    assert given == ({"currentContext": "colima"} if kind == "Docker" else {})
    assert (tmp_path / "mode").read_text() == "600\n"
    assert (tmp_path / "given" / "contexts" / "colima").exists() == (kind == "Docker")
    assert "pull --quiet --platform linux/amd64 " in asked(tmp_path)
    for secret in (PASSWORD, pair):
        assert secret not in asked(tmp_path)
    [option] = [word for word in ("--config", "--authfile") if word in asked(tmp_path)]
    place = asked(tmp_path).partition(f"{option} ")[2].split()[0]
    assert not Path(place).exists(), "it is gone with the pull"


def test_docker_keeps_its_hubs_login_under_another_name(tmp_path: Path, home: Path) -> None:
    have(engine(tmp_path, "Docker"), wanted("team/tool"))
    given = json.loads((tmp_path / "given" / "config.json").read_text())
    assert list(given["auths"]) == ["https://index.docker.io/v1/"]


def test_without_a_login_the_users_own_are_used(tmp_path: Path, home: Path) -> None:
    have(engine(tmp_path, "podman"), Wanted("registry.example/tool"))
    assert "--authfile" not in asked(tmp_path)
    assert "--tls-verify" not in asked(tmp_path)


@pytest.mark.parametrize(
    ("image", "in_clear"),
    [
        ("127.0.0.1:5000/a", True),
        ("localhost:5000/a", True),
        ("127.0.0.1.evil.example/a", False),
        ("localhost.evil.example:5000/a", False),
        ("registry.example/127.0.0.1:5000/a", False),
    ],
)
def test_only_this_machine_is_asked_in_clear(
    image: str, in_clear: bool, tmp_path: Path, home: Path
) -> None:
    have(engine(tmp_path, "podman"), Wanted(image))
    assert ("--tls-verify=false" in asked(tmp_path)) == in_clear


def test_what_is_there_is_not_pulled_again(tmp_path: Path, home: Path) -> None:
    (tmp_path / "there").write_text("id linux/amd64")
    assert have(engine(tmp_path, "podman"), wanted()) == "id"
    assert " pull " not in asked(tmp_path)
    have(engine(tmp_path, "podman"), wanted(always=True))
    assert "pull --quiet" in asked(tmp_path)


def test_what_is_there_for_another_platform_is_told(tmp_path: Path, home: Path) -> None:
    (tmp_path / "there").write_text("id linux/arm64")
    (tmp_path / "refusal").write_text("Error: no such image\n")
    with pytest.raises(CannotStart, match=r"matching platform 'linux/amd64'.* is for linux/arm64"):
        have(engine(tmp_path, "podman"), wanted())
    (tmp_path / "refusal").unlink()
    assert have(engine(tmp_path, "podman"), wanted()) == "id"


def test_why_a_registry_refuses_is_told(tmp_path: Path, home: Path) -> None:
    (tmp_path / "refusal").write_text("Trying to pull\nError: unauthorized: who are you\n")
    with pytest.raises(CannotStart, match=r"^CannotPullContainerError: Error: unauthorized: who"):
        have(engine(tmp_path, "podman"), wanted())


@pytest.mark.parametrize(
    ("image", "host"),
    [
        ("alpine", "docker.io"),
        ("alpine:3", "docker.io"),
        ("index.docker.io/library/alpine", "docker.io"),
        ("team/tool:1", "docker.io"),
        ("localhost/tool", "localhost"),
        ("localhost:5000/tool", "localhost:5000"),
        ("ghcr.io/team/tool@sha256:0", "ghcr.io"),
        ("registry/tool", "docker.io"),
        ("127.0.0.1:4000/a/b:1", "127.0.0.1:4000"),
    ],
)
def test_an_images_name_has_its_registry(image: str, host: str) -> None:
    assert registry_of(image) == host
