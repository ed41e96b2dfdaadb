"""Resource type -> boto3 calls, for the types that the stack's program uses.

This is what Pulumi's aws provider does, for one program and with the same names: the program runs
unchanged against the account on this machine.
"""

from __future__ import annotations

from typing import Any

from mycli.local.resources import api, data, ec2, ecs, functions, iam, secrets
from mycli.local.resources.kind import Clients, Kind, Properties

SERVICES = [
    "apigateway",
    "dynamodb",
    "ec2",
    "ecs",
    "events",
    "iam",
    "lambda",
    "logs",
    "secretsmanager",
    "ssm",
    "sts",
]

KINDS: dict[str, Kind] = {
    **ec2.KINDS,
    **ecs.KINDS,
    **iam.KINDS,
    **secrets.KINDS,
    **data.KINDS,
    **functions.KINDS,
    **api.KINDS,
}


def invoke(clients: Clients, token: str, arguments: Properties) -> dict[str, Any]:
    """What one of the provider's functions answers. KeyError for one that the program lacks."""
    return {"id": token, **_INVOKES[token](clients, arguments)}


def _region(clients: Clients, _: Properties) -> dict[str, Any]:
    region = clients("sts").meta.region_name
    return {"region": region, "name": region, "description": region, "endpoint": ""}


def _partition(_: Clients, __: Properties) -> dict[str, Any]:
    return {"partition": "aws", "dnsSuffix": "amazonaws.com", "reverseDnsPrefix": "com.amazonaws"}


def _caller(clients: Clients, _: Properties) -> dict[str, Any]:
    found = clients("sts").get_caller_identity()
    return {"accountId": found["Account"], "arn": found["Arn"], "userId": found["UserId"]}


def _zones(clients: Clients, arguments: Properties) -> dict[str, Any]:
    found = clients("ec2").describe_availability_zones()["AvailabilityZones"]
    excluded = arguments.get("excludeZoneIds") or []
    zones = [zone for zone in found if zone["ZoneId"] not in excluded]
    ids = [zone["ZoneId"] for zone in zones]
    return {"names": [zone["ZoneName"] for zone in zones], "zoneIds": ids, "groupNames": []}


_INVOKES = {
    "aws:index/getRegion:getRegion": _region,
    "aws:index/getPartition:getPartition": _partition,
    "aws:index/getCallerIdentity:getCallerIdentity": _caller,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _zones,
}
