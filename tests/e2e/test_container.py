"""Tasks in real containers, of an image made from this machine's own busybox."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.git_server import git, make_repository

from .conftest import Machine
from .containers import IMAGE, NEEDED, container_machine, engine, git_files, root_filesystem

pytestmark = NEEDED


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with container_machine(tmp_path_factory.mktemp("machine")) as machine:
        yield machine


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


# --- A repository on this machine -----------------------------------------------------------------


@pytest.fixture(scope="module")
def with_git(machine: Machine) -> Iterator[str]:
    """An image that has git."""
    name = f"{IMAGE}-git"
    engine("import", "-", name, given=root_filesystem(files=git_files()))
    yield name
    engine("rmi", "--force", name)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A work tree with something that is not committed."""
    work = make_repository(tmp_path / "of, me.git").path.with_suffix(".work")
    (work / "secret.txt").write_text("not committed")
    return work


def cloned(machine: Machine, image: str, repo: str, command: str, *flags: str) -> str:
    ran = machine.run("exec", "-f", "--image", image, "--repo", repo, *flags, command)
    assert ran.code == 0, ran
    return ran.out


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files to somebody else")
def test_a_repository_on_this_machine_is_cloned_whoever_owns_it(
    machine: Machine, with_git: str, project: Path
) -> None:
    for path in [project, *project.rglob("*")]:
        os.chown(path, 4711, 4711, follow_symlinks=False)
    command = f'cat where.txt; ls "{project}"; touch "{project}/.git/x" || echo read-only'
    out = cloned(machine, with_git, project.as_uri(), command)
    assert out.splitlines()[0] == "third"
    assert "secret" not in out
    assert "Read-only file system\nread-only\n" in out


def test_a_branch_of_another_work_tree_is_cloned(
    machine: Machine, with_git: str, project: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    git(project, "worktree", "add", "--quiet", str(other), "feature/one")
    assert cloned(machine, with_git, f"file://{other}", "cat where.txt") == "feature\n"
    branch = ("--branch", "trunk")
    assert cloned(machine, with_git, f"file://{other}", "cat where.txt", *branch) == "third\n"


def test_a_folder_that_is_no_repository_stays_apart(
    machine: Machine, with_git: str, project: Path
) -> None:
    shutil.rmtree(project / ".git")
    ran = machine.run("exec", "-f", "--image", with_git, "--repo", project.as_uri(), "true")
    assert ran.code == 125
    assert f"there is no repository at {project.as_uri()}" in ran.err
