"""The cluster, its capacity providers, and task definitions."""

from __future__ import annotations

import json
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


def _tags(inputs: Properties) -> list[Any]:
    return tag_list(inputs.get("tags"), "key", "value")


def _retag(clients: Clients, _: str, old: Properties, new: Properties) -> dict[str, Any]:
    added, removed = tag_changes(old, new)
    if added:
        tags = tag_list(added, "key", "value")
        clients("ecs").tag_resource(resourceArn=old["arn"], tags=tags)
    if removed:
        clients("ecs").untag_resource(resourceArn=old["arn"], tagKeys=removed)
    return {}


def _create_cluster(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    made = clients("ecs").create_cluster(clusterName=inputs["name"], tags=_tags(inputs))["cluster"]
    return made["clusterArn"], {"arn": made["clusterArn"]}


def _has_cluster(clients: Clients, id: str, _: Properties) -> bool:
    found = clients("ecs").describe_clusters(clusters=[id])["clusters"]
    return any(cluster["status"] == "ACTIVE" for cluster in found)


CLUSTER = Kind(
    create=_create_cluster,
    read=_has_cluster,
    update=_retag,
    delete=lambda clients, id, _: clients("ecs").delete_cluster(cluster=id),
    replaced_by=frozenset({"name"}),
    strays=by_name,
)


def _put_providers(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    strategies = inputs.get("defaultCapacityProviderStrategies") or []
    clients("ecs").put_cluster_capacity_providers(
        cluster=inputs["clusterName"],
        capacityProviders=inputs.get("capacityProviders") or [],
        defaultCapacityProviderStrategy=[
            {
                "capacityProvider": strategy["capacityProvider"],
                "weight": int(strategy.get("weight") or 0),
                "base": int(strategy.get("base") or 0),
            }
            for strategy in strategies
        ],
    )
    return inputs["clusterName"], {}


def _has_providers(clients: Clients, id: str, _: Properties) -> bool:
    found = clients("ecs").describe_clusters(clusters=[id])["clusters"]
    return any(c["status"] == "ACTIVE" and c["capacityProviders"] for c in found)


CAPACITY_PROVIDERS = Kind(
    create=_put_providers,
    read=_has_providers,
    update=lambda clients, _, __, new: _put_providers(clients, new)[1],
    delete=lambda clients, id, _: _put_providers(clients, {"clusterName": id}) and None,
    replaced_by=frozenset({"clusterName"}),
)


# What RegisterTaskDefinition takes as it stands in the program.
_SETTINGS = (
    "family",
    "requiresCompatibilities",
    "networkMode",
    "cpu",
    "memory",
    "executionRoleArn",
    "taskRoleArn",
    "runtimePlatform",
)


def _register(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    given = {name: inputs[name] for name in _SETTINGS if inputs.get(name)}
    containers = json.loads(inputs["containerDefinitions"])
    made = clients("ecs").register_task_definition(
        containerDefinitions=containers, tags=_tags(inputs), **given
    )["taskDefinition"]
    arn = made["taskDefinitionArn"]
    outputs = {"arn": arn, "arnWithoutRevision": arn.rpartition(":")[0]}
    return made["family"], {**outputs, "revision": made["revision"]}


def _is_registered(clients: Clients, _: str, state: Properties) -> bool:
    def active() -> bool:
        found = clients("ecs").describe_task_definition(taskDefinition=state["arn"])
        return found["taskDefinition"]["status"] == "ACTIVE"

    return exists(active, "ClientException")


def _deregister(clients: Clients, id: str, state: Properties) -> None:
    """As AWS's provider: the revision stays, INACTIVE."""
    if _is_registered(clients, id, state):
        clients("ecs").deregister_task_definition(taskDefinition=state["arn"])


TASK_DEFINITION = Kind(
    create=_register,
    read=_is_registered,
    update=_retag,
    delete=_deregister,
    replaced_by=frozenset({*_SETTINGS, "containerDefinitions"}),
    new_first=True,
)

KINDS = {
    "aws:ecs/cluster:Cluster": CLUSTER,
    "aws:ecs/clusterCapacityProviders:ClusterCapacityProviders": CAPACITY_PROVIDERS,
    "aws:ecs/taskDefinition:TaskDefinition": TASK_DEFINITION,
}
