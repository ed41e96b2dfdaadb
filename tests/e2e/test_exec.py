"""What the command does comes back: its exit code, its output, its arguments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Machine

COMMANDS = {
    "true": 0,
    "exit 7": 7,
    "exit 255": 255,
    "kill -9 $$": 137,
    "kill -TERM $$": 143,
    "no-such-program-anywhere": 127,
}


@pytest.mark.parametrize(("command", "code"), COMMANDS.items())
def test_the_exit_code_comes_back_and_stays_in_the_record(
    machine: Machine, command: str, code: int
) -> None:
    ran = machine.run("exec", "-f", "--json", "--skip-git", command)
    assert ran.code == code, ran
    execution = json.loads(ran.stdout)["execution_id"]
    assert machine.run("exec", "--wait", "--skip-git", command).code == code
    assert machine.json("status", execution)["exit_code"] == code


def test_a_command_that_takes_too_long_ends_with_124(machine: Machine) -> None:
    ran = machine.follow("--timeout", "2", "echo before; sleep 100; echo after")
    assert ran.code == 124, ran
    assert ran.out == "before\n"
    assert "2 s" in ran.err


def test_a_long_script_arrives_whole(machine: Machine) -> None:
    lines = [f"echo line {number:04} of the script" for number in range(160)]
    script = "\n".join(lines)
    script += "\n: " + "x" * (5000 - len(script) - 3)
    assert len(script) == 5000
    ran = machine.follow(script)
    assert ran.code == 0, ran
    assert ran.out == "".join(f"line {number:04} of the script\n" for number in range(160))


def test_quotes_and_utf8_arrive_exactly(machine: Machine) -> None:
    command = (
        """printf '%s\\n' "it's" 'a "b"' '$HOME `id`' 'Grüße 東京 🚀' back\\\\slash "$((1+1))" """
    )
    ran = machine.follow(command)
    assert ran.code == 0, ran
    assert ran.out == 'it\'s\na "b"\n$HOME `id`\nGrüße 東京 🚀\nback\\slash\n2\n'


def test_arguments_arrive_exactly(machine: Machine) -> None:
    ran = machine.follow("--", "printf", "%s|", "a", "b c", "$HOME", "it's", "", "*")
    assert ran.code == 0, ran
    assert ran.out == "a|b c|$HOME|it's||*|\n"


def test_variables_arrive_exactly(machine: Machine) -> None:
    value = "two words\nand a 'quoted' $line"
    ran = machine.follow(
        "--env", f"GREETING={value}", "--env", "EMPTY=", 'echo "$GREETING[$EMPTY]"'
    )
    assert ran.code == 0, ran
    assert ran.out == value + "[]\n"
    assert value.splitlines()[0] not in ran.err


def test_a_command_that_is_too_long_is_refused_before_anything_is_written(
    machine: Machine,
) -> None:
    before = machine.json("list")["executions"]
    ran = machine.follow("echo " + "x" * 9000)
    assert ran.code == 2, ran
    assert "8192" in ran.err.replace(",", "")
    assert machine.json("list")["executions"] == before


def test_a_process_says_that_its_image_is_not_used(machine: Machine) -> None:
    ran = machine.follow("--image", "alpine:3.20", "true")
    assert "alpine:3.20 (not used" in ran.err


def test_output_without_a_final_newline(machine: Machine) -> None:
    assert machine.follow("printf abc").out == "abc\n"


def test_two_hundred_thousand_lines(machine: Machine) -> None:
    ran = machine.follow("seq 200000")
    assert ran.code == 0, ran.stderr[-2000:]
    assert ran.out.split() == [str(number) for number in range(1, 200_001)]


def test_a_line_of_300_kb_is_not_lost(machine: Machine) -> None:
    ran = machine.follow("head -c 300000 /dev/zero | tr '\\0' x; echo; echo end")
    assert ran.code == 0, ran.stderr[-2000:]
    # The awslogs driver splits a line near 256 KB.
    assert ran.out.replace("\n", "") == "x" * 300_000 + "end"
    assert len(ran.out.splitlines()) == 3


def test_bytes_that_are_not_utf8_harm_nothing(machine: Machine) -> None:
    ran = machine.follow("printf 'a\\377\\376b\\n'; echo end")
    assert ran.code == 0, ran
    first, second = ran.out.splitlines()
    assert first.startswith("a")
    assert first.endswith("b")
    assert second == "end"


def test_an_image_of_ones_own_is_not_built_for_a_process(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / ".mycli.yaml").write_text("build: {name: tool}\n")
    ran = machine.run("exec", "-f", "--skip-git", "echo here", cwd=tmp_path)
    assert (ran.code, ran.out) == (0, "here\n"), ran
    assert "! tasks are processes of this machine, in no image: that of tool is not" in ran.err
