"""Destroy a stack in the account on this machine, in the order that leaves nothing behind."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mycli import config
from mycli.errors import LocalAccountError, StackError
from mycli.local import account, stacks
from mycli.local.clients import clients_of, errors_told
from mycli.local.deletion import delete_all
from mycli.local.ledger import Ledger, Resource
from mycli.local.place import Account, load, place
from mycli.local.resources import KINDS, Clients
from mycli.stack import executions, repositories, task_definitions
from mycli.stack.leftovers import find_leftovers

OnEvent = Callable[[str], None]
_TABLE = "aws:dynamodb/table:Table"
_FUNCTION = "aws:lambda/function:Function"
_CLUSTER = "aws:ecs/cluster:Cluster"


@dataclass(frozen=True, kw_only=True)
class Gone:
    """What destroy did. leftovers: what still carries the stack's tag or name, to be looked at."""

    resources: int
    tasks: int
    definitions: task_definitions.Counts
    profiles: list[str]
    account_removed: bool
    repositories: int = 0
    leftovers: list[str] = field(default_factory=list[str])


def find(stack_name: str) -> Ledger:
    """The stack's ledger. Raises StackError where this account has no such stack."""
    at = place()
    names = account.stack_names(at)
    if stack_name not in names:
        account.sweep()
        there = f"there is: {', '.join(names)}" if names else "`mycli init --local` makes one"
        raise StackError(f"the account on this machine has no stack {stack_name}", there)
    return Ledger.read(_path(stack_name))


def is_last(stack_name: str) -> bool:
    """Whether the account goes with this stack."""
    return account.stack_names(place()) == [stack_name]


def _path(stack_name: str) -> Path:
    return place().stacks / f"{stack_name}.json"


@errors_told()
def destroy(stack_name: str, keep_config: bool, on_event: OnEvent) -> Gone:
    """Destroy the stack. Interrupted, it is finished by running it again."""
    with find(stack_name).mine():
        ledger = find(stack_name)
        here = load()
        # What cannot be read is told now, and not when all is gone.
        profiles = [] if keep_config else _profiles(here, stack_name)
        with contextlib.suppress(FileNotFoundError):
            stacks.function_zip(place()).unlink()  # room to work in, on a full disk
        account.start(here)
        clients = clients_of(here)
        stopped = _stop_executions(clients, ledger, on_event)
        pruned = task_definitions.prune(clients("ecs"), stack_name, on_event)
        resources = len(ledger.resources)

        def on_delete(resource: Resource) -> None:
            on_event(f"Deleting {resource.title}")

        functions = [resource for resource in ledger.resources if resource.type == _FUNCTION]
        delete_all(clients, ledger, functions, on_delete)
        # An exec that was let in before, and started its task only now. No other one can come.
        stopped += _stop_executions(clients, ledger, on_event)
        delete_all(clients, ledger, list(ledger.resources), on_delete)
        # What deleting the template left of it: the provider only deregisters.
        pruned += task_definitions.prune(clients("ecs"), stack_name, on_event)
        removed = repositories.remove(clients("ecr"), stack_name, on_event)
        leftovers = find_leftovers(clients, stack_name)
        for name in profiles:
            config.remove_profile(name)
        account_removed = account.remove_stack(stack_name)
    _remove_empty_home()
    return Gone(
        resources=resources,
        tasks=stopped,
        definitions=pruned,
        profiles=profiles,
        account_removed=account_removed,
        repositories=removed,
        leftovers=leftovers,
    )


def reset() -> list[str]:
    """Give up the account, whatever state it is in; the names of the profiles that went with it.

    Raises LocalAccountError where there is none.
    """
    at = place()
    profiles = [name for name, profile in config.load_profiles().items() if profile.is_local]
    if not profiles and not at.folder.exists():
        raise LocalAccountError("there is no account on this machine")
    account.remove()
    for name in profiles:
        config.remove_profile(name)
    _remove_empty_home()
    return profiles


def _remove_empty_home() -> None:
    with contextlib.suppress(OSError):
        config.home().rmdir()


def _stop_executions(clients: Clients, ledger: Ledger, on_event: OnEvent) -> int:
    """Refuse new executions and stop those that run, as far as the stack stands; how many."""
    standing = {
        resource.type: resource.id
        for resource in ledger.resources
        if resource.type in (_TABLE, _CLUSTER)
        and resource.made
        and KINDS[resource.type].read(clients, resource.id, resource.state)
    }
    if _TABLE in standing:
        executions.refuse_new(clients("dynamodb"), standing[_TABLE])
    if _CLUSTER not in standing:
        return 0
    return executions.stop_all(clients("ecs"), standing[_CLUSTER], on_event)


def _profiles(here: Account, stack_name: str) -> list[str]:
    """The names of the profiles that lead to this stack."""
    return [
        name
        for name, profile in config.load_profiles().items()
        if profile.daemon_secret == here.daemon_secret and profile.stack_name == stack_name
    ]
