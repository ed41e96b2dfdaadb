"""The function, who may invoke it, and the events that do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mycli.local.resources.kind import (
    SOON,
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

# What UpdateFunctionConfiguration takes, by the provider's name and by the API's.
_CONFIGURATION = {
    "role": "Role",
    "runtime": "Runtime",
    "handler": "Handler",
    "memorySize": "MemorySize",
    "timeout": "Timeout",
    "environment": "Environment",
}


def _configuration(inputs: Properties) -> dict[str, Any]:
    given = {api: inputs[name] for name, api in _CONFIGURATION.items() if inputs.get(name)}
    for name in ("MemorySize", "Timeout"):
        given[name] = int(given[name])
    given["Environment"] = {"Variables": dict(given.get("Environment", {}).get("variables", {}))}
    return given


def _code(inputs: Properties) -> bytes:
    return Path(inputs["code"]["path"]).read_bytes()


def _create_function(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    functions, name = clients("lambda"), inputs["name"]
    made = functions.create_function(
        FunctionName=name,
        Code={"ZipFile": _code(inputs)},
        Architectures=inputs.get("architectures") or ["x86_64"],
        Tags=dict(inputs.get("tags") or {}),
        **_configuration(inputs),
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=SOON)
    return name, {"arn": made["FunctionArn"], "invokeArn": _invoke_arn(made["FunctionArn"])}


def _invoke_arn(arn: str) -> str:
    region = arn.split(":")[3]
    return f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{arn}/invocations"


def _update_function(clients: Clients, id: str, old: Properties, new: Properties) -> dict[str, Any]:
    functions, differs = clients("lambda"), changed(old, new)
    if differs & {"code", "architectures"}:
        functions.update_function_code(
            FunctionName=id, ZipFile=_code(new), Architectures=new.get("architectures")
        )
        _wait_for_update(functions, id)
    if differs & set(_CONFIGURATION):
        functions.update_function_configuration(FunctionName=id, **_configuration(new))
        _wait_for_update(functions, id)
    added, removed = tag_changes(old, new)
    if added:
        functions.tag_resource(Resource=old["arn"], Tags=added)
    if removed:
        functions.untag_resource(Resource=old["arn"], TagKeys=removed)
    return {}


def _wait_for_update(functions: Any, id: str) -> None:
    waiter = functions.get_waiter("function_updated_v2")
    waiter.wait(FunctionName=id, WaiterConfig=SOON)


FUNCTION = Kind(
    create=_create_function,
    read=lambda clients, id, _: exists(
        lambda: clients("lambda").get_function(FunctionName=id), "ResourceNotFoundException"
    ),
    update=_update_function,
    delete=lambda clients, id, _: clients("lambda").delete_function(FunctionName=id),
    replaced_by=frozenset({"name"}),
    strays=by_name,
)


def _permit(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    clients("lambda").add_permission(
        FunctionName=inputs["function"],
        StatementId=inputs["statementId"],
        Action=inputs["action"],
        Principal=inputs["principal"],
        SourceArn=inputs["sourceArn"],
    )
    return inputs["statementId"], {}


def _is_permitted(clients: Clients, id: str, state: Properties) -> bool:
    def statements() -> bool:
        policy = clients("lambda").get_policy(FunctionName=state["function"])["Policy"]
        return any(statement["Sid"] == id for statement in json.loads(policy)["Statement"])

    return exists(statements, "ResourceNotFoundException")


PERMISSION = Kind(
    create=_permit,
    read=_is_permitted,
    delete=lambda clients, id, state: clients("lambda").remove_permission(
        FunctionName=state["function"], StatementId=id
    ),
    strays=lambda _, inputs: [inputs["statementId"]],
)


def _put_rule(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    made = clients("events").put_rule(
        Name=inputs["name"],
        Description=inputs.get("description") or "",
        EventPattern=inputs["eventPattern"],
        State="ENABLED",
    )
    return inputs["name"], {"arn": made["RuleArn"]}


def _create_rule(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    id, outputs = _put_rule(clients, inputs)
    if tags := tag_list(inputs.get("tags")):
        clients("events").tag_resource(ResourceARN=outputs["arn"], Tags=tags)
    return id, outputs


def _update_rule(clients: Clients, _: str, old: Properties, new: Properties) -> dict[str, Any]:
    _put_rule(clients, new)
    added, removed = tag_changes(old, new)
    if added:
        clients("events").tag_resource(ResourceARN=old["arn"], Tags=tag_list(added))
    if removed:
        clients("events").untag_resource(ResourceARN=old["arn"], TagKeys=removed)
    return {}


RULE = Kind(
    create=_create_rule,
    read=lambda clients, id, _: exists(
        lambda: clients("events").describe_rule(Name=id), "ResourceNotFoundException"
    ),
    update=_update_rule,
    delete=lambda clients, id, _: clients("events").delete_rule(Name=id),
    replaced_by=frozenset({"name"}),
    strays=by_name,
)


def _put_target(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    target = {"Id": inputs["targetId"], "Arn": inputs["arn"]}
    clients("events").put_targets(Rule=inputs["rule"], Targets=[target])
    return f"{inputs['rule']}-{inputs['targetId']}", {}


def _has_target(clients: Clients, _: str, state: Properties) -> bool:
    def targets() -> bool:
        found = clients("events").list_targets_by_rule(Rule=state["rule"])["Targets"]
        return any(target["Id"] == state["targetId"] for target in found)

    return exists(targets, "ResourceNotFoundException")


TARGET = Kind(
    create=_put_target,
    read=_has_target,
    update=lambda clients, _, __, new: _put_target(clients, new)[1],
    delete=lambda clients, _, state: clients("events").remove_targets(
        Rule=state["rule"], Ids=[state["targetId"]]
    ),
    replaced_by=frozenset({"rule", "targetId"}),
    strays=by_inputs,
)

KINDS = {
    "aws:lambda/function:Function": FUNCTION,
    "aws:lambda/permission:Permission": PERMISSION,
    "aws:cloudwatch/eventRule:EventRule": RULE,
    "aws:cloudwatch/eventTarget:EventTarget": TARGET,
}
