"""mycli stop."""

from __future__ import annotations

import json

from tests.conftest import Mycli
from tests.fake_endpoint import ID, FakeEndpoint


def test_stop(configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.says("stop", {"status": "STOPPING"}, {"status": "STOPPED"})
    ran = mycli("stop", ID, "--reason", "wrong branch")
    assert ran.code == 0
    assert f"{ID} is stopping" in ran.err
    assert configured.asked("stop")[0]["reason"] == "wrong branch"
    again = mycli("stop", ID)
    assert again.code == 0
    assert "has stopped" in again.err


def test_as_json(configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.says("stop", {"status": "STOPPING"})
    assert json.loads(mycli("stop", "--json", ID).out) == {"execution": ID, "status": "STOPPING"}
