"""An up or a destroy that is cut short is finished by running it again; nothing is left over."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import NamedTuple

import pytest

from mycli.stack.automation import Settings, Stack
from tests.engine.conftest import API_KEY, Cloud, kill, processes
from tests.local.conftest import until
from tests.soak import sizes

RESOURCES = 32  # of a stack without git credentials


class Cut(NamedTuple):
    """What happens in the middle of a step, or when it is done and the engine not told yet.

    act: given the account and the session in which mycli and the engine are. It raises where the
    step is not done. code: what mycli ends with.
    """

    act: Callable[[Cloud, int], None]
    after: bool
    code: int


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
    "a failure": Cut(fail, False, 1),
    "a power cut before": Cut(cut_the_power, False, -signal.SIGKILL),
    "a power cut after": Cut(cut_the_power, True, -signal.SIGKILL),
    "mycli killed": Cut(kill_mycli, False, -signal.SIGKILL),
    "Ctrl-C": Cut(press_ctrl_c, False, 130),
    "Ctrl-C twice": Cut(press_ctrl_c_twice, False, 130),
}


def cut_short(cloud: Cloud, name: str, verb: str, number: int) -> str:
    """Do it in a process of its own, up to that step; what it told."""
    cut = CUTS[name]
    sessions: list[int] = []
    cloud.at_number(number, lambda: cut.act(cloud, sessions[0]), after=cut.after)
    settings = [f'{{"api_key": "{API_KEY}"}}'] if verb == "up" else []
    child = cloud.child(verb, *settings, state="file")
    sessions.append(child.pid)
    out, told = child.communicate(timeout=120)
    until(lambda: "pulumi" not in processes(child.pid).values() and not cloud.provider.doing)
    kill(child.pid)  # the engine's language plugin outlives an engine that was killed
    cloud.undisturbed()
    assert child.returncode == cut.code, out + told
    assert "Traceback" not in told
    # What the engine would write in two steps.
    assert not list(cloud.home().rglob("*.attrs"))
    assert ("Interrupted: " in told) == name.startswith("Ctrl-C")
    return told


def finish(cloud: Cloud, *, after: str) -> None:
    """What a user does: the same once more."""
    told: list[str] = []
    made = Stack("mycli", state="file").up(Settings(api_key=API_KEY), told.append)
    assert made.outputs.takes(API_KEY)
    if after in ("a failure", "Ctrl-C"):
        assert "killed" not in "".join(told)  # all that was begun was finished, and is known


def destroy(cloud: Cloud) -> None:
    gone = Stack("mycli", state="file").destroy()
    assert gone.leftovers == []
    assert cloud.has() == {}


def test_cut_short_again_and_again(cloud: Cloud) -> None:
    for name in CUTS:
        cut_short(cloud, name, "up", 3)
    finish(cloud, after="Ctrl-C twice")
    assert not Stack("mycli", state="file").up().changes.any
    for name in CUTS:
        cut_short(cloud, name, "destroy", 2)
    destroy(cloud)


@pytest.mark.soak
@pytest.mark.parametrize("name", CUTS)
def test_cut_short_at_every_step(cloud: Cloud, name: str) -> None:
    for number in range(1, RESOURCES + 1):
        cut_short(cloud, name, "up", number)
        finish(cloud, after=name)
        cut_short(cloud, name, "destroy", number)
        destroy(cloud)


@sizes(1, RESOURCES)
@pytest.mark.parametrize("name", ["a power cut after", "Ctrl-C twice"])
def test_a_half_made_stack_is_destroyed(cloud: Cloud, name: str, size: int) -> None:
    for number in range(min(8, size), size + 1):
        cut_short(cloud, name, "up", number)
        destroy(cloud)
