"""Phase 2 of task.sh: the time limit, a stop from outside, and what a command leaves behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.wire import begin_marker
from tests.task_script import (
    EXECUTION_ID,
    SCRIPT,
    UNSHARE,
    Container,
    can_unshare,
    every_shell,
    wait_until,
)

SIGN = f"[mycli {EXECUTION_ID}] "  # of what is not the command's own


@pytest.fixture(autouse=True)
def nothing_outlives_the_test(container: Container) -> Iterator[None]:
    yield
    wait_until(lambda: not container.processes())
    assert list(container.tmp.iterdir()) == []


@every_shell
def test_a_command_that_takes_too_long_ends_with_124(shell: str, container: Container) -> None:
    ended = container.run(shell, "echo started; sleep 60; echo over", MYCLI_TIMEOUT_SECONDS="1")
    assert ended.exit_code == 124
    assert ended.output == f"started\n{SIGN}stopped: it ran for longer than 1 s\n"


@every_shell
def test_a_command_may_clean_up_when_its_time_is_over(shell: str, container: Container) -> None:
    command = "trap 'echo cleaned; exit 0' TERM; sleep 60 & wait"
    ended = container.run(shell, command, MYCLI_TIMEOUT_SECONDS="1")
    assert ended.exit_code == 124
    assert ended.output.endswith("cleaned\n")


@every_shell
def test_what_the_commands_shell_started_may_clean_up_too(shell: str, container: Container) -> None:
    # The shell itself dies of TERM at once; its child takes a moment, as terraform does.
    child = "trap 'sleep 0.3; echo lock released; exit' TERM\necho >ready\n"
    child += "while :; do sleep 0.05; done\n"
    (container.folder / "child.sh").write_text(child)
    running = container.start(shell, "sh ./child.sh; echo unreached")
    running.wait_for(container.folder / "ready")
    running.terminate()
    ended = running.end()
    assert ended.output.endswith("lock released\n")
    assert ended.exit_code == 143


@every_shell
def test_a_command_that_ignores_term_is_killed(shell: str, container: Container) -> None:
    started = time.monotonic()
    ended = container.run(
        shell,
        "trap '' TERM; sleep 60 & sh -c 'trap \"\" TERM; sleep 60; sleep 60'; sleep 60",
        MYCLI_TIMEOUT_SECONDS="1",
        MYCLI_KILL_AFTER_SECONDS="1",
    )
    assert ended.exit_code == 124
    assert ended.output.endswith(f"{SIGN}killed: it did not stop\n")
    assert 2 <= time.monotonic() - started < 10


@every_shell
def test_a_command_that_cleaned_up_takes_its_children_with_it(
    shell: str, container: Container
) -> None:
    deaf = "sh -c 'trap \"\" TERM; echo >ready; sleep 60; sleep 60' &"
    running = container.start(shell, f"trap 'exit 7' TERM; {deaf} wait; wait")
    running.wait_for(container.folder / "ready")
    running.terminate()
    started = time.monotonic()
    assert running.end().exit_code == 7
    assert time.monotonic() - started < 5


@pytest.mark.skipif(not can_unshare(), reason="unshare cannot make a process namespace here")
@every_shell
def test_an_init_that_buries_nobody(shell: str, container: Container) -> None:
    init = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))"
    running = container.start(
        shell,
        "sh -c 'sleep 60; true'; true",
        prefix=(*UNSHARE, sys.executable, "-S", "-c", init),
        MYCLI_TIMEOUT_SECONDS="1",
    )
    started = time.monotonic()
    assert running.end().exit_code == 124
    assert time.monotonic() - started < 10


def test_bash_needs_no_setsid(container: Container) -> None:
    poorer = SCRIPT.read_text("utf-8").replace("command -v setsid", "false")
    running = container.start(
        "bash", "sh -c 'sleep 60; true'; true", script=poorer, MYCLI_TIMEOUT_SECONDS="1"
    )
    assert running.end().exit_code == 124


@every_shell
def test_where_there_is_no_job_control_setsid_makes_the_group(
    shell: str, container: Container
) -> None:
    poorer = SCRIPT.read_text("utf-8").replace("set -m\n", ":\n")
    running = container.start(
        shell, "sh -c 'sleep 60; true' & sleep 60; true", script=poorer, MYCLI_TIMEOUT_SECONDS="1"
    )
    assert running.end().exit_code == 124


@every_shell
@pytest.mark.parametrize(
    ("command", "exit_code"),
    [
        ("echo >ready; sleep 60", 143),
        ("trap 'exit 7' TERM; echo >ready; sleep 60 & wait", 7),
        ("trap 'exit 0' TERM; echo >ready; while :; do sleep 0.05; done", 0),
        ("trap 'exit 200' TERM; echo >ready; sleep 60 & wait", 200),
        ("trap '' TERM; echo >ready; sleep 0.5; exit 9", 9),
    ],
)
def test_term_is_passed_on_and_the_exit_code_is_the_commands_own(
    shell: str, container: Container, command: str, exit_code: int
) -> None:
    running = container.start(shell, command)
    running.wait_for(container.folder / "ready")
    running.terminate()
    assert running.end().exit_code == exit_code


@every_shell
@pytest.mark.parametrize(("signal", "exit_code"), [("TERM", 143), ("ALRM", 124)])
def test_a_stop_just_before_the_command_begins(
    shell: str, container: Container, signal: str, exit_code: int
) -> None:
    stopped = SCRIPT.read_text("utf-8").replace("set -m\n", f"kill -{signal} $$\nset -m\n")
    ended = container.start(shell, "echo unreached", script=stopped).end()
    assert ended.exit_code == exit_code
    assert "mycli: stopped before the command began\n" in ended.setup
    assert begin_marker(EXECUTION_ID) not in ended.log


@every_shell
def test_a_stop_while_the_command_begins(shell: str, container: Container) -> None:
    # Nobody can tell whether it hears a signal by now, so it gets one that nothing is deaf to.
    stopped = SCRIPT.read_text("utf-8").replace("_child=$!\n", "kill -TERM $$\n_child=$!\n")
    ended = container.start(shell, "trap '' TERM; sleep 60", script=stopped).end()
    assert (ended.output, ended.exit_code) == ("", 137)


@every_shell
def test_a_second_term_changes_nothing(shell: str, container: Container) -> None:
    command = "trap 'echo >asked; sleep 0.3; exit 5' TERM; echo >ready; sleep 60 & wait"
    running = container.start(shell, command)
    running.wait_for(container.folder / "ready")
    running.terminate()
    running.wait_for(container.folder / "asked")
    running.terminate()
    assert running.end().exit_code == 5


@every_shell
def test_what_the_command_leaves_behind_neither_holds_the_task_nor_its_end_marker(
    shell: str, container: Container
) -> None:
    started = time.monotonic()
    ended = container.run(shell, "sleep 60 & (sleep 60; echo late) & echo done; exit 3")
    assert (ended.output, ended.exit_code) == ("done\n", 3)
    assert time.monotonic() - started < 5


@every_shell
def test_a_short_command_does_not_wait_for_the_watchdog(shell: str, container: Container) -> None:
    started = time.monotonic()
    assert container.run(shell, "true", MYCLI_TIMEOUT_SECONDS="604800").exit_code == 0
    assert time.monotonic() - started < 5


@every_shell
def test_a_command_that_is_paused_has_not_ended(shell: str, container: Container) -> None:
    running = container.start(shell, "sleep 0.3; echo $$ >pid; mv pid ready; kill -STOP $$; exit 8")
    running.wait_for(container.folder / "ready")
    pid = (container.folder / "ready").read_text().strip()
    stat = Path("/proc", pid, "stat")
    wait_until(lambda: stat.read_text().rpartition(") ")[2].startswith("T"))
    assert running.process.poll() is None
    os.kill(int(pid), signal.SIGCONT)
    assert running.end().exit_code == 8


@every_shell
def test_the_watchdog_does_not_hold_the_output(shell: str, container: Container) -> None:
    started = time.monotonic()
    container.run(shell, "kill -KILL $PPID", MYCLI_TIMEOUT_SECONDS="7777")
    seconds = time.monotonic() - started
    wait_until(lambda: kill_all(container))  # nobody else is left to do it
    assert seconds < 5


def kill_all(container: Container) -> bool:
    """Kill what still runs of its tasks; whether that was nothing."""
    left = container.processes()
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return not left


def env_can_undo_ignored_signals() -> bool:
    asked = ["env", "--default-signal=INT", "true"]
    return subprocess.run(asked, stderr=subprocess.DEVNULL, check=False).returncode == 0


@pytest.mark.skipif(
    not env_can_undo_ignored_signals(), reason="env(1) is older than coreutils 8.31"
)
@pytest.mark.parametrize("shell", ["dash", "bash"])  # where all is busybox, nothing can undo it
def test_the_command_hears_interrupts(shell: str, container: Container) -> None:
    command = "trap 'echo heard' INT; kill -INT $$; echo after"
    assert container.run(shell, command).output == "heard\nafter\n"
