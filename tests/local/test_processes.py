"""Processes under their supervisor, without an account around them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mycli.local import processes
from mycli.local.processes import EVENT_BYTES, Launch
from tests.local.conftest import until

PATH = os.environ["PATH"]


def start(command: str, **env: str) -> subprocess.Popen[bytes]:
    return processes.start(Launch(["/bin/sh", "-c", command], {"PATH": PATH, **env}, "/"))


def run(command: str, **env: str) -> tuple[int, list[str]]:
    with start(command, **env) as process:
        lines = [line for batch in processes.read_lines(process) for line in batch]
        return process.wait(), lines


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("true", 0),
        ("exit 7", 7),
        ("exit 255", 255),
        ("kill -9 $$", 137),
        ("kill -TERM $$", 143),
        ("kill -SEGV $$", 139),
        ("no-such-command", 127),
        ("/dev/null", 126),
    ],
)
def test_the_exit_code_is_the_commands(command: str, code: int) -> None:
    assert run(command)[0] == code


def test_a_program_that_is_not_there_is_127() -> None:
    with processes.start(Launch(["/no/such/program"], {}, "/")) as process:
        lines = [line for batch in processes.read_lines(process) for line in batch]
        assert (process.wait(), lines) == (127, ["/no/such/program: No such file or directory"])


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        ("true", []),
        ("printf tail", ["tail"]),
        (r"printf 'a\n\nb\n'", ["a", "", "b"]),
        (r"printf 'a\r\nb\n'", ["a\r", "b"]),
        (r"printf '\377ab\303(\n'", ["\ufffdab\ufffd("]),
        ("echo out; echo err >&2; echo out", ["out", "err", "out"]),
        ("printf a; sleep 0.1; printf 'b\\n'", ["ab"]),
    ],
)
def test_output_comes_line_by_line(command: str, lines: list[str]) -> None:
    assert run(command) == (0, lines)


def test_a_character_that_comes_in_two_reads_is_whole() -> None:
    assert run(r"printf '\303'; sleep 0.1; printf '\251\n'") == (0, ["é"])


def test_a_long_line_comes_in_pieces() -> None:
    code, lines = run(f"head -c {EVENT_BYTES + 40_000} /dev/zero | tr '\\0' x; echo; echo next")
    assert code == 0
    assert [len(line) for line in lines] == [EVENT_BYTES, 40_000, len("next")]


def test_a_long_line_is_not_cut_inside_a_character() -> None:
    program = f"print('x' + 'é' * {EVENT_BYTES})"
    code, lines = run(f'{sys.executable} -c "{program}"', PYTHONIOENCODING="utf-8")
    assert (code, len(lines)) == (0, 3)
    assert "".join(lines) == "x" + "é" * EVENT_BYTES


def test_many_lines_all_come() -> None:
    code, lines = run("seq 200000")
    assert (code, lines) == (0, [str(number) for number in range(1, 200_001)])


def test_only_the_declared_environment_is_there() -> None:
    code, lines = run("env | grep -v ^PWD= | grep -v ^SHLVL= | grep -v ^_=", A="1")
    assert (code, sorted(lines)) == (0, ["A=1", f"PATH={PATH}"])


def test_nothing_can_be_read_from_stdin() -> None:
    assert run("cat; echo over") == (0, ["over"])


def test_broken_pipes_end_a_command_as_in_a_shell() -> None:
    """Python ignores SIGPIPE, and what it starts would inherit that."""
    assert run("yes | head -1; echo over") == (0, ["y", "over"])


# --- Stopping -------------------------------------------------------------------------------------


def first_line(process: subprocess.Popen[bytes]) -> str:
    return next(processes.read_lines(process))[0]


def test_stop_sends_term() -> None:
    with start("trap 'exit 3' TERM; echo on; while :; do sleep 0.05; done") as process:
        first_line(process)
        processes.stop(process, 30)
        assert process.wait(10) == 3


def test_a_command_that_does_not_listen_is_killed_in_time() -> None:
    with start("trap '' TERM; echo on; while :; do sleep 0.05; done") as process:
        first_line(process)
        processes.stop(process, 0.3)
        assert process.wait(10) == 137


def test_stop_before_it_has_started_is_not_lost() -> None:
    with start("sleep 100") as process:
        processes.stop(process, 0)
        assert process.wait(10) in (137, 143)


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no /proc here")


@needs_proc
@pytest.mark.parametrize("way", ["", "setsid", "nohup"])
def test_what_a_command_leaves_behind_ends_with_it(tmp_path: Path, way: str) -> None:
    left = f"({way} sh -c 'echo $$ > \"$F\"; exec sleep 300' &)"
    there = 'until test -s "$F"; do :; done; cat "$F"'
    code, [pid] = run(f"{left}; {there}; exit 4", F=str(tmp_path / "pid"))
    assert code == 4
    assert not alive(int(pid))


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_task_ends_with_its_supervisor(number: signal.Signals) -> None:
    with start("echo $$; exec sleep 300") as process:
        task = int(first_line(process))
        process.send_signal(number)
        process.wait(10)
        until(lambda: not alive(task))


@needs_proc
def test_all_of_a_task_ends_when_the_daemon_is_gone() -> None:
    """Whatever death it died: the lifeline is closed by the kernel."""
    command = "echo $$; sleep 300 & echo $!; setsid sleep 300 & echo $!; wait"
    with start(command) as process:
        found: list[str] = []
        for batch in processes.read_lines(process):
            found += batch
            if len(found) == 3:
                break
        pids = [int(pid) for pid in found]
        assert all(alive(pid) for pid in pids)
        processes.hang_up(process)
        assert process.wait(10) == 137
        until(lambda: not any(alive(pid) for pid in pids))
