"""docker/download.sh: what is not the file that was meant is not kept."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.task_script import Container

DOWNLOAD = Path(__file__).parents[2] / "docker" / "download.sh"
URL = "https://example.com/tool.zip"
CONTENT = "the tool"
RIGHT = hashlib.sha256(CONTENT.encode()).hexdigest()
WRONG = hashlib.sha256(b"another").hexdigest()

# The sh of the base image; busybox would take its own dpkg.
pytestmark = pytest.mark.skipif(shutil.which("dash") is None, reason="there is no dash here")


def download(
    container: Container, sums: tuple[str, str], *, arch: str = "amd64", code: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run it in the container's folder, where curl writes CONTENT and ends with this code."""
    curl = (
        f'echo "$@" >curl; while [ "$1" != --output ]; do shift; done; printf "{CONTENT}" >"$2"\n'
        f"exit {code}"
    )
    programs = container.programs(curl=curl, dpkg=f"echo {arch}")
    return subprocess.run(
        ["dash", DOWNLOAD, URL, "tool.zip", *sums],
        cwd=container.folder,
        env={"PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("arch", "sums"), [("amd64", (RIGHT, WRONG)), ("arm64", (WRONG, RIGHT))])
def test_the_checksum_is_that_of_the_architecture(
    container: Container, arch: str, sums: tuple[str, str]
) -> None:
    done = download(container, sums, arch=arch)
    assert done.returncode == 0, done
    assert (container.folder / "tool.zip").read_text() == CONTENT
    asked = (container.folder / "curl").read_text()
    assert URL in asked
    assert "--fail" in asked


@pytest.mark.parametrize("wrong", [WRONG, RIGHT[:-1], "", RIGHT.replace("a", "b")])
def test_another_file_is_not_kept(container: Container, wrong: str) -> None:
    done = download(container, (wrong, RIGHT))
    assert done.returncode != 0
    assert f"{URL} is not the file whose checksum was given" in done.stderr
    assert not (container.folder / "tool.zip").exists()


def test_an_architecture_without_a_checksum_downloads_nothing(container: Container) -> None:
    done = download(container, (RIGHT, RIGHT), arch="riscv64")
    assert done.returncode != 0
    assert "there is no checksum for riscv64" in done.stderr
    assert not (container.folder / "curl").exists()


def test_a_download_that_fails_ends_the_build(container: Container) -> None:
    assert download(container, (RIGHT, RIGHT), code=22).returncode == 22
