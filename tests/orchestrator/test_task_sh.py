"""task.sh as a text, and what it says before the command begins."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from tests.task_script import SCRIPT, Container, every_shell, exports


def phase_2() -> str:
    """The program inside the program: task.sh keeps it as one word in single quotes."""
    _, _, rest = SCRIPT.read_text("utf-8").partition("\n_phase_2='\n")
    text, end, _ = rest.partition("\n'\n")
    assert end
    return text + "\n"


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="there is no shellcheck here")
@pytest.mark.parametrize("part", ["whole", "phase 2"])
def test_shellcheck_finds_nothing(part: str) -> None:
    text = SCRIPT.read_text("utf-8") if part == "whole" else phase_2()
    # SC2317: it cannot see that a trap calls a function that is defined in a quoted word.
    checked = subprocess.run(
        ["shellcheck", "--shell=sh", "--exclude=SC2317", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.stdout == ""


def test_it_leaves_room_in_the_task_definition() -> None:
    # RegisterTaskDefinition takes 64 KiB in all.
    assert len(json.dumps(SCRIPT.read_text("utf-8"))) < 16 * 1024


def test_it_is_ascii_so_that_no_locale_of_an_image_can_spoil_it() -> None:
    assert SCRIPT.read_bytes().isascii()


@every_shell
def test_the_header_names_what_runs_and_shows_no_value(shell: str, container: Container) -> None:
    ended = container.run(
        shell,
        "echo $SECRET_COMMAND_TEXT",
        MYCLI_IMAGE="python:3.13",
        MYCLI_ENV=exports({"TOKEN": "hunter2", "REGION": "here"}),
        MYCLI_ENV_NAMES="REGION TOKEN",
    )
    assert ended.setup.splitlines() == [
        "mycli: execution:   67a1a8f4a3b5",
        "mycli: image:       python:3.13",
        "mycli: environment: REGION TOKEN",
    ]
    assert "hunter2" not in ended.log
    assert "SECRET_COMMAND_TEXT" not in ended.log


@every_shell
def test_the_header_expands_nothing(shell: str, container: Container) -> None:
    ended = container.run(
        shell,
        "true",
        MYCLI_IMAGE="$(echo pwned)`echo pwned`$HOME%s\\n",
        MYCLI_REPO="file:///$(echo pwned)%s%n",
        MYCLI_BRANCH="$HOME",
    )
    assert "mycli: image:       $(echo pwned)`echo pwned`$HOME%s\\n" in ended.setup
    assert "mycli: repository:  file:///$(echo pwned)%s%n" in ended.setup
    assert "mycli: branch:      $HOME" in ended.setup


@every_shell
def test_an_address_is_shown_without_credentials(shell: str, container: Container) -> None:
    ended = container.run(
        shell, "true", MYCLI_REPO="http://ada:s3cret@127.0.0.1:1/x.git", MYCLI_BRANCH="b"
    )
    assert ended.exit_code == 125
    assert "mycli: repository:  http://127.0.0.1:1/x.git" in ended.setup
    assert "s3cret" not in ended.log
