"""The client of `exec -f` is killed, interrupted, or not read any more: nothing else is lost.

Each time the execution is in `list`, `logs` picks it up with every line once and in order, and a
repeat with the same request id starts nothing new.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import pty
import random
import secrets
import signal
import subprocess
import termios
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.wire import LogsResponse
from tests.fake_endpoint import Answer
from tests.soak import sizes

from .conftest import MYCLI, Machine
from .relay import Forward, relay

LINES = [f"line {number}" for number in range(1, 61)]
WHOLE = "".join(f"{line}\n" for line in LINES)

Moment = Callable[[Mapping[str, Any], Answer | None], bool]


def _when(action: str, *, answered: bool, has: Callable[[Any], bool] = bool) -> Moment:
    def moment(body: Mapping[str, Any], answer: Answer | None) -> bool:
        if body["action"] != action or (answer is not None) != answered:
            return False
        return answer is None or has(answer.document)

    return moment


def messages(page: Mapping[str, Any]) -> list[str]:
    return [
        line for event in LogsResponse.from_json(page).events for line in event.lines.split("\n")
    ]


MOMENTS: Mapping[str, Moment] = {
    "exec is on its way": _when("exec", answered=False),
    "exec is answered": _when("exec", answered=True),
    "the first page is asked for": _when("logs", answered=False),
    "lines come": _when("logs", answered=True, has=lambda page: "line 5" in messages(page)),
    "the end comes": _when("logs", answered=True, has=lambda page: page["done"]),
}
CODES = {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: -15, signal.SIGHUP: -1}
# Ctrl-C, which has most to say, at each moment; the others once.
SHORT = {*itertools.product(MOMENTS, [signal.SIGINT])} | {
    ("exec is on its way", signal.SIGKILL),
    ("lines come", signal.SIGTERM),
    ("the end comes", signal.SIGHUP),
}
DEATHS = [
    pytest.param(*death, marks=() if death in SHORT else pytest.mark.soak)
    for death in itertools.product(MOMENTS, CODES)
]


def command(request_id: str) -> str:
    counts = "i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo line $i; sleep 0.01; done; exit 7"
    return f"{counts} # {request_id}"


def start(machine: Machine, request_id: str, **options: Any) -> subprocess.Popen[str]:
    piped = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    options = {**piped, **options}
    return subprocess.Popen(
        [MYCLI, "exec", "-f", "--skip-git", "--request-id", request_id, command(request_id)],
        cwd=machine.folder,
        env=machine.environ(),
        text=True,
        start_new_session=True,
        **options,
    )


def picked_up(machine: Machine, request_id: str, printed: str) -> str:
    """The id of the one execution of this request, which went on as if nobody had died."""
    assert WHOLE.startswith(printed)
    with machine.client() as client:
        run = client.exec(command(request_id), skip_git=True, request_id=request_id)
        assert list(client.logs(run.id)) == LINES
        assert run.wait() == 7
        known = [item for item in client.list() if item.command == command(request_id)]
    assert [item.execution_id for item in known] == [run.id]
    return run.id


@pytest.mark.parametrize(("moment", "number"), DEATHS)
def test_a_signal_at_each_moment(
    machine: Machine, tmp_path: Path, moment: str, number: signal.Signals
) -> None:
    request_id, is_now = secrets.token_hex(8), MOMENTS[moment]
    clients: list[subprocess.Popen[str]] = []

    def fate(body: Mapping[str, Any], forward: Forward) -> Answer:
        if is_now(body, None):
            clients[0].send_signal(number)
        answer = forward()
        if is_now(body, answer):
            clients[0].send_signal(number)
        return answer

    with relay(machine, tmp_path, fate) as between:
        clients.append(start(between, request_id))
        out, err = clients[0].communicate(timeout=60)
    assert clients[0].returncode == CODES[number], err
    assert "Traceback" not in err
    run = picked_up(machine, request_id, out)
    if number == signal.SIGINT and moment.startswith("exec"):
        assert "may have started" in err
        assert "mycli list" in err
    elif number == signal.SIGINT:
        assert f"mycli logs -f {run}" in err
        assert f"mycli stop {run}" in err


@sizes(1, 60)
def test_a_signal_at_any_time(machine: Machine, size: int) -> None:
    """To the machine's own client, which has the daemon prove itself; the time is drawn."""
    drawn = random.Random(size)  # the same at each run
    for number in itertools.islice(itertools.cycle(CODES), size):
        request_id = secrets.token_hex(8)
        client = start(machine, request_id)
        with contextlib.suppress(subprocess.TimeoutExpired):
            client.wait(drawn.uniform(0.1, 2))
        client.send_signal(number)
        out, err = client.communicate(timeout=60)
        # Python is not up yet, or not any more, where the signal itself ends it.
        assert client.returncode in (CODES[number], 7, -number), err
        assert "Traceback" not in err
        run = picked_up(machine, request_id, out)
        if client.returncode == 130 and "Starting execution" in err:
            assert f"mycli logs -f {run}" in err or "may have started" in err


def test_ctrl_c_twice_stops_it(machine: Machine) -> None:
    with machine.client() as client:
        process = machine.start("exec", "-f", "--skip-git", "echo up; sleep 300")
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == b"up\n"
        process.send_signal(signal.SIGINT)
        run = next(line.split()[2] for line in process.stderr if b"mycli stop" in line).decode()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert b"It is stopping" in err
        assert list(client.logs(run)) == ["up"]
        assert client.execution(run).wait() == 143


# --- On a terminal -------------------------------------------------------------------------------


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal. Closing ours hangs it up."""
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(theirs)
    with contextlib.suppress(OSError):
        os.close(ours)


def start_on(terminal: int, machine: Machine, request_id: str) -> subprocess.Popen[str]:
    def control() -> None:
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

    streams = dict.fromkeys(("stdin", "stdout", "stderr"), terminal)
    return start(machine, request_id, **streams, preexec_fn=control)


def shown_until(ours: int, text: str) -> str:
    shown = ""
    while text not in shown:
        shown += os.read(ours, 10_000).decode()
    return shown


def test_ctrl_c_on_a_terminal(machine: Machine, terminal: tuple[int, int]) -> None:
    request_id = secrets.token_hex(8)
    client = start_on(terminal[1], machine, request_id)
    shown_until(terminal[0], "line 5\r\n")
    os.write(terminal[0], b"\x03")
    shown = shown_until(terminal[0], "# stop it\r\n")
    assert client.wait(30) == 130
    assert f"mycli stop {picked_up(machine, request_id, '')} " in shown


def test_the_terminal_is_closed(machine: Machine, terminal: tuple[int, int]) -> None:
    request_id = secrets.token_hex(8)
    client = start_on(terminal[1], machine, request_id)
    shown_until(terminal[0], "line 5\r\n")
    os.close(terminal[0])
    assert client.wait(30) == -signal.SIGHUP
    picked_up(machine, request_id, "")


# --- Nobody reads it -----------------------------------------------------------------------------


def test_the_reader_goes_away(machine: Machine) -> None:
    request_id = secrets.token_hex(8)
    client = start(machine, request_id)
    assert client.stdout
    assert client.stderr
    printed = client.stdout.readline()
    client.stdout.close()
    with client.stderr as stderr:
        err = stderr.read()
    assert client.wait(30) == 141
    assert f"{picked_up(machine, request_id, printed)} runs on" in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_the_disk_is_full(machine: Machine) -> None:
    with Path("/dev/full").open("w") as full:
        request_id = secrets.token_hex(8)
        client = start(machine, request_id, stdout=full)
        _, err = client.communicate(timeout=60)
        assert client.returncode == 125
        assert "the output cannot be written: No space left on device" in err
        assert f"mycli logs -f {picked_up(machine, request_id, '')}" in err
        client = start(machine, request_id, stderr=full)
        out, _ = client.communicate(timeout=60)
        assert (client.returncode, out) == (7, WHOLE)
