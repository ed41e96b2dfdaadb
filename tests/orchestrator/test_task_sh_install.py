"""task.sh on an image without git: with each package manager, with none, and without root."""

from __future__ import annotations

import os
import shutil

import pytest

from orchestrator.wire import begin_marker
from tests.task_script import EXECUTION_ID, Container, every_shell

# What every image has. The fake package managers put git beside them.
USUAL = [
    *("cat", "env", "grep", "id", "ln", "ls", "mkdir", "mktemp", "rm", "sed", "setsid", "sh"),
    *("sleep", "tr"),
]
GIT = shutil.which("git")

PACKAGES = {
    "apk": ["add --no-cache git ca-certificates"],
    "apt-get": ["update", "install -y --no-install-recommends git ca-certificates"],
    "dnf": ["install -y git ca-certificates"],
    "yum": ["install -y git ca-certificates"],
    "microdnf": ["install -y git ca-certificates"],
}

only_root = pytest.mark.skipif(os.getuid() != 0, reason="installs as root only")


def fake_manager(container: Container, provides: str = f"git={GIT}") -> str:
    """A package manager that writes down how it was called, and installs one program."""
    name, _, program = provides.partition("=")
    folder = container.folder
    return (
        f'echo "$@" >>"{folder}/calls"; env >>"{folder}/env"; echo "a lot of output"\n'
        f'[ "$1" = update ] || ln -s "{program}" "{folder}/programs/{name}"'
    )


@only_root
@every_shell
@pytest.mark.parametrize("manager", PACKAGES)
def test_git_is_installed(shell: str, container: Container, server: str, manager: str) -> None:
    programs = container.programs(*USUAL, **{manager: fake_manager(container)})
    ended = container.run(
        shell,
        "cat where.txt; echo ${DEBIAN_FRONTEND-unset}",
        PATH=programs,
        MYCLI_INSTALL_GIT=None,
        MYCLI_REPO=f"{server}/sample.git",
        MYCLI_GITHUB_TOKEN="s3cret",
    )
    assert ended.output == "third\nunset\n"
    assert f"mycli: installing git with {manager}\n" in ended.setup
    assert "a lot of output" not in ended.log
    assert (container.folder / "calls").read_text().splitlines() == PACKAGES[manager]
    assert "s3cret" not in (container.folder / "env").read_text()


@only_root
@every_shell
@pytest.mark.parametrize(
    ("manager", "package"),
    [("apk", "openssh-client"), ("apt-get", "openssh-client"), ("yum", "openssh-clients")],
)
def test_ssh_is_installed_for_an_address_that_needs_it(
    shell: str, container: Container, manager: str, package: str
) -> None:
    fake_ssh = container.folder / "fake-ssh"
    fake_ssh.write_text("#!/bin/sh\necho 'Permission denied (publickey).' >&2\nexit 255\n")
    fake_ssh.chmod(0o755)
    programs = container.programs(
        *USUAL, "git", **{manager: fake_manager(container, f"ssh={fake_ssh}")}
    )
    ended = container.run(
        shell, "true", PATH=programs, MYCLI_INSTALL_GIT="1", MYCLI_REPO="git@github.com:a/b"
    )
    assert f"mycli: installing ssh with {manager}\n" in ended.setup
    assert "mycli: the server refused the stack's git credentials\n" in ended.setup
    assert (container.folder / "calls").read_text().split()[-1] == package


@only_root
def test_ssh_may_still_be_missing_when_git_is_there(container: Container) -> None:
    programs = container.programs(*USUAL, apk=fake_manager(container))
    ended = container.run(
        "dash", "true", PATH=programs, MYCLI_INSTALL_GIT="1", MYCLI_REPO="git@github.com:a/b"
    )
    assert_no_git(ended.exit_code, ended.log)
    assert "mycli: installing git with apk\n" in ended.setup
    assert "mycli: apk could not install ssh\n" in ended.setup


@only_root
@every_shell
def test_an_installation_that_fails(shell: str, container: Container) -> None:
    programs = container.programs(*USUAL, apt_get="echo 'E: no network' >&2; exit 100")
    ended = container.run(
        shell, "true", PATH=programs, MYCLI_INSTALL_GIT="1", MYCLI_REPO="https://example.com/x"
    )
    assert_no_git(ended.exit_code, ended.log)
    assert "E: no network\nmycli: apt-get could not install git\n" in ended.setup


@every_shell
@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        (
            {"MYCLI_INSTALL_GIT": "1"},
            "the image has no git, and no apk, apt-get, dnf, yum or microdnf to get it",
        ),
        (
            {"MYCLI_INSTALL_GIT": "0"},
            "this machine has no git, and mycli installs nothing on it",
        ),
    ],
)
def test_no_git_and_no_way_to_get_it(
    shell: str, container: Container, environment: dict[str, str], sentence: str
) -> None:
    repo = "https://example.com/x"
    programs = container.programs(*USUAL)
    ended = container.run(shell, "true", PATH=programs, MYCLI_REPO=repo, **environment)
    assert_no_git(ended.exit_code, ended.log)
    assert f"mycli: {sentence}\n" in ended.setup
    assert "mycli: provide git, or run without a repository (--skip-git)\n" in ended.setup
    assert list(container.tmp.iterdir()) == []


def test_a_machine_of_somebody_is_left_alone(container: Container) -> None:
    programs = container.programs(*USUAL, apk=fake_manager(container))
    ended = container.run("dash", "true", PATH=programs, MYCLI_REPO="https://example.com/x")
    assert_no_git(ended.exit_code, ended.log)
    assert not (container.folder / "calls").exists()


def test_who_is_not_root_installs_nothing(container: Container) -> None:
    programs = container.programs(
        *[name for name in USUAL if name != "id"], id="echo 1000", apk=fake_manager(container)
    )
    ended = container.run(
        "dash", "true", PATH=programs, MYCLI_INSTALL_GIT="1", MYCLI_REPO="https://example.com/x"
    )
    assert_no_git(ended.exit_code, ended.log)
    assert "mycli: the image has no git, and its user is not root" in ended.setup
    assert not (container.folder / "calls").exists()


@every_shell
def test_without_a_repository_git_is_not_needed(shell: str, container: Container) -> None:
    ended = container.run(shell, "echo hello", PATH=container.programs(*USUAL))
    assert ended.output == "hello\n"


def assert_no_git(exit_code: int, log: str) -> None:
    assert exit_code == 125
    assert begin_marker(EXECUTION_ID) not in log
