"""Repositories: what is cloned, with which credentials, and what the log says when it fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.git_server import Repository, git, make_repository, serve

from .conftest import Machine, Ran, new_machine

TOKEN = "glpat-the-right-one"  # no secret: only this test's server knows it


@dataclass(frozen=True)
class Remote:
    repository: Repository
    url: str


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    root = tmp_path_factory.mktemp("git")
    repository = make_repository(root / "sample.git")
    with serve(root) as url:
        yield Remote(repository, f"{url}/sample.git")


def clone(machine: Machine, url: str, *args: str) -> Ran:
    return machine.run("exec", "-f", "--repo", url, *args)


def test_the_default_branch_is_the_remotes_own(machine: Machine, remote: Remote) -> None:
    ran = clone(machine, remote.url, "git rev-parse HEAD; ./hello.sh")
    assert ran.code == 0, ran
    assert ran.out == f"{remote.repository.third}\nhello from the repository\n"


@pytest.mark.parametrize("ref", ["feature/one", "v1", "commit"])
def test_a_branch_a_tag_and_a_commit(machine: Machine, remote: Remote, ref: str) -> None:
    repository = remote.repository
    commit = {
        "feature/one": repository.feature,
        "v1": repository.first,
        "commit": repository.second,
    }
    ran = clone(
        machine,
        remote.url,
        "--branch",
        commit[ref] if ref == "commit" else ref,
        "git rev-parse HEAD",
    )
    assert (ran.code, ran.out) == (0, commit[ref] + "\n"), ran


def test_the_workdir_is_a_folder_of_the_repository(machine: Machine, remote: Remote) -> None:
    ran = clone(machine, remote.url, "--workdir", "sub/folder", "cat here.txt")
    assert (ran.code, ran.out) == (0, "in the folder\n"), ran
    missing = clone(machine, remote.url, "--workdir", "no/such", "cat here.txt")
    assert (missing.code, missing.out) == (125, "")
    assert "no/such" in missing.err


def test_a_branch_that_is_not_there(machine: Machine, remote: Remote) -> None:
    ran = clone(machine, remote.url, "--branch", "no-such-branch", "true")
    assert (ran.code, ran.out) == (125, ""), ran
    assert "no branch, tag or commit no-such-branch" in ran.err


def test_a_repository_that_is_not_there(machine: Machine, remote: Remote) -> None:
    ran = clone(machine, remote.url.replace("sample", "missing"), "true")
    assert (ran.code, ran.out) == (125, ""), ran
    assert "check the address" in ran.err


def test_an_address_is_taken_from_the_checkout(
    machine: Machine, remote: Remote, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "--quiet", "--branch", "feature/one", remote.url, "here")
    ran = machine.run("exec", "-f", "git rev-parse HEAD", cwd=tmp_path / "here")
    assert (ran.code, ran.out) == (0, remote.repository.feature + "\n"), ran
    assert "from git" in ran.err


def test_what_is_not_committed_is_said_not_to_run(
    machine: Machine, remote: Remote, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "--quiet", remote.url, "here")
    (tmp_path / "here" / "new.txt").write_text("not committed\n")
    ran = machine.run("exec", "-f", "ls", cwd=tmp_path / "here")
    assert ran.code == 0, ran
    assert "new.txt" not in ran.out
    assert "will not run" in ran.err or "not committed" in ran.err


def test_a_project_file_says_what_to_run(machine: Machine, remote: Remote, tmp_path: Path) -> None:
    (tmp_path / ".mycli.yaml").write_text(
        f"repo: {remote.url}\nbranch: feature/one\nenv:\n  GREETING: hello\nworkdir: sub\n"
    )
    command = 'git rev-parse HEAD; echo "$GREETING"; pwd'
    ran = machine.run("exec", "-f", command, cwd=tmp_path)
    assert ran.code == 0, ran
    head, greeting, folder = ran.out.splitlines()
    assert (head, greeting) == (remote.repository.feature, "hello")
    assert folder.endswith("/sub")


@pytest.fixture(scope="module")
def private_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A repository whose server asks for TOKEN, as GitLab does."""
    root = tmp_path_factory.mktemp("private")
    make_repository(root / "sample.git")
    with serve(root, user_token=f"oauth2:{TOKEN}") as url:
        yield f"{url}/sample.git"


@pytest.fixture(scope="module")
def private(private_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with two stacks: `mycli` has the token, `wrong` has a wrong one."""
    machine = new_machine(tmp_path_factory.mktemp("machine"))
    host = private_url.split("/")[2]
    for stack, token in (("mycli", TOKEN), ("wrong", "glpat-a-wrong-one")):
        made = machine.run(
            *("init", "--local", "--force", "--runtime", "process", "--stack-name", stack),
            *("--gitlab-token-file", "-", "--gitlab-host", host),
            stdin=token + "\n",
        )
        assert made.code == 0, made
        assert token not in made.out + made.err
    yield machine
    for stack in ("mycli", "wrong"):
        assert machine.run("destroy", "--force", "--stack-name", stack).code == 0


def test_a_private_repository_and_the_token(private: Machine, private_url: str) -> None:
    command = "./hello.sh; env; cat .git/config; git fetch"
    ran = clone(private, private_url, "--env", "GIT_TRACE_CURL=1", command)
    assert "hello from the repository\n" in ran.out
    assert ran.code == 128, "the command itself has no credentials"
    assert TOKEN not in ran.out + ran.err


def test_a_private_repository_and_a_wrong_token(private: Machine, private_url: str) -> None:
    ran = clone(private, private_url, "--profile", "wrong", "true")
    assert (ran.code, ran.out) == (125, ""), ran
    assert "refused" in ran.err
    assert "wrong-one" not in ran.err


def test_a_private_repository_and_no_token(machine: Machine, private_url: str) -> None:
    ran = clone(machine, private_url, "true")
    assert (ran.code, ran.out) == (125, ""), ran
    assert "token" in ran.err
