"""Go on after a run that was killed: its lock, and what it had begun."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from mycli.errors import StackLocked
from mycli.stack import state
from mycli.stack.deployment import Deployment, Snapshot
from mycli.stack.progress import Progress
from mycli.stack.results import OnEvent
from mycli.stack.taking_back import Clients, take_back

_Done = TypeVar("_Done")


def settle(
    there: Deployment, known: Snapshot, clients: Clients, stack_name: str, on_event: OnEvent
) -> None:
    """Put in order what an engine that was killed has left half-done."""
    if not known.unsettled:
        return
    on_event("An earlier run was killed: looking at what it had begun")

    def act() -> None:
        ids = set(known.resources.values())
        for kind, inputs in known.begun:
            if take_back(clients, kind, dict(inputs), stack_name, ids):
                on_event(f"Taken back: {kind.rpartition(':')[2]} that was just being made")
        there.refresh(Progress(on_event), clear_pending_creates=True)

    alone(there, act, on_event)


def alone(there: Deployment, act: Callable[[], _Done], on_event: OnEvent) -> _Done:
    """Do it; a lock that a dead process of this machine has left is cleared first."""
    try:
        return act()
    except StackLocked as locked:
        if not state.is_dead(locked.lock):
            raise
        on_event(f"Clearing the lock of a process that is no more: {locked.lock.owner}")
        there.cancel()
        return act()
