from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mycli.local import account
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
