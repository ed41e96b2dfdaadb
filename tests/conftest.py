"""Every test has a home of its own, and none of the caller's settings."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mycli import config
from tests.fake_endpoint import FakeEndpoint

# The fixtures that stand beside what they give.
pytest_plugins = (
    "tests.bcrypt_wheel",
    "tests.fake_builders",
    "tests.fake_registry",
    "tests.git_project",
    "tests.git_server",
    "tests.task_script",
)

_SETTINGS = ("API_ENDPOINT", "API_KEY", "PROFILE", "DEBUG", "REPO", "BRANCH", "IMAGE", "TIMEOUT")
_MORE_SETTINGS = ("WORKDIR", "CPU", "MEMORY", "ARCH", "SKIP_GIT", "SERVICE", "BUILDER")


# A script that runs the tests in its background ignores these for them, and so for what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
for ignored in (signal.SIGHUP, signal.SIGQUIT):
    signal.signal(ignored, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (*_SETTINGS, *_MORE_SETTINGS):
        monkeypatch.delenv(f"MYCLI_{name}", raising=False)
    monkeypatch.delenv("IMAGE_TAG", raising=False)
    monkeypatch.setenv("MYCLI_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def endpoint() -> Iterator[FakeEndpoint]:
    with FakeEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
def configured(endpoint: FakeEndpoint) -> FakeEndpoint:
    """The endpoint, saved as the default profile."""
    config.save_profile(endpoint.profile)
    return endpoint


class Ran:
    """What a command line left: its exit code, its stdout, its stderr."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def __repr__(self) -> str:
        return f"exit code {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


Mycli = Callable[..., Ran]


@pytest.fixture
def mycli(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Mycli:
    """Runs a command line in this process, in an empty folder."""
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def run(*words: str) -> Ran:
        from mycli import cli

        capsys.readouterr()
        code = cli.run(words)
        printed = capsys.readouterr()
        return Ran(code, str(printed.out), str(printed.err))

    return run


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """What is read from stdin, as if somebody typed it."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty AWS account, and credentials for it."""
    from moto import mock_aws

    from tests.aws import settle
    from tests.engine.moto_server import without_validator

    settle(monkeypatch)
    without_validator()
    with mock_aws():
        yield
