"""The tagging API of this account, by which destroy looks for what was left behind.

The emulator's does not know networks, log groups, parameters, secrets and APIs, as AWS's does; nor
roles, which AWS's does not know either, but which must not be overlooked here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mycli.local import emulator

_Tagged = Iterator[tuple[str, list[dict[str, str]]]]


def mend() -> None:
    tagging = emulator.service("tagging")
    tagging._COLLECTORS |= {
        "apigateway": _apis,
        "ec2": _networks,
        "iam": tagging._collect_iam,
        "logs": _log_groups,
        "secretsmanager": tagging._collect_secretsmanager,
        "ssm": tagging._collect_ssm,
    }


def _networks() -> _Tagged:
    ec2, responses = emulator.service("ec2"), emulator.module("core.responses")
    prefix = f"arn:aws:ec2:{responses.get_region()}:{responses.get_account_id()}:"
    kinds: dict[str, Any] = {
        "internet-gateway": ec2._internet_gateways,
        "route-table": ec2._route_tables,
        "security-group": ec2._security_groups,
        "subnet": ec2._subnets,
        "vpc": ec2._vpcs,
    }
    for kind, there in kinds.items():
        for id in there:  # and not what ec2 has tags of: it keeps those of what is gone
            yield f"{prefix}{kind}/{id}", ec2._tags.get(id, [])


def _log_groups() -> _Tagged:
    for group in emulator.service("cloudwatch_logs")._log_groups.values():
        yield group["arn"].removesuffix(":*"), _listed(group["tags"])


def _apis() -> _Tagged:
    for arn, tags in emulator.service("apigateway_v1")._v1_tags.items():
        yield arn, _listed(tags)


def _listed(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": name, "Value": text} for name, text in tags.items()]
