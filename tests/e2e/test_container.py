"""Tasks in real containers, of an image made from this machine's own busybox."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Machine
from .containers import NEEDED, container_machine

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
