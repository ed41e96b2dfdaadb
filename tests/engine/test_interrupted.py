"""An init or a destroy that is cut short is finished by running it again; nothing is left over."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import NamedTuple

import pytest

from mycli import config
from mycli.stack.automation import Stack
from tests.engine.conftest import Cloud, kill, processes
from tests.engine.test_commands import start, type_in
from tests.local.conftest import until
from tests.soak import sizes

RESOURCES = 32  # of a stack without git credentials

INTERRUPTED = "! Interrupted: the same command finishes it"


class Cut(NamedTuple):
    """What happens in the middle of a step, or when it is done and the engine not told yet.

    act: given the account and the session in which mycli and the engine are. It raises where the
    step is not done. code: what mycli ends with. last_words: how its last line begins.
    """

    act: Callable[[Cloud, int], None]
    after: bool
    code: int
    last_words: str = ""


def fail(_: Cloud, session: int) -> None:
    raise RuntimeError("AccessDenied: not today")


def cut_the_power(_: Cloud, session: int) -> None:
    kill(session)
    raise RuntimeError("nobody hears this")


def kill_mycli(_: Cloud, session: int) -> None:
    """The engine, which lives, has lost the program."""
    os.kill(session, signal.SIGKILL)


def press_ctrl_c(cloud: Cloud, session: int) -> None:
    """As a terminal sends it: to all that stand in its foreground."""
    os.killpg(session, signal.SIGINT)


def press_ctrl_c_twice(cloud: Cloud, session: int) -> None:
    cloud.provider.cancelled.clear()
    press_ctrl_c(cloud, session)
    assert cloud.provider.cancelled.wait(30)
    press_ctrl_c(cloud, session)


CUTS = {
    "a failure": Cut(fail, False, 125, "run the same command again"),
    "a power cut before": Cut(cut_the_power, False, -signal.SIGKILL),
    "a power cut after": Cut(cut_the_power, True, -signal.SIGKILL),
    "mycli killed": Cut(kill_mycli, False, -signal.SIGKILL),
    "Ctrl-C": Cut(press_ctrl_c, False, 130, INTERRUPTED),
    "Ctrl-C twice": Cut(press_ctrl_c_twice, False, 130, INTERRUPTED),
}


def cut_short(cloud: Cloud, name: str, verb: str, number: int) -> None:
    """Type the command, which gets as far as that step."""
    cut = CUTS[name]
    sessions: list[int] = []
    cloud.at_number(number, lambda: cut.act(cloud, sessions[0]), after=cut.after)
    typing = start(cloud, verb, "--force", "--state", "file")
    sessions.append(typing.pid)
    out, told = typing.communicate(timeout=120)
    until(lambda: "pulumi" not in processes(typing.pid).values() and not cloud.provider.doing)
    kill(typing.pid)  # the engine's language plugin outlives an engine that was killed
    cloud.undisturbed()
    assert typing.returncode == cut.code, out + told
    assert "Traceback" not in told
    assert ("what was begun is finished first" in told) == name.startswith("Ctrl-C")
    if cut.code > 0:
        assert told.strip().splitlines()[-1].strip().startswith(cut.last_words)
    assert not list(cloud.home().rglob("*.attrs"))  # what the engine would write in two steps


def saved_key() -> str:
    return config.load_profiles()["default"].api_key


def finish(cloud: Cloud, *, after: str) -> None:
    """What a user does: the same once more."""
    key = saved_key()
    made = type_in(cloud, "init", "--force")
    assert made.code == 0, made
    assert saved_key() == key
    assert key in made.out
    if after in ("a failure", "Ctrl-C"):
        assert "killed" not in made.err  # all that was begun was finished, and is known


def destroy(cloud: Cloud) -> None:
    gone = type_in(cloud, "destroy", "--force")
    assert gone.code == 0, gone
    assert "nothing of the stack is left" in gone.out
    assert cloud.has() == {}


def test_cut_short_again_and_again(cloud: Cloud) -> None:
    for name in CUTS:
        cut_short(cloud, name, "init", 3)
    finish(cloud, after="Ctrl-C twice")
    again = json.loads(type_in(cloud, "init", "--force", "--json").out)
    assert (again["created"], again["updated"], again["deleted"]) == (0, 0, 0)
    assert again["api_key"] is None  # it was shown
    outputs = Stack("mycli", state="file").outputs()
    assert outputs
    assert outputs.takes(saved_key())
    for name in CUTS:
        cut_short(cloud, name, "destroy", 2)
    destroy(cloud)


@sizes(1, RESOURCES)
def test_a_half_made_stack_is_destroyed(cloud: Cloud, size: int) -> None:
    for number in range(min(8, size), size + 1):
        cut_short(cloud, "a power cut after", "init", number)
        destroy(cloud)


@pytest.mark.soak
@pytest.mark.parametrize("name", CUTS)
def test_cut_short_at_every_step(cloud: Cloud, name: str) -> None:
    for number in range(1, RESOURCES + 1):
        cut_short(cloud, name, "init", number)
        finish(cloud, after=name)
        cut_short(cloud, name, "destroy", number)
        destroy(cloud)
