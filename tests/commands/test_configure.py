"""mycli configure."""

from __future__ import annotations

import dataclasses
import io
import json
import sys

import pytest

from mycli import config
from mycli.commands.configure import complete, region_of
from mycli.config import Profile
from tests.a_terminal import answer
from tests.aws import make_api
from tests.conftest import Mycli
from tests.fake_endpoint import KEY, Answer, FakeEndpoint

NONE = {"executions": []}
WRONG = Answer({"error": "unauthorized"}, status=401)


def types(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_the_key_is_tried_before_it_is_saved(
    endpoint: FakeEndpoint, mycli: Mycli, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.says("list", WRONG, NONE)
    types(monkeypatch, KEY + "\n")
    ran = mycli("configure", "--endpoint", endpoint.url)
    assert ran.code == 125
    assert "unauthorized" in ran.err
    assert not config.config_path().exists()
    types(monkeypatch, KEY + "\n")
    ran = mycli("configure", "--endpoint", endpoint.url)
    assert (ran.code, ran.out) == (0, "")
    assert KEY not in ran.err
    assert config.load_profile() == Profile(api_endpoint=endpoint.url, api_key=KEY)
    assert endpoint.asked("list")[0] == {"action": "list", "limit": 1}
    assert endpoint.seen[-1].key == KEY


def test_the_key_by_the_environment(
    endpoint: FakeEndpoint, mycli: Mycli, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.says("list", NONE)
    monkeypatch.setenv("MYCLI_API_KEY", KEY)
    ran = mycli("configure", "--endpoint", endpoint.url, "--profile", "staging", "--json")
    assert ran.code == 0
    assert json.loads(ran.out) == {"profile": "staging", "api_endpoint": endpoint.url}
    assert KEY not in ran.out + ran.err
    assert list(config.load_profiles()) == ["staging"]


def test_a_new_key_for_a_stack_on_this_machine_keeps_its_secret(
    mycli: Mycli, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeEndpoint(daemon_secret="ours") as daemon:
        config.save_profile(daemon.profile)
        daemon.says("list", NONE)
        new = KEY.replace("0", "1")
        types(monkeypatch, new)
        assert mycli("configure").code == 0
        assert config.load_profile().daemon_secret == "ours"
        assert config.load_profile().api_key == new
        assert [seen.key for seen in daemon.seen] == [None, new]


def test_a_stack_on_this_machine_is_not_replaced(
    endpoint: FakeEndpoint, mycli: Mycli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its profile has the only copy of its key."""
    with FakeEndpoint(daemon_secret="ours") as daemon:
        config.save_profile(daemon.profile)
        for url in (endpoint.url, daemon.url + "/other"):
            types(monkeypatch, KEY)
            ran = mycli("configure", "--endpoint", url)
            assert (ran.code, ran.out) == (2, "")
            assert "--profile" in ran.err
            assert "mycli destroy" in ran.err
        assert config.load_profiles() == {"default": daemon.profile}
        assert endpoint.seen == daemon.seen == []


def test_a_stranger_on_the_port_of_this_machines_account_gets_no_key(
    endpoint: FakeEndpoint, mycli: Mycli, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.save_profile(dataclasses.replace(endpoint.profile, daemon_secret="ours"))
    endpoint.says("list", NONE)
    types(monkeypatch, KEY)
    ran = mycli("configure", "--endpoint", endpoint.url + "/other", "--profile", "other")
    assert ran.code == 125
    assert "not your account" in ran.err
    assert [seen.key for seen in endpoint.seen] == [None]
    assert list(config.load_profiles()) == ["default"]


@pytest.mark.parametrize("text", ["", "\n", "not a key\n", "sk_live_123\n"])
def test_what_is_no_key_is_not_sent(
    text: str, endpoint: FakeEndpoint, mycli: Mycli, monkeypatch: pytest.MonkeyPatch
) -> None:
    types(monkeypatch, text)
    ran = mycli("configure", "--endpoint", endpoint.url)
    assert ran.code == 2
    assert endpoint.seen == []


@pytest.mark.usefixtures("aws")
def test_without_an_endpoint_the_stack_is_looked_for(
    mycli: Mycli, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = mycli("configure", "--region", "eu-west-1")
    assert ran.code == 125
    assert "no stack in eu-west-1" in ran.err
    ours = make_api("dev-api", mycli__stack="dev")
    types(monkeypatch, KEY)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")  # none of it may leave this machine
    ran = mycli("configure", "--region", "eu-west-1", "--stack-name", "dev")
    assert ran.code == 125
    assert "eu-west-1 of the AWS account 123456789012, as arn:aws:sts::123456789012:" in ran.err
    assert "Found the stack dev" in ran.err
    assert f"Trying the key at https://{ours}.execute-api.eu-west-1.amazonaws.com/prod" in ran.err
    assert not config.config_path().exists()  # the key could not be tried


def test_what_is_found_is_kept_with_its_name(endpoint: FakeEndpoint) -> None:
    found = Profile(api_endpoint=endpoint.url, api_key="", region="eu-west-1", stack_name="dev")
    assert complete([found], endpoint.url, KEY) == dataclasses.replace(found, api_key=KEY)


def test_an_address_is_not_looked_for(mycli: Mycli) -> None:
    ran = mycli("configure", "--endpoint", "https://x/prod/execute", "--region", "eu-west-1")
    assert (ran.code, "--endpoint says which stack" in ran.err) == (2, True)


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://abc123.execute-api.eu-west-1.amazonaws.com/prod/execute", "eu-west-1"),
        ("https://mycli.example.com/prod/execute", ""),
        ("http://127.0.0.1:4566/x", ""),
    ],
)
def test_the_region_is_read_from_the_address(url: str, region: str) -> None:
    assert region_of(url) == region


def types_at_the_prompt(endpoint: FakeEndpoint, typed: str) -> tuple[int, str]:
    return answer(["configure", "--endpoint", endpoint.url], {"API key": typed})


def test_a_key_that_is_typed_is_not_shown(endpoint: FakeEndpoint) -> None:
    endpoint.says("list", NONE)
    code, shown = types_at_the_prompt(endpoint, f"{KEY}\n")
    assert code == 0, shown
    assert "Saved as profile default" in shown
    assert KEY not in shown
    assert config.load_profile().api_key == KEY


def test_a_prompt_that_is_not_answered(endpoint: FakeEndpoint) -> None:
    code, shown = types_at_the_prompt(endpoint, "\x04")
    assert code == 125
    assert "was not answered" in shown
    assert "Traceback" not in shown
    assert endpoint.seen == []
