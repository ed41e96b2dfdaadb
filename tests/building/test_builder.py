"""Docker and Podman: which is taken, what it is told, and what is left when it is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mycli import UsageError
from mycli.building.builder import Builder, build, find_builder, push
from mycli.building.staging import Staged
from mycli.errors import BuildError
from tests.fake_builders import ANSWERS, Tools

DOCKER = Builder("docker", is_podman=False, with_buildx=False)
BUILDX = Builder("docker", is_podman=False, with_buildx=True)
PODMAN = Builder("podman", is_podman=True, with_buildx=False)


@pytest.fixture
def folder(tmp_path: Path) -> Staged:
    return Staged(tmp_path / "context", tmp_path / "context" / "Dockerfile")


@pytest.mark.parametrize(
    ("docker", "podman", "found"),
    [
        ("docker", "podman", DOCKER),
        ("buildx", "podman", BUILDX),
        ("buildx", "", BUILDX),
        ("", "podman", PODMAN),
        ("dead", "podman", PODMAN),
        ("podman", "", Builder("docker", is_podman=True, with_buildx=False)),
    ],
)
def test_the_first_that_answers(docker: str, podman: str, found: Builder, tools: Tools) -> None:
    for command, kind in (("docker", docker), ("podman", podman)):
        if kind:
            tools.add(command, ANSWERS[kind])
    assert find_builder() == found


def test_the_user_decides(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    tools.add("docker", ANSWERS["docker"])
    tools.add("podman", ANSWERS["podman"])
    monkeypatch.setenv("MYCLI_BUILDER", "podman")
    assert find_builder() == PODMAN
    tools.add("podman", ANSWERS["dead"])
    with pytest.raises(BuildError, match=r"^MYCLI_BUILDER says podman, and podman does not answer"):
        find_builder()
    monkeypatch.setenv("MYCLI_BUILDER", "kaniko")
    with pytest.raises(UsageError, match="MYCLI_BUILDER is 'kaniko'"):
        find_builder()


def test_none_is_told_with_what_else_can_be_done(tools: Tools) -> None:
    tools.add("docker", ANSWERS["dead"])
    with pytest.raises(BuildError) as caught:
        find_builder()
    assert caught.value.message == (
        "nothing here can build an image: docker does not answer (`docker version` says why), "
        "podman is not on PATH"
    )
    assert all(word in caught.value.hint for word in ("install", "IMAGE_TAG", "--image"))


@pytest.mark.parametrize(
    ("builder", "words"),
    [
        (DOCKER, "build"),
        (BUILDX, "buildx build --load"),
        (PODMAN, "build --format docker"),
    ],
)
def test_what_a_build_is_told(
    builder: Builder,
    words: str,
    tools: Tools,
    folder: Staged,
    capfd: pytest.CaptureFixture[str],
) -> None:
    tools.add(builder.command, "echo built; echo and warned >&2; exit 3")
    args = {"B": "two words", "A": "1"}
    assert build(builder, folder, image="i:t", platform="linux/arm64", args=args) == 3
    assert tools.asked("build") == [
        f"{words} --platform linux/arm64 --file {folder.dockerfile} --tag i:t --build-arg A=1 "
        f"--build-arg B=two words --iidfile {folder.context.parent}/image-id {folder.context}"
    ]
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "built\nand warned\n")


def test_what_a_push_is_told(tools: Tools, tmp_path: Path) -> None:
    for command in ("docker", "podman"):
        tools.add(command, "")
    login, digest = tmp_path / "login", tmp_path / "digest"
    assert push(PODMAN, "local:t", "r.example/x:t", login, in_clear=False) == 0
    assert push(PODMAN, "local:t", "127.0.0.1:1/x:t", login, in_clear=True) == 0
    assert push(DOCKER, "local:t", "r.example/x:t", login, in_clear=False) == 0
    assert tools.log.read_text().splitlines() == [
        f"push --authfile {login} --digestfile {digest} local:t docker://r.example/x:t",
        f"push --authfile {login} --digestfile {digest} --tls-verify=false local:t "
        "docker://127.0.0.1:1/x:t",
        "tag local:t r.example/x:t",
        f"--config {login} push r.example/x:t",
        "rmi r.example/x:t",
    ]


def test_a_push_that_fails_leaves_no_name(tools: Tools) -> None:
    tools.add("docker", '[ "$3" != push ]')
    assert push(BUILDX, "local:t", "r.example/x:t", Path("/login"), in_clear=False) == 1
    assert tools.asked("rmi") == ["rmi r.example/x:t"]


def test_what_somebody_else_has_ended_is_not_done(
    tools: Tools, folder: Staged, tmp_path: Path
) -> None:
    tools.add("podman", "exit 0")  # as Podman ends by TERM
    assert build(PODMAN, folder, image="i:t", platform="linux/amd64", args={}) == 143
    assert push(PODMAN, "local:t", "r.example/x:t", tmp_path / "login", in_clear=False) == 143


INTERRUPTED = """
import signal, subprocess, sys
from mycli.building.running import ending_cleanly, run

class AtOnce(subprocess.Popen):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        signal.raise_signal(int(sys.argv[2]))

if int(sys.argv[2]):
    subprocess.Popen = AtOnce
try:
    with ending_cleanly():
        run(["sh", "-c", sys.argv[1]])
finally:
    print("taken away", flush=True)
"""
WAITING = "while :; do sleep 0.05; done"


def interrupted(script: str, at_once: int = 0) -> subprocess.Popen[str]:
    """A builder that runs this script. at_once: the signal that comes while it is started."""
    return subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, script, str(at_once)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("script", ["trap 'echo ended >&2; exit 1' TERM; ", ""])
def test_an_interruption_ends_the_builder_and_then_us(
    number: signal.Signals, script: str, tmp_path: Path
) -> None:
    up = tmp_path / "pid"
    process = interrupted(f"{script} echo $$ > {up}.new; mv {up}.new {up}; {WAITING}")
    deadline = time.monotonic() + 30
    while not up.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    builder = int(up.read_text())
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert out == "taken away\n"
    assert ("ended\n" in err) == bool(script)
    assert process.returncode == (-2 if number == signal.SIGINT else 128 + number)
    with pytest.raises(ProcessLookupError):
        os.kill(builder, 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_while_it_is_started_ends_it_too(number: signal.Signals) -> None:
    process = interrupted(WAITING, at_once=number)
    # It has our pipes: they are closed only when it has ended, too.
    out, _ = process.communicate(timeout=30)
    assert out == "taken away\n"
    assert process.returncode == (-2 if number == signal.SIGINT else 128 + number)


def test_one_that_does_not_end_is_killed_by_a_second_interruption(tmp_path: Path) -> None:
    up = tmp_path / "up"
    process = interrupted(f"trap '' TERM; touch {up}; {WAITING}")
    deadline = time.monotonic() + 30
    while not up.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    started = time.monotonic()
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        assert time.monotonic() < started + 8  # it would be killed after ten seconds anyway
        time.sleep(0.2)
    assert process.communicate(timeout=30)[0] == "taken away\n"
