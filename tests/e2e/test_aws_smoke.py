"""`make aws-smoke` itself, over an account on this machine: all of it but AWS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.soak  # some 20 s


def smoke(scratch: Path, *words: str) -> subprocess.Popen[str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("MYCLI_")}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.aws_smoke", "--local", *words],
        cwd=ROOT,
        env={**kept, "TMPDIR": str(scratch), "HOME": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def repository(tmp_path: Path) -> str:
    folder = tmp_path / "repository"
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        author = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
        folder.mkdir(exist_ok=True)
        subprocess.run(["git", *author, *words], cwd=folder, check=True)
    return folder.as_uri()


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "s"
    folder.mkdir()
    return folder


def test_all_of_it(scratch: Path, repository: str) -> None:
    with smoke(scratch, "--repo", repository) as running:
        said = running.communicate(timeout=300)[0]
    assert running.returncode == 0, said
    assert "All of it works, and nothing is left." in said
    assert "1 repository; 1 task stopped" in said
    assert list(scratch.iterdir()) == []


def test_a_check_that_fails_is_told_and_the_stack_still_goes(scratch: Path) -> None:
    with smoke(scratch, "--repo", (scratch / "absent").as_uri()) as running:
        said = running.communicate(timeout=300)[0]
    assert running.returncode == 1, said
    assert "Failed: " in said
    assert "with git" in said.rpartition("Failed: ")[2]
    assert "  ok      destroy (" in said
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_destroys(number: int, scratch: Path, repository: str) -> None:
    said = ""
    with smoke(scratch, "--repo", repository) as running:
        assert running.stdout
        for line in running.stdout:
            said += line
            if "a command runs" in line:
                running.send_signal(number)
    assert running.returncode == 1, said
    assert "interrupted" in said
    assert "  ok      nothing is left" in said
    assert list(scratch.iterdir()) == []
