from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mycli import config
from mycli.local import account
from mycli.local.place import place
from tests.conftest import Mycli, type_in


@pytest.fixture(autouse=True)
def ended(home: Path) -> Iterator[None]:
    yield
    account.stop()


@pytest.fixture
def stack(mycli: Mycli) -> None:
    assert mycli("init", "--local", "--runtime", "process", "--force").code == 0


def test_there_must_be_such_a_stack(mycli: Mycli) -> None:
    ran = mycli("destroy", "--local", "--force")
    assert ran.code == 125
    assert "has no stack mycli\n  `mycli init --local` makes one\n" in ran.err


def test_one_that_nobody_knows_may_be_in_aws(mycli: Mycli, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for words in (["destroy", "--force"], ["credentials", "list"]):
        ran = mycli(*words)
        assert ran.code == 125, ran
        assert "there is no stack mycli on this machine, and there are no AWS cred" in ran.err
        assert "`mycli init --local` makes one here; for AWS, set AWS_PROFILE" in ran.err
    assert mycli("init", "--local", "--force", "--runtime", "process").code == 0
    ran = mycli("destroy", "--force", "--stack-name", "other")
    assert ran.code == 125, ran
    assert "on this machine there is: mycli; for AWS, set AWS_PROFILE" in ran.err


@pytest.mark.usefixtures("stack")
def test_it_asks_tells_and_leaves_nothing(mycli: Mycli, monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, "\n")
    declined = mycli("destroy")
    assert declined.code == 2
    assert "nothing was deleted" in declined.err
    assert account.status()["running"]

    type_in(monkeypatch, "y\n")
    ran = mycli("destroy")
    assert ran.code == 0, ran
    assert "Continue? [y/N]: " in ran.err
    assert "Found 1 active and 0 inactive task definitions across 1 family" in ran.err
    assert "Deleted 1 task definition\n" in ran.err
    assert "nothing of the stack is left" in ran.out
    assert not place().folder.exists()
    assert not config.config_path().exists()


@pytest.mark.usefixtures("stack")
def test_json_is_one_document_and_the_config_can_be_kept(mycli: Mycli) -> None:
    gone = json.loads(mycli("destroy", "--force", "--keep-config", "--json").out)
    assert gone["resources_deleted"] > 30
    assert gone["task_definitions"]["deleted"] == 1
    assert (gone["profiles_removed"], gone["account_removed"], gone["leftovers"]) == ([], True, [])
    assert config.config_path().exists()
