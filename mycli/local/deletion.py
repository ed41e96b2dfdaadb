"""Take resources of a ledger out of the account."""

from __future__ import annotations

from collections.abc import Callable

from mycli.errors import LocalAccountError
from mycli.local.ledger import Ledger, Resource
from mycli.local.resources import KINDS, Clients


def delete(clients: Clients, ledger: Ledger, resource: Resource) -> None:
    """Delete one; one that is gone already is only crossed out. Raises LocalAccountError."""
    noted = {other.id for other in ledger.resources}
    if resource.made:
        _delete(clients, resource, resource.id)
    else:
        for id in set(KINDS[resource.type].strays(clients, resource.inputs)) - noted:
            _delete(clients, resource, id)
    ledger.remove(resource)


def _delete(clients: Clients, resource: Resource, id: str) -> None:
    from botocore.exceptions import ClientError

    kind = KINDS[resource.type]
    try:
        kind.delete(clients, id, resource.state)
    except ClientError as error:
        if kind.read(clients, id, resource.state):
            reason = f"{resource.title} cannot be deleted: {error}"
            raise LocalAccountError(reason, "run the same command again to go on") from None


def delete_all(
    clients: Clients,
    ledger: Ledger,
    resources: list[Resource],
    on_delete: Callable[[Resource], None],
) -> None:
    """Delete these, the last first: what came later may stand on what came before.

    A replacement stands where the old one stood in that order, so what is still in use is tried
    again once the others are gone.
    """
    left = list(reversed(resources))
    while left:
        stuck: list[Resource] = []
        reason: LocalAccountError | None = None
        for resource in left:
            on_delete(resource)
            try:
                delete(clients, ledger, resource)
            except LocalAccountError as error:
                stuck, reason = [*stuck, resource], reason or error
        if reason and len(stuck) == len(left):
            raise reason
        left = stuck
