"""Stacks found in accounts that moto plays."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.stub import Stubber

from mycli.errors import AwsCredentialsError, StackError
from mycli.stack import discovery
from tests.aws import make_api as make

DENIED = (
    "User: arn:aws:iam::123456789012:user/me is not authorized to perform: apigateway:GET on "
    "resource: arn:aws:apigateway:eu-west-1::/restapis"
)
ME = discovery.Account(id="123456789012", arn="arn:aws:iam::123456789012:user/me")


pytestmark = pytest.mark.usefixtures("aws")


def find_one(stack_name: str | None = None) -> discovery.Found:
    return discovery.find_one(discovery.clients(), ME, "eu-west-1", stack_name)


def test_a_stack_is_known_by_its_apis_name_and_tag() -> None:
    ours = make("mycli-api", mycli__stack="mycli")
    make("mycli-api")  # somebody else's
    make("api", mycli__stack="mycli")  # one that a user tagged
    make("dev-api", mycli__stack="mycli")
    found = find_one()
    assert found == find_one("mycli")
    assert found.stack_name == "mycli"
    assert found.api_endpoint == (
        f"https://{ours}.execute-api.eu-west-1.amazonaws.com/prod/execute"
    )


def test_the_address_follows_the_partition() -> None:
    make("mycli-api", "cn-north-1", mycli__stack="mycli")
    me = discovery.Account(id=ME.id, arn="arn:aws-cn:iam::123456789012:user/me")
    [found] = discovery.find(discovery.clients(), me, "cn-north-1")
    assert found.api_endpoint.endswith(".execute-api.cn-north-1.amazonaws.com.cn/prod/execute")


def test_of_several_one_is_to_be_named() -> None:
    for name in ("mycli", "dev"):
        make(f"{name}-api", mycli__stack=name)
    with pytest.raises(StackError, match="several stacks in eu-west-1: dev, mycli"):
        find_one()
    assert find_one("dev").stack_name == "dev"
    with pytest.raises(StackError, match=r"no stack prod in eu-west-1 .*; there is: dev, mycli"):
        find_one("prod")


def test_none_here_but_elsewhere() -> None:
    make("mycli-api", "us-east-2", mycli__stack="mycli")
    with pytest.raises(StackError) as refused:
        find_one()
    assert refused.value.message == "no stack in eu-west-1 of the AWS account 123456789012"
    assert "mycli in us-east-2" in refused.value.hint


def test_none_at_all() -> None:
    with pytest.raises(StackError) as refused:
        find_one("mycli")
    assert "mycli init" in refused.value.hint


# --- What AWS refuses ----------------------------------------------------------------------------


def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AwsCredentialsError, match="no AWS credentials"):
        discovery.who_am_i(discovery.clients(), "eu-west-1")


def test_a_profile_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(AwsCredentialsError, match="nobody"):
        discovery.clients()


def test_no_permission() -> None:
    ask = discovery.clients()

    def refusing(service: str, region: str) -> Any:
        client = ask(service, region)
        stub = Stubber(client)
        stub.add_client_error("get_rest_apis", "AccessDeniedException", DENIED)
        stub.activate()
        return client

    with pytest.raises(StackError, match="apigateway:GET") as refused:
        discovery.find_one(refusing, ME, "eu-west-1", None)
    assert "--print-policy" in refused.value.hint
