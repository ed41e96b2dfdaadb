"""What a resource type is: the four things that can be done to it, and what makes a new one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Clients = Callable[[str], Any]
"""A service's name -> its boto3 client."""

Properties = Mapping[str, Any]
"""Inputs, or inputs and outputs together (a state), by the provider's camelCase names."""


SOON = {"Delay": 0.05, "MaxAttempts": 1200}
"""For boto3's waiters: they ask a daemon on this machine, and wait for a minute at most."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A resource type of Pulumi's aws provider, as calls of boto3.

    create(clients, inputs) -> (id, outputs). read(clients, id, state) -> whether it is still there.
    update(clients, id, old state, new inputs) -> outputs; it never sees a change of `replaced_by`.
    delete(clients, id, state) -> nothing, also where it is gone already. new_first: a replacement
    is made before the old one goes, which must wait until nothing uses it any more.
    strays(clients, inputs) -> the ids of what a create of these inputs may have made, if it was cut
    short before anybody noted the id. (Not of what goes with another one.)
    """

    create: Callable[[Clients, Properties], tuple[str, dict[str, Any]]]
    read: Callable[[Clients, str, Properties], bool]
    delete: Callable[[Clients, str, Properties], None]
    update: Callable[[Clients, str, Properties, Properties], dict[str, Any]] | None = None
    replaced_by: frozenset[str] = frozenset()
    new_first: bool = False
    strays: Callable[[Clients, Properties], list[str]] = lambda _clients, _inputs: []

    def must_replace(self, changed: frozenset[str]) -> bool:
        """Whether inputs of these names cannot change in place."""
        return self.update is None or bool(changed & self.replaced_by)


def changed(old: Properties, new: Properties) -> frozenset[str]:
    """The names of the inputs that differ."""
    return frozenset(name for name in {*old, *new} if old.get(name) != new.get(name))


def exists(call: Callable[[], Any], *gone: str) -> bool:
    """Whether the call finds its resource: False for an error with one of these codes."""
    from botocore.exceptions import ClientError

    try:
        return bool(call())
    except ClientError as error:
        if error.response["Error"]["Code"] in gone:
            return False
        raise


def by_name(_: Clients, inputs: Properties) -> list[str]:
    """The strays of a resource whose name is its id."""
    return [inputs["name"]]


def by_inputs(_clients: Clients, _inputs: Properties) -> list[str]:
    """The strays of a resource that its inputs name in full: its id is not asked for."""
    return ["stray"]


def tag_list(tags: Mapping[str, str] | None, key: str = "Key", value: str = "Value") -> list[Any]:
    return [{key: name, value: text} for name, text in (tags or {}).items()]


def tag_changes(old: Properties, new: Properties) -> tuple[dict[str, str], list[str]]:
    """The tags to set, and the names of those to take away."""
    was, wanted = old.get("tags") or {}, new.get("tags") or {}
    return (
        {name: text for name, text in wanted.items() if was.get(name) != text},
        [name for name in was if name not in wanted],
    )
