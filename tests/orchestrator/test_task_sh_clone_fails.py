"""What task.sh says when it cannot clone, and that it stops when it is told to."""

from __future__ import annotations

import os
import socket

import pytest

from orchestrator.wire import begin_marker
from tests.git_server import Repository
from tests.task_script import EXECUTION_ID, Container, every_shell, wait_until


def assert_failed(container: Container, shell: str, sentence: str, **environment: str) -> str:
    """It fails before the command, says the sentence, and leaves nothing; gives what it said."""
    ended = container.run(shell, "echo unreached", **environment)
    assert ended.exit_code == 125
    assert f"mycli: {sentence}" in ended.setup
    assert begin_marker(EXECUTION_ID) not in ended.log
    assert list(container.tmp.iterdir()) == []
    return ended.setup


def test_a_missing_workdir_is_told_apart_from_a_failed_clone(
    container: Container, repository: Repository
) -> None:
    said = assert_failed(
        container,
        "dash",
        "there is no folder infra/prod\n",
        MYCLI_REPO=f"file://{repository.path}",
        MYCLI_WORKDIR="infra/prod",
    )
    assert f"mycli: the workdir is relative to {container.workspace}\n" in said


@every_shell
def test_no_folder_for_temporary_files(shell: str, container: Container, server: str) -> None:
    sentence = "there is no folder for temporary files\n"
    said = assert_failed(
        container, shell, sentence, TMPDIR="/proc/nowhere", MYCLI_REPO=f"{server}/sample.git"
    )
    assert "the image needs a folder /proc/nowhere that its user can write to\n" in said
    assert "mktemp" not in said


@every_shell
@pytest.mark.parametrize("branch", ["no-such-branch", "deadbeef", "0" * 40])
def test_a_branch_that_is_missing(
    shell: str, container: Container, server: str, branch: str
) -> None:
    said = assert_failed(
        container,
        shell,
        f"the repository has no branch, tag or commit {branch}\n",
        MYCLI_REPO=f"{server}/sample.git",
        MYCLI_BRANCH=branch,
    )
    assert "mycli: check the name, or leave it out for the default branch\n" in said


@every_shell
@pytest.mark.parametrize("scheme", ["http", "file"])
def test_a_repository_that_is_missing(
    shell: str, container: Container, server: str, scheme: str
) -> None:
    repo = f"{server}/nothing.git" if scheme == "http" else f"file://{container.folder}/nothing"
    said = assert_failed(container, shell, f"there is no repository at {repo}\n", MYCLI_REPO=repo)
    assert "mycli: check the address" in said


def test_a_server_that_is_missing(container: Container) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        repo = f"http://127.0.0.1:{taken.getsockname()[1]}/x.git"
        said = assert_failed(container, "dash", f"git could not clone {repo}\n", MYCLI_REPO=repo)
    assert "mycli: check that the task can reach this address\n" in said


@pytest.mark.parametrize("repo", ["http://127.0.0.1:9/x.git", "file:///x.git", "ext::sh -c id"])
def test_a_protocol_that_is_not_allowed(container: Container, repo: str) -> None:
    said = assert_failed(
        container,
        "dash",
        "this stack does not clone over that protocol\n",
        MYCLI_REPO=repo,
        MYCLI_GIT_PROTOCOLS="https:ssh",
        MYCLI_INSTALL_GIT="0",
    )
    assert "mycli: it allows https:ssh\n" in said


@every_shell
def test_a_stop_during_the_clone_is_heard_at_once(shell: str, container: Container) -> None:
    ready = container.folder / "ready"
    programs = container.programs(git=f'echo >"{ready}"; exec sleep 60')
    running = container.start(
        shell,
        "echo unreached",
        PATH=f"{programs}:{os.environ['PATH']}",
        MYCLI_REPO="https://example.com/x.git",
    )
    running.wait_for(ready)
    running.terminate()
    ended = running.end()
    assert ended.exit_code == 143
    assert "mycli: stopped before the command began\n" in ended.setup
    assert list(container.tmp.iterdir()) == []
    wait_until(lambda: not container.processes())
