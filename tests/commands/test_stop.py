"""mycli stop."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Mycli
from tests.fake_endpoint import ARN, ID, STATUS, FakeEndpoint


def test_stop(configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.says("stop", {"status": "STOPPING"}, {"status": "STOPPED"})
    ran = mycli("stop", ID, "--reason", "wrong branch")
    assert ran.code == 0
    assert f"{ID} is stopping" in ran.err
    assert configured.asked("stop")[0]["reason"] == "wrong branch"
    again = mycli("stop", ID)
    assert again.code == 0
    assert "has stopped" in again.err


@pytest.mark.parametrize("name", [ID, ARN])
def test_as_json(name: str, configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.says("stop", {"status": "STOPPING"})
    configured.says("status", STATUS)
    told = json.loads(mycli("stop", "--json", name).out)
    assert told == {"execution_id": ID, "status": "STOPPING"}
