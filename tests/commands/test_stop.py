"""mycli stop."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Mycli
from tests.fake_endpoint import ARN, ID, STATUS, FakeEndpoint


def test_stop(configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.says("stop", {"status": "STOPPING"})
    ran = mycli("stop", ID, "--reason", "wrong branch")
    assert ran.code == 0
    assert ran.err == f"✓ {ID} is stopping\n"
    assert configured.asked("stop")[0]["reason"] == "wrong branch"


@pytest.mark.parametrize(
    ("code", "told"), [(0, "already, exit code 0"), (None, "without an exit code")]
)
def test_one_that_has_ended(
    code: int | None, told: str, configured: FakeEndpoint, mycli: Mycli
) -> None:
    configured.says("stop", {"status": "STOPPED"})
    configured.says("status", {**STATUS, "exit_code": code})
    ran = mycli("stop", ID)
    assert (ran.code, ran.err) == (0, f"✓ {ID} had ended {told}\n")


@pytest.mark.parametrize("name", [ID, ARN])
def test_as_json(name: str, configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.says("stop", {"status": "STOPPING"})
    configured.says("status", STATUS)
    told = json.loads(mycli("stop", "--json", name).out)
    assert told == {"execution_id": ID, "status": "STOPPING"}
