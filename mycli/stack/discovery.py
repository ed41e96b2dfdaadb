"""The stacks of an account, as AWS shows them: no engine and no state is needed.

A stack is known by its REST API, whose name and tag say whose it is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from mycli.errors import MycliError, StackError
from mycli.stack.names import STACK_TAG
from mycli.stack.refusals import explained

Clients = Callable[[str, str], Any]  # a service's name, a region -> its boto3 client


@dataclass(frozen=True, kw_only=True)
class Account:
    """Who asks. partition: `aws`, `aws-cn` or `aws-us-gov`."""

    id: str
    arn: str

    @property
    def partition(self) -> str:
        return self.arn.split(":")[1]


@dataclass(frozen=True, kw_only=True)
class Found:
    stack_name: str
    region: str
    api_endpoint: str


def clients() -> Clients:
    """Clients with the credentials that the AWS CLI would use, and little patience."""
    import boto3
    from botocore.config import Config

    with explained():  # AWS_PROFILE may name one that is not there
        session = boto3.Session()
    config = Config(connect_timeout=10, retries={"mode": "standard", "max_attempts": 2})

    def client(service: str, region: str) -> Any:
        return session.client(service, region_name=region, config=config)

    return client


def who_am_i(ask: Clients, region: str) -> Account:
    """Raises AwsCredentialsError where there are no credentials, or AWS does not take them."""
    with explained():
        caller = ask("sts", region).get_caller_identity()
    return Account(id=caller["Account"], arn=caller["Arn"])


def find_one(ask: Clients, account: Account, region: str, stack_name: str | None) -> Found:
    """The stack of that name, or the only one in the region. Raises StackError that says which
    stacks there are, and in which other regions.
    """
    stacks = {stack.stack_name: stack for stack in find(ask, account, region)}
    if stack_name in stacks:
        return stacks[stack_name]
    if stack_name is None and len(stacks) == 1:
        return next(iter(stacks.values()))
    if stack_name is None and stacks:
        raise StackError(
            f"there are several stacks in {region}: {', '.join(stacks)}",
            "say which one: --stack-name NAME",
        )
    here = f"; there is: {', '.join(stacks)}" if stacks else ""
    what = f"no stack {stack_name}" if stack_name else "no stack"
    elsewhere = [f"{stack.stack_name} in {stack.region}" for stack in _others(ask, account, region)]
    raise StackError(
        f"{what} in {region} of the AWS account {account.id}{here}",
        f"try --region: there is {', '.join(elsewhere)}"
        if elsewhere
        else "another --region, or another AWS profile (AWS_PROFILE)? `mycli init` makes a stack",
    )


def find(ask: Clients, account: Account, region: str) -> list[Found]:
    """Every stack in the region, by name."""
    suffix = "amazonaws.com.cn" if account.partition == "aws-cn" else "amazonaws.com"
    with explained():
        pages = ask("apigateway", region).get_paginator("get_rest_apis").paginate(limit=500)
        apis = [api for page in pages for api in page["items"]]
    found = [
        Found(
            stack_name=stack,
            region=region,
            api_endpoint=f"https://{api['id']}.execute-api.{region}.{suffix}/prod/execute",
        )
        for api in apis
        if (stack := api.get("tags", {}).get(STACK_TAG)) and api["name"] == f"{stack}-api"
    ]
    return sorted(found, key=lambda stack: stack.stack_name)


def _others(ask: Clients, account: Account, region: str) -> Iterator[Found]:
    """Stacks in other regions; those that this user may not look into are passed over."""
    import boto3

    def look(other: str) -> list[Found]:
        with contextlib.suppress(MycliError):
            return find(ask, account, other)
        return []

    session = boto3.Session()
    regions = session.get_available_regions("apigateway", partition_name=account.partition)
    with ThreadPoolExecutor(8) as pool:
        for stacks in pool.map(look, [other for other in regions if other != region]):
            yield from stacks
