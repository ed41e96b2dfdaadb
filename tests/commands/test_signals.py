"""Following as a real process: Ctrl-C, a reader that goes away, a connection that breaks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.wire import begin_marker
from tests.fake_endpoint import (
    ID,
    KEY,
    LOST,
    STARTED,
    Answer,
    FakeEndpoint,
    definition,
    log_page,
    output_of,
)

MYCLI = Path(sys.executable).with_name("mycli")


def start(*words: str, **options: Any) -> subprocess.Popen[str]:
    """A process group of its own, as a shell makes one for each job."""
    return subprocess.Popen(
        [MYCLI, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def until(condition: Callable[[], object]) -> None:
    """Half a minute at most."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """stderr up to the line that has this text."""
    assert process.stderr
    told = ""
    for line in process.stderr:
        told += line
        if text in line:
            return told
    raise AssertionError(f"{text!r} was never told: {told}")


@pytest.fixture
def running(configured: FakeEndpoint) -> FakeEndpoint:
    """An execution that prints `up`, and then nothing more, until it is stopped."""

    def logs(request: Mapping[str, Any]) -> Answer:
        time.sleep(0.05)  # held, as the function does it
        pages = [[begin_marker(ID), "up"], [], []]
        page = log_page(pages, 1 if request.get("next_token") else 0, None)
        return Answer({**page, "done": False})

    configured.says("exec", STARTED)
    configured.says("stop", {"status": "STOPPING"})
    configured.runs("logs", logs)
    configured.says("status", {**STARTED, "status": "RUNNING"})
    return configured


def following(*words: str) -> subprocess.Popen[str]:
    """An `exec -f` that has printed its first line."""
    process = start("exec", "-f", "--skip-git", *words)
    assert process.stdout
    assert process.stdout.readline() == "up\n"
    return process


def ends_with(process: subprocess.Popen[str], code: int) -> tuple[str, str]:
    out, err = process.communicate(timeout=30)
    assert process.returncode == code, err
    assert "Traceback" not in err
    return out, err


def test_ctrl_c_detaches_and_says_how_to_go_on(running: FakeEndpoint) -> None:
    process = following("sleep 100")
    os.killpg(process.pid, signal.SIGINT)
    _, err = ends_with(process, 130)
    assert "Detached" in err
    assert f"mycli logs -f {ID}" in err
    assert f"mycli stop {ID}" in err
    assert running.asked("stop") == []


def test_ctrl_c_twice_stops_the_execution(running: FakeEndpoint) -> None:
    process = following("sleep 100")
    os.killpg(process.pid, signal.SIGINT)
    read_until(process, "mycli stop")
    os.killpg(process.pid, signal.SIGINT)
    _, err = ends_with(process, 130)
    assert "It is stopping" in err
    assert running.asked("stop") == [{"action": "stop", "execution_id": ID, "reason": "Ctrl-C"}]


def test_ctrl_c_while_it_asks_for_the_stop(running: FakeEndpoint) -> None:
    def slow(_: Mapping[str, Any]) -> Answer:
        until(lambda: process.poll() is not None)
        return LOST

    running.runs("stop", slow)
    process = following("sleep 100")
    os.killpg(process.pid, signal.SIGINT)
    read_until(process, "mycli stop")
    os.killpg(process.pid, signal.SIGINT)
    until(lambda: running.asked("stop"))
    os.killpg(process.pid, signal.SIGINT)
    _, err = ends_with(process, 130)
    assert f"it is not known whether {ID} stops" in err
    assert f"mycli stop {ID}" in err


def test_ctrl_c_twice_where_it_cannot_be_stopped(running: FakeEndpoint) -> None:
    running.says("stop", Answer({"error": "AWS refused"}, status=502))
    process = following("sleep 100")
    os.killpg(process.pid, signal.SIGINT)
    read_until(process, "mycli stop")
    os.killpg(process.pid, signal.SIGINT)
    _, err = ends_with(process, 125)
    assert "AWS refused" in err
    assert f"{ID} may still run" in err


def test_ctrl_c_in_the_output_of_one_that_has_ended(configured: FakeEndpoint) -> None:
    configured.says("exec", STARTED)
    configured.has_log(output_of(["up", *["x" * 10_000] * 1000]))
    process = following("true")
    os.killpg(process.pid, signal.SIGINT)
    _, err = ends_with(process, 130)
    assert f"{ID} has ended" in err
    assert "runs on" not in err
    assert "mycli stop" not in err


def test_ctrl_c_while_waiting_detaches_too(running: FakeEndpoint) -> None:
    process = start("exec", "--wait", "--skip-git", "sleep 100")
    until(lambda: running.asked("status"))
    os.killpg(process.pid, signal.SIGINT)
    _, err = ends_with(process, 130)
    assert "Detached" in err


def test_ctrl_c_before_the_answer_says_that_it_may_have_started(running: FakeEndpoint) -> None:
    def slow(_: Mapping[str, Any]) -> Answer:
        until(lambda: process.poll() is not None)
        return LOST

    running.runs("exec", slow)
    process = start("exec", "--skip-git", "true")
    until(lambda: running.asked("exec"))
    os.killpg(process.pid, signal.SIGINT)
    _, err = ends_with(process, 130)
    assert "may have started" in err
    assert "mycli list" in err


def test_an_answer_that_never_comes_may_be_of_one_that_has_started(running: FakeEndpoint) -> None:
    running.says("exec", LOST)
    _, err = ends_with(start("exec", "--skip-git", "true"), 125)
    assert "may have started" in err
    assert "mycli list" in err


def test_ctrl_c_under_json_is_still_a_document(running: FakeEndpoint) -> None:
    process = start("exec", "-f", "--json", "--skip-git", "sleep 100")
    read_until(process, "up")
    os.killpg(process.pid, signal.SIGINT)
    out, _ = ends_with(process, 130)
    document = json.loads(out)
    assert (document["execution_id"], document["exit_code"]) == (ID, None)


def test_ctrl_c_in_logs_leaves_the_execution_alone(running: FakeEndpoint) -> None:
    process = start("logs", "-f", ID)
    assert process.stdout
    assert process.stdout.readline().endswith("up\n")
    os.killpg(process.pid, signal.SIGINT)
    _, err = ends_with(process, 130)
    assert f"mycli stop {ID}" in err
    assert running.asked("stop") == []


def test_a_reader_that_goes_away_ends_it_quietly(running: FakeEndpoint) -> None:
    numbers = iter(range(10_000))

    def logs(_: Mapping[str, Any]) -> Answer:
        page = log_page([[begin_marker(ID), "up", "x" * 10_000], []], 0, None)
        return Answer({**page, "next_token": str(next(numbers))})

    running.runs("logs", logs)
    process = following("yes")
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(30) == 141
    assert "Traceback" not in err
    assert "BrokenPipe" not in err
    assert f"{ID} runs on" in err
    assert running.asked("stop") == []


def test_nobody_reads_the_story_either(running: FakeEndpoint) -> None:
    process = start("exec", "-f", "--skip-git", "true")
    assert process.stdout
    assert process.stderr
    process.stderr.close()
    process.stdout.close()
    assert process.wait(30) not in (0, None)
    assert running.asked("stop") == []


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_the_first_line_of_a_long_log(unbuffered: str, configured: FakeEndpoint) -> None:
    configured.has_log([f"line {number}" for number in range(100_000)])
    process = start("logs", ID, env={**os.environ, "PYTHONUNBUFFERED": unbuffered})
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline().endswith("UTC | line 0\n")
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(30) == 141
    assert "Traceback" not in err
    assert "Exception" not in err


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_slow_reader_gets_all_of_it(unbuffered: str, configured: FakeEndpoint) -> None:
    lines = [f"line {number}" for number in range(50_000)]
    configured.has_log(output_of(lines))
    process = start("logs", "--raw", ID, env={**os.environ, "PYTHONUNBUFFERED": unbuffered})
    out, _ = ends_with(process, 0)
    assert out.splitlines() == lines


def test_a_connection_that_breaks_while_following(configured: FakeEndpoint) -> None:
    lines = [f"line {number}" for number in range(20)]
    whole = output_of(lines, 3)
    pages = [whole[start : start + 5] for start in range(0, len(whole), 5)]
    lost: set[int] = set()

    def logs(request: Mapping[str, Any]) -> Answer:
        index = int(request.get("next_token") or 0)
        if index not in lost and index > 0:
            lost.add(index)
            return LOST
        return Answer(log_page(pages, index, 3))

    configured.says("exec", STARTED)
    configured.runs("logs", logs)
    process = start("exec", "-f", "--skip-git", "x")
    out, err = ends_with(process, 3)
    assert out.splitlines() == lines
    assert "trying again" in err
    assert len(lost) == len(pages) - 1


def test_an_error_while_following_says_how_to_go_on(running: FakeEndpoint) -> None:
    up = log_page([[begin_marker(ID), "up"], []], 0, None)
    running.says("logs", up, Answer({"error": "AWS refused"}, status=502))
    _, err = ends_with(start("exec", "-f", "--skip-git", "true"), 125)
    assert "AWS refused" in err
    assert f"{ID} may still run" in err
    assert f"mycli logs -f {ID}" in err


def test_plain_text_in_a_pipe(running: FakeEndpoint) -> None:
    process = start("exec", "--skip-git", "true", env={**os.environ, "TERM": "xterm-256color"})
    out, err = ends_with(process, 0)
    assert "\x1b" not in out + err
    assert running.asked("exec")


def test_ctrl_c_in_a_cleanup_and_the_same_once_more(configured: FakeEndpoint) -> None:
    old = [definition("mycli-task-x", n, registered_at="2020-01-01T00:00Z") for n in range(1, 26)]
    left = configured.has_task_definitions(*old)
    remove = configured.script("remove_task_definitions")

    def held(request: Mapping[str, Any]) -> Answer:
        if len(left) < 20:
            until(lambda: process.poll() is not None)
        return remove(request)

    configured.runs("remove_task_definitions", held)
    process = start("cleanup-task-definitions", "--force", "--json")
    told = read_until(process, "Removed 10 of 25")
    until(lambda: len(configured.asked("remove_task_definitions")) == 2)
    os.killpg(process.pid, signal.SIGINT)
    out, err = ends_with(process, 130)
    assert "! Interrupted: the same command finishes it\n" in told + err
    assert out == ""
    until(lambda: len(left) == 5)  # what was asked for last is done all the same
    _, err = ends_with(start("cleanup-task-definitions", "--force"), 0)
    assert left == {}
    assert "Removed 5 task definitions; 0 left" in err


def test_an_endpoint_that_is_gone_is_told_at_once(configured: FakeEndpoint) -> None:
    with FakeEndpoint() as gone:
        environ = {"MYCLI_API_ENDPOINT": gone.url, "MYCLI_API_KEY": KEY}
    started = time.monotonic()
    _, err = ends_with(start("list", env={**os.environ, **environ}), 125)
    assert time.monotonic() - started < 15
    assert "Connection refused" in err
    assert "mycli local start" in err
    assert configured.seen == []
