"""The REST API: its one resource and method, deployment, stage and throttling."""

from __future__ import annotations

from typing import Any

from mycli.local.resources.kind import (
    Clients,
    Kind,
    Properties,
    by_inputs,
    exists,
    tag_changes,
)

_GONE = "NotFoundException"


def _api(clients: Clients) -> Any:
    return clients("apigateway")


def _retag(clients: Clients, arn: str, old: Properties, new: Properties) -> None:
    added, removed = tag_changes(old, new)
    if added:
        _api(clients).tag_resource(resourceArn=arn, tags=added)
    if removed:
        _api(clients).untag_resource(resourceArn=arn, tagKeys=removed)


def _create_api(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    api = _api(clients)
    types = (inputs.get("endpointConfiguration") or {}).get("types") or "EDGE"
    id = api.create_rest_api(
        name=inputs["name"],
        description=inputs.get("description") or "",
        endpointConfiguration={"types": [types] if isinstance(types, str) else types},
        tags=dict(inputs.get("tags") or {}),
    )["id"]
    root = next(r["id"] for r in api.get_resources(restApiId=id)["items"] if r["path"] == "/")
    region, account_id = api.meta.region_name, clients("sts").get_caller_identity()["Account"]
    return id, {
        "rootResourceId": root,
        "arn": f"arn:aws:apigateway:{region}::/restapis/{id}",
        "executionArn": f"arn:aws:execute-api:{region}:{account_id}:{id}",
    }


def _update_api(clients: Clients, id: str, old: Properties, new: Properties) -> dict[str, Any]:
    _api(clients).update_rest_api(
        restApiId=id,
        patchOperations=[
            {"op": "replace", "path": f"/{name}", "value": new.get(name) or ""}
            for name in ("name", "description")
        ],
    )
    _retag(clients, old["arn"], old, new)
    return {}


def _apis_like(clients: Clients, inputs: Properties) -> list[str]:
    named = {"name": inputs["name"], "tags": dict(inputs.get("tags") or {})}
    apis = _api(clients).get_rest_apis(limit=500)["items"]
    return [api["id"] for api in apis if {"tags": {}, **api}.items() >= named.items()]


REST_API = Kind(
    create=_create_api,
    read=lambda clients, id, _: exists(lambda: _api(clients).get_rest_api(restApiId=id), _GONE),
    update=_update_api,
    delete=lambda clients, id, _: _api(clients).delete_rest_api(restApiId=id),
    replaced_by=frozenset({"endpointConfiguration"}),
    strays=_apis_like,
)


def _create_resource(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    made = _api(clients).create_resource(
        restApiId=inputs["restApi"], parentId=inputs["parentId"], pathPart=inputs["pathPart"]
    )
    return made["id"], {"path": made["path"]}


def _resources_like(clients: Clients, inputs: Properties) -> list[str]:
    found = _api(clients).get_resources(restApiId=inputs["restApi"], limit=500)["items"]
    named = {"parentId": inputs["parentId"], "pathPart": inputs["pathPart"]}
    return [resource["id"] for resource in found if resource.items() >= named.items()]


RESOURCE = Kind(
    create=_create_resource,
    read=lambda clients, id, state: exists(
        lambda: _api(clients).get_resource(restApiId=state["restApi"], resourceId=id), _GONE
    ),
    delete=lambda clients, id, state: _api(clients).delete_resource(
        restApiId=state["restApi"], resourceId=id
    ),
    strays=_resources_like,
)


def _method(state: Properties) -> dict[str, str]:
    return {
        "restApiId": state["restApi"],
        "resourceId": state["resourceId"],
        "httpMethod": state["httpMethod"],
    }


def _put_method(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    _api(clients).put_method(**_method(inputs), authorizationType=inputs["authorization"])
    return "agm-{restApi}-{resourceId}-{httpMethod}".format(**inputs), {}


METHOD = Kind(
    create=_put_method,
    read=lambda clients, _, state: exists(
        lambda: _api(clients).get_method(**_method(state)), _GONE
    ),
    delete=lambda clients, _, state: _api(clients).delete_method(**_method(state)),
    strays=by_inputs,
)


def _put_integration(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    _api(clients).put_integration(
        **_method(inputs),
        type=inputs["type"],
        integrationHttpMethod=inputs["integrationHttpMethod"],
        uri=inputs["uri"],
    )
    return "agi-{restApi}-{resourceId}-{httpMethod}".format(**inputs), {}


INTEGRATION = Kind(
    create=_put_integration,
    read=lambda clients, _, state: exists(
        lambda: _api(clients).get_integration(**_method(state)), _GONE
    ),
    update=lambda clients, _, __, new: _put_integration(clients, new)[1],
    delete=lambda clients, _, state: _api(clients).delete_integration(**_method(state)),
    replaced_by=frozenset({"restApi", "resourceId", "httpMethod"}),
)


def _deploy(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    return _api(clients).create_deployment(restApiId=inputs["restApi"])["id"], {}


DEPLOYMENT = Kind(
    create=_deploy,
    read=lambda clients, id, state: exists(
        lambda: _api(clients).get_deployment(restApiId=state["restApi"], deploymentId=id), _GONE
    ),
    delete=lambda clients, id, state: _api(clients).delete_deployment(
        restApiId=state["restApi"], deploymentId=id
    ),
    new_first=True,  # the stage holds on to the old one until it is moved
)


def _stage(state: Properties) -> dict[str, str]:
    return {"restApiId": state["restApi"], "stageName": state["stageName"]}


def _create_stage(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    api = _api(clients)
    api.create_stage(
        **_stage(inputs), deploymentId=inputs["deployment"], tags=dict(inputs.get("tags") or {})
    )
    origin, name = api.meta.endpoint_url, inputs["stageName"]
    url = f"{origin}/restapis/{inputs['restApi']}/{name}/_user_request_"
    arn = f"arn:aws:apigateway:{api.meta.region_name}::/restapis/{inputs['restApi']}/stages/{name}"
    return f"ags-{inputs['restApi']}-{name}", {"invokeUrl": url, "arn": arn}


def _update_stage(clients: Clients, _: str, old: Properties, new: Properties) -> dict[str, Any]:
    moved = {"op": "replace", "path": "/deploymentId", "value": new["deployment"]}
    _api(clients).update_stage(**_stage(new), patchOperations=[moved])
    _retag(clients, old["arn"], old, new)
    return {}


STAGE = Kind(
    create=_create_stage,
    read=lambda clients, _, state: exists(lambda: _api(clients).get_stage(**_stage(state)), _GONE),
    update=_update_stage,
    delete=lambda clients, _, state: _api(clients).delete_stage(**_stage(state)),
    replaced_by=frozenset({"restApi", "stageName"}),
    strays=by_inputs,
)


def _throttle(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    path, settings = inputs["methodPath"], inputs["settings"]
    wanted = {"rateLimit": "throttlingRateLimit", "burstLimit": "throttlingBurstLimit"}
    _api(clients).update_stage(
        **_stage(inputs),
        patchOperations=[
            {
                "op": "replace",
                "path": f"/{path}/throttling/{setting}",
                "value": f"{settings[name]:g}",
            }
            for setting, name in wanted.items()
        ],
    )
    return f"{inputs['restApi']}-{inputs['stageName']}-{path}", {}


def _is_throttled(clients: Clients, _: str, state: Properties) -> bool:
    return exists(
        lambda: state["methodPath"] in _api(clients).get_stage(**_stage(state))["methodSettings"],
        _GONE,
    )


def _unthrottle(clients: Clients, _: str, state: Properties) -> None:
    removed = {"op": "remove", "path": f"/{state['methodPath']}"}
    exists(lambda: _api(clients).update_stage(**_stage(state), patchOperations=[removed]), _GONE)


METHOD_SETTINGS = Kind(
    create=_throttle,
    read=_is_throttled,
    update=lambda clients, _, __, new: _throttle(clients, new)[1],
    delete=_unthrottle,
    replaced_by=frozenset({"restApi", "stageName", "methodPath"}),
)

KINDS = {
    "aws:apigateway/restApi:RestApi": REST_API,
    "aws:apigateway/resource:Resource": RESOURCE,
    "aws:apigateway/method:Method": METHOD,
    "aws:apigateway/integration:Integration": INTEGRATION,
    "aws:apigateway/deployment:Deployment": DEPLOYMENT,
    "aws:apigateway/stage:Stage": STAGE,
    "aws:apigateway/methodSettings:MethodSettings": METHOD_SETTINGS,
}
