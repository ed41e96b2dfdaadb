"""What is taken for left behind, where AWS's index of tags is minutes late. On moto."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from mycli.stack.leftovers import find_leftovers

Clients = Callable[[str], Any]


class LateIndex:
    """It still shows whatever it was given."""

    def __init__(self) -> None:
        self.arns: list[str] = []

    def get_paginator(self, _: str) -> LateIndex:
        return self

    def paginate(self, **_: Any) -> list[Any]:
        return [{"ResourceTagMappingList": [{"ResourceARN": arn} for arn in self.arns]}]


@pytest.fixture
def index() -> LateIndex:
    return LateIndex()


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch, index: LateIndex) -> Iterator[Clients]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    client: Any = boto3.client

    def answer(service: str) -> Any:
        late = service == "resourcegroupstaggingapi"
        return index if late else client(service, region_name="us-east-1")

    with mock_aws():
        yield answer


def test_a_secret_is_left_until_it_is_deleted(clients: Clients, index: LateIndex) -> None:
    secrets = clients("secretsmanager")
    for name in ("stays", "goes-later", "gone"):
        made = secrets.create_secret(Name=f"mycli/mycli/registry/{name}", SecretString="x")
        index.arns.append(made["ARN"])
    secrets.delete_secret(SecretId=index.arns[1], RecoveryWindowInDays=7)
    secrets.delete_secret(SecretId=index.arns[2], ForceDeleteWithoutRecovery=True)
    assert find_leftovers(clients, "mycli") == index.arns[:1]


def test_a_repository_is_left_until_it_is_deleted(clients: Clients, index: LateIndex) -> None:
    ecr = clients("ecr")
    for name in ("stays", "gone"):
        made = ecr.create_repository(repositoryName=f"mycli/{name}")["repository"]
        index.arns.append(made["repositoryArn"])
    ecr.delete_repository(repositoryName="mycli/gone")
    assert find_leftovers(clients, "mycli") == index.arns[:1]
