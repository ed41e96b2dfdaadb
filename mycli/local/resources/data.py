"""What is kept: log groups, and the table of executions."""

from __future__ import annotations

from typing import Any

from mycli.local.resources.kind import (
    SOON,
    Clients,
    Kind,
    Properties,
    by_name,
    changed,
    exists,
    tag_changes,
    tag_list,
)


def _create_log_group(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    logs, name = clients("logs"), inputs["name"]
    logs.create_log_group(logGroupName=name, tags=dict(inputs.get("tags") or {}))
    _set_retention(clients, inputs)
    found = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    arn = next(group["arn"] for group in found if group["logGroupName"] == name)
    return name, {"arn": arn.removesuffix(":*")}  # as the provider gives it


def _set_retention(clients: Clients, inputs: Properties) -> None:
    if days := int(inputs.get("retentionInDays") or 0):
        clients("logs").put_retention_policy(logGroupName=inputs["name"], retentionInDays=days)


def _has_log_group(clients: Clients, id: str, _: Properties) -> bool:
    found = clients("logs").describe_log_groups(logGroupNamePrefix=id)["logGroups"]
    return any(group["logGroupName"] == id for group in found)


def _update_log_group(clients: Clients, _: str, old: Properties, new: Properties) -> dict[str, Any]:
    _set_retention(clients, new)
    added, removed = tag_changes(old, new)
    if added:
        clients("logs").tag_resource(resourceArn=old["arn"], tags=added)
    if removed:
        clients("logs").untag_resource(resourceArn=old["arn"], tagKeys=removed)
    return {}


LOG_GROUP = Kind(
    create=_create_log_group,
    read=_has_log_group,
    update=_update_log_group,
    delete=lambda clients, id, _: clients("logs").delete_log_group(logGroupName=id),
    replaced_by=frozenset({"name"}),
    strays=by_name,
)


def _create_table(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    dynamodb, name = clients("dynamodb"), inputs["name"]
    schema = [{"AttributeName": inputs["hashKey"], "KeyType": "HASH"}]
    if inputs.get("rangeKey"):
        schema.append({"AttributeName": inputs["rangeKey"], "KeyType": "RANGE"})
    indexes = [_index(index) for index in inputs.get("globalSecondaryIndexes") or []]
    made = dynamodb.create_table(
        TableName=name,
        BillingMode=inputs["billingMode"],
        KeySchema=schema,
        AttributeDefinitions=_attributes(inputs),
        Tags=tag_list(inputs.get("tags")),
        **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
    )
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig=SOON)
    _set_ttl(clients, inputs)
    return name, {"arn": made["TableDescription"]["TableArn"]}


def _attributes(inputs: Properties) -> list[dict[str, str]]:
    return [
        {"AttributeName": attribute["name"], "AttributeType": attribute["type"]}
        for attribute in inputs["attributes"]
    ]


def _index(index: Properties) -> dict[str, Any]:
    keys = [
        {"AttributeName": key["attributeName"], "KeyType": key["keyType"]}
        for key in index["keySchemas"]
    ]
    projection = {"ProjectionType": index["projectionType"]}
    return {"IndexName": index["name"], "KeySchema": keys, "Projection": projection}


def _set_ttl(clients: Clients, inputs: Properties) -> None:
    if ttl := inputs.get("ttl"):
        clients("dynamodb").update_time_to_live(
            TableName=inputs["name"],
            TimeToLiveSpecification={
                "Enabled": bool(ttl["enabled"]),
                "AttributeName": ttl["attributeName"],
            },
        )


def _update_table(clients: Clients, id: str, old: Properties, new: Properties) -> dict[str, Any]:
    """DynamoDB makes or takes away one index a call."""
    dynamodb = clients("dynamodb")
    was = {index["name"]: index for index in old.get("globalSecondaryIndexes") or []}
    wanted = {index["name"]: index for index in new.get("globalSecondaryIndexes") or []}
    steps: list[dict[str, Any]] = [
        {"Delete": {"IndexName": name}} for name in was if was[name] != wanted.get(name)
    ]
    steps += [{"Create": _index(wanted[n])} for n in wanted if wanted[n] != was.get(n)]
    for step in steps:
        dynamodb.update_table(
            TableName=id,
            AttributeDefinitions=_attributes(new),
            GlobalSecondaryIndexUpdates=[step],
        )
        dynamodb.get_waiter("table_exists").wait(TableName=id, WaiterConfig=SOON)
    if "ttl" in changed(old, new):
        _set_ttl(clients, new)
    added, removed = tag_changes(old, new)
    if added:
        dynamodb.tag_resource(ResourceArn=old["arn"], Tags=tag_list(added))
    if removed:
        dynamodb.untag_resource(ResourceArn=old["arn"], TagKeys=removed)
    return {}


def _delete_table(clients: Clients, id: str, _: Properties) -> None:
    dynamodb = clients("dynamodb")
    dynamodb.delete_table(TableName=id)
    dynamodb.get_waiter("table_not_exists").wait(TableName=id, WaiterConfig=SOON)


TABLE = Kind(
    create=_create_table,
    read=lambda clients, id, _: exists(
        lambda: clients("dynamodb").describe_table(TableName=id), "ResourceNotFoundException"
    ),
    update=_update_table,
    delete=_delete_table,
    replaced_by=frozenset({"name", "hashKey", "rangeKey"}),
    strays=by_name,
)

KINDS = {
    "aws:cloudwatch/logGroup:LogGroup": LOG_GROUP,
    "aws:dynamodb/table:Table": TABLE,
}
