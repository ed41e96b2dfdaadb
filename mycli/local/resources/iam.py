"""Roles, their policies, and secret parameters."""

from __future__ import annotations

from typing import Any

from mycli.local.resources.kind import (
    Clients,
    Kind,
    Properties,
    by_inputs,
    by_name,
    changed,
    exists,
    tag_changes,
    tag_list,
)


def _create_role(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    made = clients("iam").create_role(
        RoleName=inputs["name"],
        AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
        Tags=tag_list(inputs.get("tags")),
    )["Role"]
    return made["RoleName"], {"arn": made["Arn"], "uniqueId": made["RoleId"]}


def _update_role(clients: Clients, id: str, old: Properties, new: Properties) -> dict[str, Any]:
    iam = clients("iam")
    if "assumeRolePolicy" in changed(old, new):
        iam.update_assume_role_policy(RoleName=id, PolicyDocument=new["assumeRolePolicy"])
    added, removed = tag_changes(old, new)
    if added:
        iam.tag_role(RoleName=id, Tags=tag_list(added))
    if removed:
        iam.untag_role(RoleName=id, TagKeys=removed)
    return {}


ROLE = Kind(
    create=_create_role,
    read=lambda clients, id, _: exists(
        lambda: clients("iam").get_role(RoleName=id), "NoSuchEntity"
    ),
    update=_update_role,
    delete=lambda clients, id, _: clients("iam").delete_role(RoleName=id),
    replaced_by=frozenset({"name"}),
    strays=by_name,
)


def _named(state: Properties) -> dict[str, str]:
    return {"RoleName": state["role"], "PolicyName": state["name"]}


def _put_policy(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    clients("iam").put_role_policy(**_named(inputs), PolicyDocument=inputs["policy"])
    return f"{inputs['role']}:{inputs['name']}", {}


ROLE_POLICY = Kind(
    create=_put_policy,
    read=lambda clients, _, state: exists(
        lambda: clients("iam").get_role_policy(**_named(state)), "NoSuchEntity"
    ),
    update=lambda clients, _, __, new: _put_policy(clients, new)[1],
    delete=lambda clients, _, state: clients("iam").delete_role_policy(**_named(state)),
    replaced_by=frozenset({"name", "role"}),
    strays=by_inputs,
)


def _create_parameter(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    ssm = clients("ssm")
    ssm.put_parameter(
        Name=inputs["name"],
        Type=inputs["type"],
        Value=inputs["value"],
        Tags=tag_list(inputs.get("tags")),
    )
    return inputs["name"], {"arn": ssm.get_parameter(Name=inputs["name"])["Parameter"]["ARN"]}


def _update_parameter(
    clients: Clients, id: str, old: Properties, new: Properties
) -> dict[str, Any]:
    ssm = clients("ssm")
    ssm.put_parameter(Name=id, Type=new["type"], Value=new["value"], Overwrite=True)
    added, removed = tag_changes(old, new)
    of = {"ResourceType": "Parameter", "ResourceId": id}
    if added:
        ssm.add_tags_to_resource(**of, Tags=tag_list(added))
    if removed:
        ssm.remove_tags_from_resource(**of, TagKeys=removed)
    return {}


PARAMETER = Kind(
    create=_create_parameter,
    read=lambda clients, id, _: exists(
        lambda: clients("ssm").get_parameter(Name=id), "ParameterNotFound"
    ),
    update=_update_parameter,
    delete=lambda clients, id, _: clients("ssm").delete_parameter(Name=id),
    replaced_by=frozenset({"name"}),
    strays=by_name,
)

KINDS = {
    "aws:iam/role:Role": ROLE,
    "aws:iam/rolePolicy:RolePolicy": ROLE_POLICY,
    "aws:ssm/parameter:Parameter": PARAMETER,
}
