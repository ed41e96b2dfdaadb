"""A machine whose tasks run in containers, and an image for them from this machine's busybox."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Generator, Iterable
from pathlib import Path

import pytest

from mycli.local.containers import find_engine

from .conftest import Machine, new_machine

ENGINE = find_engine()
BUSYBOX = shutil.which("busybox")
IMAGE = f"localhost/mycli-test-busybox:{os.getpid()}"  # its own for each worker

NEEDED = [
    pytest.mark.skipif(ENGINE is None, reason="neither Docker nor Podman answers"),
    pytest.mark.skipif(BUSYBOX is None, reason="there is no busybox to make an image of"),
]


def engine(*words: str, given: bytes = b"") -> str:
    assert ENGINE
    ran = subprocess.run([ENGINE, *words], input=given, capture_output=True, check=False)
    assert ran.returncode == 0, ran
    return ran.stdout.decode()


def root_filesystem(*only: str, files: Iterable[str] = ()) -> bytes:
    """A tar with busybox as every program it can be, or only these, and nothing else.

    files: what it has of this machine besides, under the same paths.
    """
    assert BUSYBOX
    listed = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True)
    with io.BytesIO() as content:
        with tarfile.open(fileobj=content, mode="w") as tar:
            tar.add(BUSYBOX, "bin/busybox")
            for name in only or listed.stdout.split():
                link = tarfile.TarInfo(f"bin/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                if name != "busybox":
                    tar.addfile(link)
            folder = tarfile.TarInfo("tmp")
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(folder)
            for file in files:
                tar.add(os.path.realpath(file), file)
        return content.getvalue()


def git_files() -> list[str]:
    """What of this machine an image needs to clone a repository that it sees as a folder."""
    git = shutil.which("git")
    assert git
    listed = subprocess.run(["ldd", git], capture_output=True, text=True, check=True).stdout
    told = subprocess.run([git, "--exec-path"], capture_output=True, text=True, check=True).stdout
    helpers = Path(told.strip())
    return [
        git,
        *(str(helpers / name) for name in ("git", "git-upload-pack")),
        *(word for word in listed.split() if word.startswith("/")),
    ]


@contextlib.contextmanager
def container_machine(root: Path) -> Generator[Machine]:
    """It has a stack, whose tasks run in the busybox image where none is named."""
    engine("import", "-", IMAGE, given=root_filesystem())
    machine = new_machine(root)
    made = machine.run("init", "--local", "--force", "--runtime", "container", "--image", IMAGE)
    assert made.code == 0, made
    yield machine
    assert machine.run("destroy", "--force").code == 0
    engine("rmi", "--force", IMAGE)
