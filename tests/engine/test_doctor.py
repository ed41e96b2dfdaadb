"""What `mycli doctor` says of a stack that somebody has changed by hand."""

from __future__ import annotations

from mycli.stack.automation import Settings, Stack
from mycli.stack.diagnosis import drift
from tests.engine.conftest import Standing


def test_doctor_tells_what_init_would_change(standing: Standing) -> None:
    stack = Stack("mycli")
    found = drift(stack)
    assert (found.verdict, found.said) == ("ok", "none: `mycli init` would change nothing")
    events = standing.cloud.account.clients("events")
    [target] = events.list_targets_by_rule(Rule="mycli-task-state")["Targets"]
    events.remove_targets(Rule="mycli-task-state", Ids=[target["Id"]])
    found = drift(stack)
    assert found.verdict == "warn"
    assert "would create EventTarget" in found.said
    assert standing.cloud.provider.steps == []
    stack.up(Settings())
    assert drift(stack).verdict == "ok"
