"""ECS's actions as AWS answers them, where the emulator takes what AWS refuses.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from mycli.local import emulator
from mycli.local.actions import Action, Refused, Request, answering
from mycli.local.tasks import Tasks
from orchestrator.wire import OVERRIDES_LIMIT, WireError, check_fargate_size

MAX_RUN = 10
MAX_DESCRIBE = 100
MAX_DELETE = 10


def mend(tasks: Tasks) -> None:
    ecs = emulator.service("ecs")
    actions: dict[str, Action] = ecs._ACTION_MAP
    ecs._resolve_td_key = _revision_of(ecs._resolve_td_key)
    ecs._ts_to_epoch = _to_epoch
    run = _run_task(tasks, actions["RunTask"])
    mended: dict[str, Action] = {
        "RegisterTaskDefinition": _register(actions["RegisterTaskDefinition"]),
        "ListTaskDefinitions": _list_definitions,
        "ListTaskDefinitionFamilies": _list_families,
        "DeleteTaskDefinitions": _delete_definitions,
        "DeleteCluster": _delete_cluster(actions["DeleteCluster"]),
        "RunTask": run,
        "StopTask": lambda request: _stop_task(tasks, request),
        "DescribeTasks": _describe_tasks(actions["DescribeTasks"]),
        "ListTasks": _list_tasks(actions["ListTasks"]),
    }
    for name, action in mended.items():
        actions[name] = answering(action)


def _revision_of(resolve: Callable[[str], str]) -> Callable[[str], str]:
    """A family alone means its latest ACTIVE revision; to the emulator, its latest."""

    def resolve_key(reference: str) -> str:
        definitions = emulator.service("ecs")._task_defs
        if reference and not reference.startswith("arn:") and ":" not in reference:
            active = [
                definition["revision"]
                for definition in definitions.values()
                if definition["family"] == reference and definition["status"] == "ACTIVE"
            ]
            return f"{reference}:{max(active, default=0)}"
        return resolve(reference)

    return resolve_key


def _to_epoch(value: Any) -> Any:
    """ISO time to seconds with their fraction; the emulator cuts that off."""
    return datetime.fromisoformat(value).timestamp() if isinstance(value, str) and value else value


def _register(register: Action) -> Action:
    def register_task_definition(request: Request) -> Any:
        if "FARGATE" in request.get("requiresCompatibilities", []):
            _check_size(request.get("cpu"), request.get("memory"), "ClientException")
        if len(request.get("containerDefinitions", [])) > 1:
            reason = "The account on this machine runs one container a task."
            raise Refused(reason, "ClientException")
        return register(request)

    return register_task_definition


def _check_size(cpu: Any, memory: Any, code: str = "InvalidParameterException") -> None:
    try:
        check_fargate_size(int(cpu), int(memory))
    except (TypeError, ValueError, WireError):
        message = "No Fargate configuration exists for given values: "
        raise Refused(f"{message}{cpu} CPU, {memory} memory.", code) from None


def _list_definitions(request: Request) -> Any:
    """familyPrefix is, despite its name, a whole family."""
    ecs = emulator.service("ecs")
    family, status = request.get("familyPrefix"), request.get("status", "ACTIVE")
    found = [
        definition
        for definition in ecs._task_defs.values()
        if definition["status"] == status and family in (None, definition["family"])
    ]
    newest_first = request.get("sort") == "DESC"
    found.sort(key=lambda item: (item["family"], item["revision"]), reverse=newest_first)
    arns = [definition["taskDefinitionArn"] for definition in found]
    return ecs.json_response(_page(request, "taskDefinitionArns", arns))


def _list_families(request: Request) -> Any:
    """A family is INACTIVE if no revision of it is ACTIVE. The emulator does not know ALL."""
    ecs = emulator.service("ecs")
    prefix, status = request.get("familyPrefix", ""), request.get("status", "ALL")
    definitions = [d for d in ecs._task_defs.values() if d["family"].startswith(prefix)]
    active = {d["family"] for d in definitions if d["status"] == "ACTIVE"}
    every = {d["family"] for d in definitions if d["status"] in ("ACTIVE", "INACTIVE")}
    families = {"ACTIVE": active, "INACTIVE": every - active}.get(status, every)
    return ecs.json_response(_page(request, "families", sorted(families)))


def _page(request: Request, name: str, items: list[str]) -> Request:
    first, count = int(request.get("nextToken") or 0), int(request.get("maxResults") or 100)
    page: Request = {name: items[first : first + count]}
    return page if first + count >= len(items) else {**page, "nextToken": str(first + count)}


def _delete_definitions(request: Request) -> Any:
    """Delete INACTIVE revisions, ten a call. They go at once where no task uses them."""
    ecs = emulator.service("ecs")
    references: list[str] = request.get("taskDefinitions", [])
    if not 0 < len(references) <= MAX_DELETE:
        raise Refused(f"Specify 1 to {MAX_DELETE} task definitions.")
    used = {
        task["taskDefinitionArn"] for task in ecs._tasks.values() if task["lastStatus"] != "STOPPED"
    }
    deleted: list[Request] = []
    failures: list[Request] = []
    for reference in references:
        key = ecs._resolve_td_delete_key(reference)
        definition = ecs._task_defs.get(key)
        if definition is None or definition["status"] == "ACTIVE":
            reason = (
                "The specified task definition is still in ACTIVE status. "
                "Please deregister the target and try again."
                if definition
                else "The specified task definition does not exist."
            )
            failures.append({"arn": reference, "reason": reason})
            continue
        definition["status"] = "DELETE_IN_PROGRESS"
        deleted.append(definition)
        if definition["taskDefinitionArn"] not in used:
            ecs._task_defs.pop(key)
            ecs._tags.pop(definition["taskDefinitionArn"], None)
    return ecs.json_response({"taskDefinitions": deleted, "failures": failures})


def _delete_cluster(delete: Action) -> Action:
    def delete_cluster(request: Request) -> Any:
        ecs = emulator.service("ecs")
        name = ecs._resolve_cluster_name(request.get("cluster", "default"))
        if any(
            ecs._cluster_name_from_arn(task["clusterArn"]) == name
            for task in ecs._tasks.values()
            if task["lastStatus"] != "STOPPED"
        ):
            reason = "The Cluster cannot be deleted while Tasks are active."
            raise Refused(reason, "ClusterContainsTasksException")
        return delete(request)

    return delete_cluster


def _run_task(tasks: Tasks, run: Action) -> Action:
    one_at_a_time = threading.Lock()

    def run_task(request: Request) -> Any:
        ecs = emulator.service("ecs")
        _check_run(request)
        asked = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        token = request.get("clientToken")
        with one_at_a_time:
            tasks.forget_the_old()
            known = [t for t in ecs._tasks.values() if token and t.get("_client_token") == token]
            if known:
                if any(task["_asked"] != asked for task in known):
                    reason = "The clientToken is in use with a different RunTask request."
                    raise Refused(reason, "ConflictException")
                found = [ecs._sanitize(task) for task in known]
                return ecs.json_response({"tasks": found, "failures": []})
            if not tasks.can_keep():  # it would run, and the answer would be that nobody knows
                raise Refused("The disk is full.", "ClientException")
            status, headers, body = run(request)
            if status != 200:
                return status, headers, body
            for answered in json.loads(body)["tasks"]:
                task = ecs._tasks[answered["taskArn"]]
                with ecs.resource_lock("ecs-task", task["taskArn"]):
                    task |= _overridden(request) | {"_client_token": token, "_asked": asked}
                    tasks.remember(task)
            return status, headers, body

    return run_task


def _check_run(request: Request) -> None:
    ecs = emulator.service("ecs")
    if not 1 <= request.get("count", 1) <= MAX_RUN:
        raise Refused(f"count must be 1 to {MAX_RUN}.")
    if ecs._resolve_cluster_name(request.get("cluster", "default")) not in ecs._clusters:
        raise Refused("Cluster not found.", "ClusterNotFoundException")
    definition = ecs._task_defs.get(ecs._resolve_td_key(request.get("taskDefinition", "")))
    if definition is None:
        raise Refused("Unable to find task definition.", "ClientException")
    if definition["status"] != "ACTIVE":
        raise Refused("TaskDefinition is inactive", "ClientException")
    overrides = request.get("overrides") or {}
    size = len(json.dumps(overrides, separators=(",", ":"), ensure_ascii=False))
    if size > OVERRIDES_LIMIT:
        reason = f"Container Overrides length must be at most {OVERRIDES_LIMIT}"
        raise Refused(f"{reason}, and is {size}.")
    names = {container["name"] for container in definition["containerDefinitions"]}
    for override in overrides.get("containerOverrides", []):
        if override.get("name") not in names:
            name = override.get("name")
            raise Refused(
                f"Override for container named {name} is not a container in the definition."
            )
    if "FARGATE" in definition.get("requiresCompatibilities", []):
        cpu = overrides.get("cpu") or definition.get("cpu")
        _check_size(cpu, overrides.get("memory") or definition.get("memory"))


def _overridden(request: Request) -> Request:
    overrides = request.get("overrides") or {}
    return {name: overrides[name] for name in ("cpu", "memory") if overrides.get(name)}


def _stop_task(tasks: Tasks, request: Request) -> Any:
    ecs = emulator.service("ecs")
    cluster = ecs._resolve_cluster_name(request.get("cluster", "default"))
    task = ecs._resolve_task(request.get("task", ""), cluster)
    if task is None:
        raise Refused("The referenced task was not found.")
    tasks.stop(task, request.get("reason") or "Task stopped by user")
    return ecs.json_response({"task": ecs._sanitize(task)})


def _describe_tasks(describe: Action) -> Action:
    def describe_tasks(request: Request) -> Any:
        if not 0 < len(request.get("tasks", [])) <= MAX_DESCRIBE:
            raise Refused(f"Specify 1 to {MAX_DESCRIBE} tasks.")
        return describe(request)

    return describe_tasks


def _list_tasks(list_tasks: Action) -> Action:
    def list_tasks_by_one_filter(request: Request) -> Any:
        if request.get("startedBy") and {"family", "serviceName", "desiredStatus"} & set(request):
            raise Refused("startedBy must be the only filter.")
        return list_tasks(request)

    return list_tasks_by_one_filter
