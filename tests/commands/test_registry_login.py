"""mycli registry-login, registry-logout and credentials list, of a stack on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mycli.local import account
from mycli.local.clients import clients_of
from mycli.local.place import load
from tests.a_terminal import answer
from tests.conftest import Mycli, type_in

LOGIN = ("registry-login", "ghcr.io", "--username", "me")


@pytest.fixture(autouse=True)
def ended(home: Path) -> Iterator[None]:
    yield
    account.stop()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["registry-login", "ghcr.io"], "--username"),
        (["registry-login", "https://ghcr.io", "--username", "me"], "its name alone"),
        (["registry-login", "me", "--username", "me"], "its name alone"),
        (
            ["registry-login", "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "--username", "AWS"],
            "can be pulled already",
        ),
        (["registry-login", "ghcr.io", "--username", "me:you", "--password-stdin"], "user name"),
        (["registry-logout", "ghcr.io/me"], "its name alone"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_asked(
    mycli: Mycli, monkeypatch: pytest.MonkeyPatch, home: Path, words: list[str], said: str
) -> None:
    type_in(monkeypatch, "canary\n")
    ran = mycli(*words)
    assert ran.code == 2, ran
    assert said in ran.err
    assert "canary" not in ran.out + ran.err
    assert not home.exists()


@pytest.mark.parametrize(
    ("given", "said"), [("", "no password"), ("\n", "no password"), ("can-\nary\n", "one line")]
)
def test_a_password_that_is_none_is_refused_and_not_told(
    mycli: Mycli, monkeypatch: pytest.MonkeyPatch, given: str, said: str
) -> None:
    type_in(monkeypatch, given)
    ran = mycli(*LOGIN, "--password-stdin", "--json")
    assert ran.code == 2, ran
    assert said in ran.err
    assert "can-" not in ran.out + ran.err


def test_where_nobody_can_be_asked_it_says_how_to_give_it(
    mycli: Mycli, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in(monkeypatch, "canary\n")
    ran = mycli(*LOGIN)
    assert ran.code == 2, ran
    assert "--password-stdin" in ran.err


def test_it_is_asked_for_unseen_kept_listed_and_forgotten(
    mycli: Mycli, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in(monkeypatch, "canary-0\n")
    ran = mycli(*LOGIN, "--local", "--password-stdin")
    assert ran.code == 125
    assert "has no stack mycli" in ran.err  # and none is made for it
    assert mycli("init", "--local", "--runtime", "process", "--force").code == 0

    code, shown = answer([*LOGIN], {"(not shown): ": "canary-1\n"})
    assert code == 0, shown
    assert "Password or token of me at ghcr.io" in shown
    assert "Kept the login of me at ghcr.io: the next image from there is its test" in shown
    assert "nobody uses it" in shown  # tasks are processes here
    assert "canary" not in shown
    type_in(monkeypatch, "canary-2\r\n")
    ran = mycli("registry-login", "index.docker.io", "--username", "me", "--password-stdin")
    assert ran.code == 0, ran
    held = clients_of(load())("secretsmanager")
    for host, password in (("ghcr.io", "canary-1"), ("docker.io", "canary-2")):
        text = held.get_secret_value(SecretId=f"mycli/mycli/registry/{host}")["SecretString"]
        assert json.loads(text) == {"username": "me", "password": password}

    own = mycli("registry-login", load().registry, "--username", "me")
    assert own.code == 2, own
    assert "the registry of this very account" in own.err
    removed = mycli("credentials", "remove", "ghcr.io")
    assert (removed.code, "`mycli registry-logout`" in removed.err) == (2, True), removed
    assert mycli("credentials", "list").out == "registry docker.io\nregistry ghcr.io\n"
    assert json.loads(mycli("credentials", "list", "--json").out) == {
        "stack_name": "mycli",
        "git_credentials": [],
        "registries": ["docker.io", "ghcr.io"],
    }
    gone = mycli("registry-logout", "docker.io", "--json")
    assert json.loads(gone.out) == {"stack_name": "mycli", "registries": ["ghcr.io"]}
    gone = mycli("registry-logout", "docker.io")
    assert gone.code == 125
    assert "there are: ghcr.io" in gone.err
    assert "canary" not in str(ran) + str(gone)
