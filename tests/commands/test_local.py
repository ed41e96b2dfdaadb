from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mycli.local import account
from mycli.local.place import place
from tests.conftest import Mycli
from tests.local.conftest import new_account


@pytest.fixture(autouse=True)
def ended(home: Path) -> Iterator[None]:
    yield
    account.stop()


def test_without_an_account(mycli: Mycli) -> None:
    assert "mycli init --local" in mycli("local", "status").out
    assert json.loads(mycli("local", "status", "--json").out)["account_id"] is None
    for verb in ("start", "stop", "logs"):
        ran = mycli("local", verb)
        assert ran.code == 125
        assert "no account on this machine" in ran.err


def test_status_start_and_stop(mycli: Mycli) -> None:
    made = new_account()
    shown = mycli("local", "status")
    assert "running" in shown.out
    assert made.origin in shown.out
    assert made.access_key_id not in shown.out

    assert "Stopped" in mycli("local", "stop").err
    assert "not running" in mycli("local", "stop").err
    stopped = json.loads(mycli("local", "status", "--json").out)
    assert (stopped["running"], stopped["account_id"]) == (False, made.account_id)

    assert made.origin in mycli("local", "start").err
    assert json.loads(mycli("local", "start", "--json").out)["running"]


def test_the_daemons_log_is_shown(mycli: Mycli) -> None:
    made = new_account()
    assert f"ready on 127.0.0.1:{made.port}" in mycli("local", "logs").out
    assert json.loads(mycli("local", "logs", "--json").out)["lines"]


def damage(at: Path) -> None:
    at.write_bytes(at.read_bytes()[:100])


@pytest.mark.parametrize("file", ["account.json", "stacks/mycli.json", "state/iam.sealed"])
def test_reset_is_the_way_on_where_files_are_damaged(mycli: Mycli, home: Path, file: str) -> None:
    made = mycli("init", "--local", "--runtime", "process", "--force")
    assert made.code == 0, made
    if file.startswith("state"):  # it is read at the start only
        account.stop()
    damage(place().folder / file)
    refused = mycli("destroy", "--force")
    assert refused.code == 125
    assert str(place().folder / file) in refused.err
    assert "mycli local reset" in refused.err

    ran = mycli("local", "reset", "--force", "--json")
    assert ran.code == 0, ran
    assert json.loads(ran.out) == {"profiles_removed": ["default"]}
    assert not home.exists()  # nor a daemon, which would have its files there
    again = mycli("local", "reset", "--force")
    assert again.code == 125
    assert "no account on this machine" in again.err


def test_reset_asks(mycli: Mycli, monkeypatch: pytest.MonkeyPatch) -> None:
    new_account()
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    refused = mycli("local", "reset")
    assert refused.code == 2
    assert "nothing was deleted" in refused.err
    assert account.status()["running"]
