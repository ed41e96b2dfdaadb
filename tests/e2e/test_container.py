"""Tasks in real containers, of an image made from this machine's own busybox."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mycli.local.containers import find_engine

from .conftest import Machine, new_machine

ENGINE = find_engine()
BUSYBOX = shutil.which("busybox")
IMAGE = f"localhost/mycli-test-busybox:{os.getpid()}"  # its own for each worker

pytestmark = [
    pytest.mark.skipif(ENGINE is None, reason="neither Docker nor Podman answers"),
    pytest.mark.skipif(BUSYBOX is None, reason="there is no busybox to make an image of"),
]


def root_filesystem() -> bytes:
    """A tar with busybox as every program it can be, and nothing else."""
    assert BUSYBOX
    listed = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True)
    with io.BytesIO() as content:
        with tarfile.open(fileobj=content, mode="w") as tar:
            tar.add(BUSYBOX, "bin/busybox")
            for name in listed.stdout.split():
                link = tarfile.TarInfo(f"bin/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                if name != "busybox":
                    tar.addfile(link)
            folder = tarfile.TarInfo("tmp")
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(folder)
        return content.getvalue()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine whose tasks run in containers, of the busybox image where none is named."""
    assert ENGINE
    subprocess.run(
        [ENGINE, "import", "-", IMAGE], input=root_filesystem(), capture_output=True, check=True
    )
    machine = new_machine(tmp_path_factory.mktemp("machine"))
    made = machine.run("init", "--local", "--force", "--runtime", "container", "--image", IMAGE)
    assert made.code == 0, made
    yield machine
    assert machine.run("destroy", "--force").code == 0
    subprocess.run([ENGINE, "rmi", "--force", IMAGE], capture_output=True, check=True)


@pytest.mark.parametrize(("command", "code"), [("true", 0), ("exit 7", 7), ("kill -9 $$", 137)])
def test_the_exit_code_comes_back(machine: Machine, command: str, code: int) -> None:
    assert machine.follow(command).code == code


def test_the_command_sees_the_image_and_not_this_machine(machine: Machine) -> None:
    ran = machine.follow(
        "--env", "GREETING=it's", f'echo "$GREETING"; test -e {Path.home()} || echo apart; pwd'
    )
    assert (ran.code, ran.out) == (0, "it's\napart\n/\n"), ran


def test_the_timeout_is_kept(machine: Machine) -> None:
    ran = machine.follow("--timeout", "1", "echo up; sleep 100")
    assert (ran.code, ran.out) == (124, "up\n"), ran


def test_an_image_that_is_not_there(machine: Machine) -> None:
    ran = machine.follow("--image", "localhost/mycli-no-such-image:1", "true")
    assert (ran.code, ran.out) == (125, ""), ran
    assert "CannotPullContainerError" in ran.err
    assert "check the image's name" in ran.err


def test_an_image_without_git_says_so_before_the_clone(machine: Machine) -> None:
    ran = machine.run("exec", "-f", "--repo", "https://example.com/user/repo", "true")
    assert (ran.code, ran.out) == (125, ""), ran
    assert "the image has no git" in ran.err
