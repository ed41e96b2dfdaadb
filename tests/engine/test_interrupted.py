"""An init or a destroy that is cut short is finished by running it again; nothing is left over."""

from __future__ import annotations

import itertools
import json
import os
import signal
from collections.abc import Callable, Iterable
from typing import NamedTuple

import pytest

from mycli import config
from mycli.stack.automation import Stack
from mycli.stack.state import Folder
from mycli.stack.state_bucket import Bucket
from tests.engine.conftest import API_KEY, Cloud, kill, processes
from tests.engine.moto_server import REGION
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
# Of which a destroy has seen the like in these.
SOME_CUTS = ("a power cut after", "mycli killed", "Ctrl-C", "Ctrl-C twice")


def cut_short(cloud: Cloud, name: str, verb: str, number: int) -> str | None:
    """Type the command, which gets as far as that step; what it told. None: it came to its end."""
    cut = CUTS[name]
    sessions: list[int] = []
    cuts: list[str] = []

    def act() -> None:
        cuts.append(name)
        cut.act(cloud, sessions[0])

    cloud.at_number(number, act, after=cut.after)
    typing = start(cloud, verb, "--force", "--state", "file")
    sessions.append(typing.pid)
    out, told = typing.communicate(timeout=300)
    until(lambda: "pulumi" not in processes(typing.pid).values() and not cloud.provider.doing)
    kill(typing.pid)  # the engine's language plugin outlives an engine that was killed
    cloud.undisturbed()
    assert not list(cloud.home().rglob("*.attrs"))  # what the engine would write in two steps
    if not cuts:
        assert typing.returncode == 0, out + told
        return None
    assert typing.returncode == cut.code, out + told
    assert "Traceback" not in told
    assert ("what was begun is finished first" in told) == name.startswith("Ctrl-C")
    if cut.code > 0:
        assert told.strip().splitlines()[-1].strip().startswith(cut.last_words)
    return told


def cut_short_often(cloud: Cloud, names: Iterable[str], verb: str) -> int:
    """In each of these ways, until the command comes to its end; how often it was."""
    cuts = 0
    all_is_known = True
    for name in names:
        # Later and later: a cut that is too early each time would leave nothing to go on from.
        told = cut_short(cloud, name, verb, 3 + cuts // len(CUTS))
        if told is None:
            break
        assert not (all_is_known and "An earlier run was killed" in told)
        all_is_known = name in ("a failure", "Ctrl-C")  # what was begun was finished
        cuts += 1
    return cuts


def saved_key() -> str:
    return config.load_profiles()["default"].api_key


def takes_saved_key() -> bool:
    outputs = Stack("mycli", state="file").outputs()
    return bool(outputs and outputs.takes(saved_key()))


def finish(cloud: Cloud) -> None:
    """What a user does: the same once more."""
    key = saved_key()
    made = type_in(cloud, "init", "--force")
    assert made.code == 0, made
    assert saved_key() == key
    assert key in made.out
    assert takes_saved_key()


def destroy(cloud: Cloud) -> None:
    gone = type_in(cloud, "destroy", "--force")
    assert gone.code == 0, gone
    assert "nothing of the stack is left" in gone.out
    assert cloud.has() == {}


def test_cut_short_again_and_again(cloud: Cloud) -> None:
    assert cut_short_often(cloud, CUTS, "init") == len(CUTS)
    finish(cloud)
    again = json.loads(type_in(cloud, "init", "--force", "--json").out)
    assert (again["created"], again["updated"], again["deleted"]) == (0, 0, 0)
    assert again["api_key"] is None  # it was shown
    assert cut_short_often(cloud, SOME_CUTS, "destroy") == len(SOME_CUTS)
    destroy(cloud)


@sizes(1, RESOURCES)
def test_a_half_made_stack_is_destroyed(cloud: Cloud, size: int) -> None:
    for number in [8] if size == 1 else range(1, size + 1):
        assert cut_short(cloud, "a power cut after", "init", number)
        destroy(cloud)


@pytest.mark.parametrize("kept", ["file", ""])
def test_only_the_place_of_the_state_is_left(cloud: Cloud, kept: str) -> None:
    """A destroy was cut short at its very end."""
    of, account = cloud.account.clients, cloud.account.account_id
    (Folder() if kept else Bucket(of, account=account, region=REGION)).make()
    there = {"api_endpoint": "https://a1.execute-api.us-east-2.amazonaws.com/prod/execute"}
    profile = config.Profile(**there, api_key=API_KEY, region=REGION, state=kept)
    config.save_profile(profile, "default")
    destroy(cloud)
    assert not config.config_path().exists()


@pytest.mark.soak
@pytest.mark.parametrize("name", CUTS)
def test_cut_short_at_every_step(cloud: Cloud, name: str) -> None:
    """Each run gets a few steps further, with all that the engine does beside them."""
    cut_short_often(cloud, itertools.repeat(name), "init")
    assert takes_saved_key()
    cut_short_often(cloud, itertools.repeat(name), "destroy")
    assert cloud.has() == {}
