"""Destroy a stack in the account on this machine, in the order that leaves nothing behind."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mycli import config
from mycli.errors import LocalAccountError, StackError
from mycli.local import account
from mycli.local.clients import clients_of
from mycli.local.deletion import delete_all
from mycli.local.ledger import Ledger
from mycli.local.place import Account, load, place
from mycli.local.resources import Clients
from mycli.stack import task_definitions
from mycli.stack.names import STACK_TAG

STOPPING_SECONDS = 60.0  # a task has 30 s from TERM to KILL
_STOPPED_BY = "The stack is being destroyed"

OnEvent = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Gone:
    """What destroy did. leftovers: what still carries the stack's tag or name, to be looked at."""

    resources: int
    tasks: int
    definitions: task_definitions.Counts
    profiles: list[str]
    account_removed: bool
    leftovers: list[str] = field(default_factory=list[str])


def find(stack_name: str) -> Ledger:
    """The stack's ledger. Raises StackError where this account has no such stack."""
    at = place()
    names = account.stack_names(at)
    if stack_name not in names:
        there = f"there is: {', '.join(names)}" if names else "it has none"
        raise StackError(f"the account on this machine has no stack {stack_name}", there)
    return Ledger.read(_path(stack_name))


def is_last(stack_name: str) -> bool:
    """Whether the account goes with this stack."""
    return account.stack_names(place()) == [stack_name]


def _path(stack_name: str) -> Path:
    return place().stacks / f"{stack_name}.json"


def destroy(stack_name: str, keep_config: bool, on_event: OnEvent) -> Gone:
    """Destroy the stack. Interrupted, it is finished by running it again."""
    with find(stack_name).mine():
        ledger = find(stack_name)
        here = load()
        # What cannot be read is told now, and not when all is gone.
        profiles = [] if keep_config else _profiles(here, stack_name)
        account.start(here)
        clients = clients_of(here)
        _refuse_new_executions(clients, ledger)
        stopped = _stop_tasks(clients, ledger, on_event)
        pruned = task_definitions.prune(clients("ecs"), stack_name, on_event)
        resources = len(ledger.resources)
        delete_all(
            clients,
            ledger,
            list(ledger.resources),
            lambda resource: on_event(f"Deleting {resource.title}"),
        )
        # What deleting the template left of it: the provider only deregisters.
        pruned += task_definitions.prune(clients("ecs"), stack_name, on_event)
        leftovers = find_leftovers(clients, stack_name)
        for name in profiles:
            config.remove_profile(name)
        ledger.path.unlink()
    account_removed = account.remove_if_empty()
    with contextlib.suppress(OSError):
        config.home().rmdir()  # goes when nothing is in it any more
    return Gone(
        resources=resources,
        tasks=stopped,
        definitions=pruned,
        profiles=profiles,
        account_removed=account_removed,
        leftovers=leftovers,
    )


def _refuse_new_executions(clients: Clients, ledger: Ledger) -> None:
    """Write the item that an exec checks in the transaction which would start it."""
    if table := ledger.find("aws:dynamodb/table:Table", "executions"):
        closing = {"execution_id": {"S": "closing"}}
        clients("dynamodb").put_item(TableName=table.id, Item=closing)


def _stop_tasks(clients: Clients, ledger: Ledger, on_event: OnEvent) -> int:
    """Stop what runs in the stack's cluster, and wait until it has; how many tasks that were."""
    cluster = ledger.find("aws:ecs/cluster:Cluster", "cluster")
    if cluster is None:
        return 0
    ecs = clients("ecs")
    stopped: set[str] = set()
    deadline = time.monotonic() + STOPPING_SECONDS
    while live := _live(ecs, cluster.id):
        for task in live:
            arn = task["taskArn"]
            if task["desiredStatus"] != "STOPPED":
                on_event(f"Stopping {arn}")
                ecs.stop_task(cluster=cluster.id, task=arn, reason=_STOPPED_BY)
            stopped.add(arn)
        if time.monotonic() > deadline:
            raise LocalAccountError("tasks of the stack do not stop", "try again in a minute")
        time.sleep(0.05)
    return len(stopped)


def _live(ecs: Any, cluster: str) -> list[dict[str, Any]]:
    """Tasks that have not ended: ListTasks names those that are to stop only if asked for them."""
    arns = [
        arn
        for status in ("RUNNING", "STOPPED")
        for page in ecs.get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus=status)
        for arn in page["taskArns"]
    ]
    return [
        task
        for first in range(0, len(arns), 100)
        for task in ecs.describe_tasks(cluster=cluster, tasks=arns[first : first + 100])["tasks"]
        if task["lastStatus"] != "STOPPED"
    ]


def find_leftovers(clients: Clients, stack_name: str) -> list[str]:
    """ARNs of what still carries the stack's tag, and of log groups named after it.

    Not those of stopped tasks: ECS shows them for an hour, and nobody can delete them.
    """
    tagged = clients("resourcegroupstaggingapi").get_resources(
        TagFilters=[{"Key": STACK_TAG, "Values": [stack_name]}]
    )["ResourceTagMappingList"]
    logs = clients("logs")
    named = [
        group["arn"]
        for prefix in (f"/aws/mycli/{stack_name}", f"/aws/lambda/{stack_name}-orchestrator")
        for group in logs.describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]
        if group["logGroupName"] == prefix
    ]
    arns = {resource["ResourceARN"] for resource in tagged} | set(named)
    return sorted(arn for arn in arns if ":task/" not in arn)


def _profiles(here: Account, stack_name: str) -> list[str]:
    """The names of the profiles that lead to this stack."""
    return [
        name
        for name, profile in config.load_profiles().items()
        if profile.daemon_secret == here.daemon_secret and profile.stack_name == stack_name
    ]
