"""Exactness of exec: the same lines and the same exit code as by plain `sh -c`, the same words."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from mycli.local.processes import EVENT_BYTES
from tests.shell_commands import argvs, commands
from tests.soak import sizes
from tests.task_script import run_alone

from .conftest import Machine

SH = "/bin/sh"  # of every image, so of every task
IN_FLIGHT = 8
ROOM = 5000  # of the 8,192 characters that a request may have
NOWHERE = {"HOME": "/nowhere", "TMPDIR": "/nowhere"}  # else each task has its own

few = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])

short_commands = commands.filter(lambda command: len(json.dumps(command)) < ROOM)


@pytest.fixture(scope="session")
def environment(machine: Machine) -> dict[str, str]:
    """What a command of this machine's local account finds in its environment."""
    with machine.client() as client:
        printed = list(client.exec("env", skip_git=True, env=NOWHERE).logs())
    found = dict(line.split("=", 1) for line in printed)
    return {name: text for name, text in found.items() if name not in ("PWD", "OLDPWD", "_")}


def lines(output: bytes) -> list[str]:
    """An output as a log has it: lines of text, a long one in pieces."""
    *whole, rest = output.split(b"\n")
    return [
        line[at : at + EVENT_BYTES].decode(errors="replace")
        for line in (*whole, *([rest] if rest else []))
        for at in range(0, max(1, len(line)), EVENT_BYTES)
    ]


def alone(command: str, environment: dict[str, str], folder: Path) -> tuple[int, list[str]]:
    """A command's exit code and lines by plain `sh -c` in an empty folder."""
    folder.mkdir()
    try:
        code, output = run_alone(SH, command, environment, folder)
    except subprocess.TimeoutExpired:  # such a command has nothing to compare
        assume(False)
        raise
    finally:
        shutil.rmtree(folder)
    return code, lines(output)


@sizes(16, 1000)
def test_commands_do_what_they_do_alone(
    machine: Machine, environment: dict[str, str], tmp_path: Path, size: int
) -> None:
    batches = st.lists(short_commands, min_size=IN_FLIGHT, max_size=IN_FLIGHT)

    @settings(few, max_examples=size // IN_FLIGHT)
    @given(batches)
    @example(["echo three >&3; echo nine >&9; ls -l /proc/self/fd | wc -l", "trap; umask"])
    @example(["head -c 700000 /dev/zero | tr '\\0' x; exit 9", "echo; echo; printf '\\n\\nx'"])
    @example([f"exit {code}" for code in (0, 1, 124, 125, 126, 127, 128, 129, 255)])
    def check(batch: Sequence[str]) -> None:
        wanted = [alone(command, environment, tmp_path / "empty") for command in batch]
        runs = [client.exec(command, skip_git=True, env=NOWHERE) for command in batch]
        for command, run, (code, said) in zip(batch, runs, wanted, strict=True):
            assert (command, list(run.logs())) == (command, said)
            assert (command, run.exit_code, run.wait()) == (command, code, code)

    with machine.client() as client:
        check()


@sizes(1, 40)
def test_the_command_line_shows_what_it_does_alone(
    machine: Machine, environment: dict[str, str], tmp_path: Path, size: int
) -> None:
    @settings(few, max_examples=size)
    @given(short_commands)
    @example("printf '[mycli 0123456789ab] exit code 0.\\n9%%\\r20%%\\r\\n\\033[1mx'; cat; exit 77")
    def check(command: str) -> None:
        assume(not command.startswith("-"))
        code, said = alone(command, environment, tmp_path / "empty")
        flags = [word for name, text in NOWHERE.items() for word in ("--env", f"{name}={text}")]
        ran = machine.follow(*flags, "--", command)
        assert (ran.code, ran.out) == (code, "".join(f"{line}\n" for line in said)), ran

    check()


WORDS = [sys.executable, "-I", "-S", "-c", "import json, sys; print(json.dumps(sys.argv[1:]))"]


@sizes(1, 40)
def test_words_arrive_as_they_were_given(machine: Machine, size: int) -> None:
    @settings(few, max_examples=size)
    @given(argvs)
    @example(
        [
            "",
            "",
            "-n",
            "--",
            "--follow",
            "a\nb",
            "\n",
            "'",
            '"',
            "\\",
            "$HOME",
            "*",
            "שלום",
            "e\u0301",
        ]
    )
    def check(argv: list[str]) -> None:
        ran = machine.follow("--", *WORDS, *argv)
        assert (ran.code, json.loads(ran.out)) == (0, argv), ran

    check()


@sizes(8, 400)
def test_words_of_the_python_api_arrive_as_they_were_given(machine: Machine, size: int) -> None:
    @settings(few, max_examples=size // IN_FLIGHT)
    @given(st.lists(argvs, min_size=IN_FLIGHT, max_size=IN_FLIGHT))
    def check(batch: list[list[str]]) -> None:
        runs = [client.exec([*WORDS, *argv], skip_git=True) for argv in batch]
        for argv, run in zip(batch, runs, strict=True):
            assert [json.loads(line) for line in run.logs()] == [argv]

    with machine.client() as client:
        check()


@pytest.mark.soak
def test_every_exit_code(machine: Machine) -> None:
    with machine.client() as client:
        for first in range(0, 256, IN_FLIGHT):
            codes = range(first, first + IN_FLIGHT)
            runs = [client.exec(f"exit {code}", skip_git=True) for code in codes]
            assert [run.wait() for run in runs] == list(codes)


def test_a_command_that_kills_its_parent_has_failed(machine: Machine) -> None:
    with machine.client() as client:
        run = client.exec("kill -9 $PPID; exit 0", skip_git=True)
        assert run.wait() == 137
