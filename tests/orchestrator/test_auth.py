from __future__ import annotations

import dataclasses
import json

import pytest

from orchestrator import auth
from orchestrator.wire import WireError
from tests.orchestrator.conftest import API_KEY, Account, api_event

WRONG_KEY = "sk_live_" + "f" * 64


@pytest.mark.parametrize("name", ["X-API-Key", "x-api-key", "X-Api-KEY"])
def test_the_key_is_taken_from_a_header_in_any_case(account: Account, name: str) -> None:
    answer = account.send(api_event('{"action": "list"}', key=None, headers={name: API_KEY}))

    assert answer["statusCode"] == 200


@pytest.mark.parametrize(
    "key",
    [
        None,
        WRONG_KEY,
        "",
        "sk_live_",
        API_KEY[:-1],
        API_KEY + "0",
        API_KEY + "\n",
        API_KEY.upper(),
        " " + API_KEY,
        "x" * 100_000,
        "sk_live_" + "é" * 64,
    ],
)
def test_no_other_key_gets_in_and_none_learns_why(account: Account, key: str | None) -> None:
    answer = account.send(api_event('{"action": "list"}', key=key))

    assert answer["statusCode"] == 401
    assert json.loads(answer["body"]) == {
        "error": "unauthorized",
        "hint": "send the stack's API key as X-API-Key",
    }
    assert account.calls == []


def test_no_headers_at_all_is_unauthorized(account: Account) -> None:
    assert account.send(api_event("{}", headers=None))["statusCode"] == 401


@pytest.mark.parametrize("body", [None, "no json", '{"action": "nonsense"}', "x" * 100_000])
def test_a_stranger_learns_nothing_about_his_request(account: Account, body: str | None) -> None:
    assert account.send(api_event(body, key=WRONG_KEY))["statusCode"] == 401


def with_unusable_hash(account: Account) -> Account:
    """bcrypt raises ValueError as soon as it is asked."""
    settings = dataclasses.replace(account.runtime.settings, api_key_hash="no bcrypt hash")
    return dataclasses.replace(
        account, runtime=dataclasses.replace(account.runtime, settings=settings)
    )


@pytest.mark.parametrize("key", [WRONG_KEY, "malformed"])
def test_what_fails_the_cheap_checks_costs_no_bcrypt(account: Account, key: str) -> None:
    with pytest.raises(WireError) as refused:
        auth.authenticate(with_unusable_hash(account).runtime, {"X-API-Key": key})

    assert refused.value.status == 401


def test_bcrypt_is_paid_once_in_five_minutes(account: Account) -> None:
    auth.authenticate(account.runtime, {"X-API-Key": API_KEY})
    without_bcrypt = with_unusable_hash(account).runtime

    account.clock.seconds += auth.REMEMBERED_SECONDS - 1
    auth.authenticate(without_bcrypt, {"X-API-Key": API_KEY})

    account.clock.seconds += 1
    with pytest.raises(ValueError, match="salt"):
        auth.authenticate(without_bcrypt, {"X-API-Key": API_KEY})


def test_a_key_with_the_same_prefix_still_has_to_pass_bcrypt(account: Account) -> None:
    settings = dataclasses.replace(account.runtime.settings, api_key_sha256_prefix="")
    runtime = dataclasses.replace(account.runtime, settings=settings)

    with pytest.raises(WireError) as refused:
        auth.authenticate(runtime, {"X-API-Key": WRONG_KEY})

    assert refused.value.status == 401
    assert runtime.verified_keys == {}


def test_what_is_remembered_is_bounded_and_holds_no_key(account: Account) -> None:
    remembered = account.runtime.verified_keys
    remembered.update({str(number): 0.0 for number in range(auth.MAX_REMEMBERED)})

    auth.authenticate(account.runtime, {"X-API-Key": API_KEY})

    assert len(remembered) == 1
    assert API_KEY not in str(remembered)
