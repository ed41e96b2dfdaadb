"""The owner's boto3 clients: only the account itself hears what they send, and is believed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError

from mycli.local.clients import clients_of
from mycli.local.place import Account
from tests.fake_endpoint import FakeEndpoint


def account_at(port: int) -> Account:
    return Account(
        account_id="123456789012",
        region="us-east-1",
        port=port,
        runtime="process",
        access_key_id="AKIAABCDEFGHIJKLMNOP",
        secret_access_key="of the owner",
        daemon_secret="ours",
    )


@pytest.mark.parametrize(
    ("service", "call", "arguments"),
    [
        ("ssm", "put_parameter", {"Name": "/a", "Value": "a token", "Type": "SecureString"}),
        ("dynamodb", "delete_table", {"TableName": "executions"}),
        ("lambda", "list_functions", {}),
    ],
)
@pytest.mark.parametrize("its_secret", ["", "its own"])
def test_another_program_on_the_port_hears_nothing(
    service: str, call: str, arguments: dict[str, Any], its_secret: str
) -> None:
    with FakeEndpoint(daemon_secret=its_secret) as stranger:
        client = clients_of(account_at(stranger.port))(service)
        with pytest.raises(BotoCoreError, match="is not your account on this machine"):
            getattr(client, call)(**arguments)
        assert {seen.path.partition("?")[0] for seen in stranger.seen} == {"/_mycli/prove"}
        assert "a token" not in json.dumps([[*seen.headers.values()] for seen in stranger.seen])
