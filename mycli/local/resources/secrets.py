"""Secrets, and what is in them."""

from __future__ import annotations

from typing import Any

from mycli.local.resources.kind import (
    Clients,
    Kind,
    Properties,
    by_name,
    exists,
    tag_changes,
    tag_list,
)

_GONE = ("ResourceNotFoundException", "InvalidRequestException")  # the second: it goes soon


def _create_secret(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    made = clients("secretsmanager").create_secret(
        Name=inputs["name"],
        Description=inputs.get("description") or "",
        Tags=tag_list(inputs.get("tags")),
    )
    return made["ARN"], {"arn": made["ARN"]}


def _has_secret(clients: Clients, id: str, _: Properties) -> bool:
    def kept() -> bool:
        return "DeletedDate" not in clients("secretsmanager").describe_secret(SecretId=id)

    return exists(kept, *_GONE)


def _update_secret(clients: Clients, id: str, old: Properties, new: Properties) -> dict[str, Any]:
    secrets = clients("secretsmanager")
    if old.get("description") != new.get("description"):
        secrets.update_secret(SecretId=id, Description=new.get("description") or "")
    added, removed = tag_changes(old, new)
    if added:
        secrets.tag_resource(SecretId=id, Tags=tag_list(added))
    if removed:
        secrets.untag_resource(SecretId=id, TagKeys=removed)
    return {}


def _delete_secret(clients: Clients, id: str, state: Properties) -> None:
    days = int(state.get("recoveryWindowInDays") or 0)
    window = {"RecoveryWindowInDays": days} if days else {"ForceDeleteWithoutRecovery": True}
    clients("secretsmanager").delete_secret(SecretId=id, **window)


SECRET = Kind(
    create=_create_secret,
    read=_has_secret,
    update=_update_secret,
    delete=_delete_secret,
    replaced_by=frozenset({"name"}),
    strays=by_name,
)


def _put_value(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    secret = inputs["secretId"]
    made = clients("secretsmanager").put_secret_value(
        SecretId=secret, SecretString=inputs["secretString"]
    )
    outputs = {"arn": made["ARN"], "versionId": made["VersionId"]}
    return f"{secret}|{made['VersionId']}", outputs


def _has_version(clients: Clients, _: str, state: Properties) -> bool:
    version = {"SecretId": state["secretId"], "VersionId": state["versionId"]}
    return exists(lambda: clients("secretsmanager").get_secret_value(**version), *_GONE)


def _keep(_clients: Clients, _id: str, _state: Properties) -> None:
    """A version goes with its secret: the one in use can be replaced, not taken away."""


VERSION = Kind(create=_put_value, read=_has_version, delete=_keep, new_first=True)

KINDS = {
    "aws:secretsmanager/secret:Secret": SECRET,
    "aws:secretsmanager/secretVersion:SecretVersion": VERSION,
}
