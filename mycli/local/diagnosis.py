"""What `mycli doctor` looks at of a stack on this machine."""

from __future__ import annotations

from mycli.local import account
from mycli.local.containers import find_engine
from mycli.local.place import load
from mycli.stack.diagnosis import Client, Finding, fail, ok


def daemon() -> Finding:
    """Whether the account on this machine runs. Raises LocalAccountError where there is none."""
    here = load()
    found = account.status()
    if not found["running"]:
        return fail("account", "the account on this machine is stopped", "`mycli local start`")
    if not account.proves(here):
        hint = "`mycli local stop`, `mycli local start`"
        return fail("account", f"something else answers at {here.origin}", hint)
    return ok("account", f"runs at {here.origin} (process {found['pid']})")


def runtime() -> Finding:
    """Whether tasks can run. Raises LocalAccountError where there is no account."""
    chosen, engine = load().runtime, find_engine()
    if chosen == "process":
        said = "tasks run as processes of yours: the image is not used"
        return ok("runtime", said)
    if engine is None:
        hint = "start Docker or Podman: tasks of this account run in containers"
        return fail("runtime", "no container engine answers", hint)
    return ok("runtime", f"tasks run as {engine} containers")


def clients() -> Client:
    """Of the account on this machine. Raises LocalAccountError where there is none."""
    from mycli.local.clients import clients_of

    return clients_of(load())
