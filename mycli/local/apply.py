"""Apply the stack's program to the account on this machine. Run as a process of its own:

    python -m mycli.local.apply < request

Pulumi's seam for other monitors is one for the whole process, so each run gets a fresh one. The
request is a JSON line: stack, config, and secrets (the names of those in config that are secret).
Then stdin stays open: when it closes, nothing new is begun. stdout has a JSON line for each
resource that is touched, and at the end {"outputs": {...}} or {"error": ..., "hint": ...}.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import os
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, cast

import pulumi
import pulumi.runtime
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs
from pulumi.runtime.stack import wait_for_rpcs

from mycli.errors import LocalAccountError, MycliError
from mycli.local.clients import clients_of, errors_told
from mycli.local.deletion import delete, delete_all
from mycli.local.ledger import Ledger, Resource
from mycli.local.place import Account, place, read
from mycli.local.resources import KINDS, SERVICES, Clients, Kind, invoke
from mycli.local.resources.kind import changed

PROJECT = "mycli"

# How a secret is marked on the wire between a program and its monitor.
# https://github.com/pulumi/pulumi/blob/master/sdk/go/common/resource/properties.go
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRECY = "1b47061264138c4ac30d75fd1eb44270"

Inputs = dict[str, Any]


class Monitor(pulumi.runtime.Mocks):
    """Pulumi's view of the account: each resource of the program is made, changed or left alone."""

    def __init__(self, clients: Clients, ledger: Ledger) -> None:
        self.failure: Exception | None = None
        self.ending = threading.Event()
        self.wanted: set[tuple[str, str]] = set()
        self._clients = clients
        self._ledger = ledger

    def call(self, args: MockCallArgs) -> Any:
        return invoke(self._clients, args.token, args.args)

    def new_resource(self, args: MockResourceArgs) -> tuple[str, Inputs]:
        if args.typ == "pulumi:pulumi:Stack":
            return "", {}
        try:
            if self.failure or self.ending.is_set():
                raise LocalAccountError("interrupted", "run the same command again to finish it")
            inputs, remembered = _read(args.inputs)
            self.wanted.add((args.typ, args.name))
            resource = self._stand(args.typ, args.name, inputs, remembered)
        except Exception as error:
            self.failure = self.failure or error
            raise
        # Pulumi wants an archive back as an archive, and nobody wants it back.
        inputs.pop("code", None)
        return resource.id, {**inputs, **resource.outputs}

    def _stand(self, token: str, name: str, inputs: Inputs, remembered: Inputs) -> Resource:
        """The resource as it is wanted, after whatever had to be done for it."""
        kind, known = _kind(token), self._ledger.find(token, name)
        if known and not known.made:  # an earlier run was cut short here
            delete(self._clients, self._ledger, known)
            known = None
        elif known and not kind.read(self._clients, known.id, known.state):
            self._ledger.remove(known)
            known = None
        differs = changed(known.inputs, remembered) if known else frozenset[str]()
        if known and not differs:
            return known
        if known and kind.update and not kind.must_replace(differs):
            _tell(update=known.title)
            outputs = kind.update(self._clients, known.id, known.state, inputs)
            outputs = {**known.outputs, **outputs}
            resource = dataclasses.replace(known, inputs=remembered, outputs=outputs)
            self._ledger.put(resource, instead_of=known)
            return resource
        if known and kind.new_first:
            self._ledger.put(dataclasses.replace(known, doomed=True), instead_of=known)
        elif known:
            delete(self._clients, self._ledger, known)
        begun = Resource(type=token, name=name, id="", inputs=remembered, outputs={})
        self._ledger.put(begun)
        _tell(create=begun.title)
        id, outputs = kind.create(self._clients, inputs)
        resource = dataclasses.replace(begun, id=id, outputs=outputs)
        self._ledger.put(resource, instead_of=begun)
        return resource

    def delete_the_rest(self) -> None:
        """What an older program declared, and what was replaced."""
        unwanted = [
            resource
            for resource in self._ledger.resources
            if resource.doomed or (resource.type, resource.name) not in self.wanted
        ]
        delete_all(self._clients, self._ledger, unwanted, _tell_delete)


def _kind(token: str) -> Kind:
    if token not in KINDS:
        raise LocalAccountError(f"the account on this machine has no resource type {token}")
    return KINDS[token]


def _read(given: Inputs) -> tuple[Inputs, Inputs]:
    """The inputs as the calls take them, and as the ledger keeps them: secrets as digests."""
    inputs: Inputs = {}
    remembered: Inputs = {}
    for name, value in given.items():
        plain = _plain(value)
        inputs[name] = plain
        remembered[name] = plain
        if isinstance(value, pulumi.FileArchive):
            content = Path(str(value.path)).read_bytes()
            inputs[name] = {"path": str(value.path)}
            remembered[name] = f"sha256:{hashlib.sha256(content).hexdigest()}"
        elif plain != value:
            text = json.dumps(plain, sort_keys=True)
            remembered[name] = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    return inputs, remembered


def _plain(value: Any) -> Any:
    """The value without Pulumi's wrapping of secrets, at whatever depth."""
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        fields = cast("Inputs", value)
        if fields.get(_SIGNATURE) == _SECRECY:
            return _plain(fields["value"])
        return {name: _plain(item) for name, item in fields.items()}
    return value


async def run(request: Inputs, monitor: Monitor) -> Inputs:
    """Run the program; its outputs but for secret ones. Raises what went wrong first."""
    from mycli.stack.program import program

    # What went wrong is told once, not by each of the futures that hang on it.
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    pulumi.runtime.set_mocks(monitor, PROJECT, request["stack"], preview=False)
    config = {f"{PROJECT}:{name}": value for name, value in request["config"].items()}
    pulumi.runtime.set_all_config(config, [f"{PROJECT}:{name}" for name in request["secrets"]])
    try:
        program()
        await wait_for_rpcs()
        outputs = cast("Any", pulumi.runtime.get_root_resource()).outputs
        found = {name: pulumi.Output.from_input(value) for name, value in outputs.items()}
        return {
            name: await output.future()
            for name, output in found.items()
            if not await output.is_secret()
        }
    except Exception:
        if monitor.failure:
            raise monitor.failure from None
        raise


def main() -> None:
    at = place()
    here = read(at)
    if here is None:
        raise LocalAccountError("there is no account on this machine")
    clients = _warm(here)
    line = sys.stdin.readline()
    if not line:
        return
    request = json.loads(line)
    ledger = Ledger.read(at.stacks / f"{request['stack']}.json")
    monitor = Monitor(clients, ledger)
    threading.Thread(target=_watch_stdin, args=[monitor], daemon=True).start()
    ledger.outputs = asyncio.run(run(request, monitor))
    ledger.write()
    monitor.delete_the_rest()
    _tell(outputs=ledger.outputs)


def _warm(here: Account) -> Clients:
    """Load what takes time while the daemon starts: the clients, and the provider's packages."""
    import pulumi_aws as aws

    clients = clients_of(here)
    for service in SERVICES:
        clients(service)
    for package in ("apigateway", "cloudwatch", "dynamodb", "ec2", "ecs", "iam", "lambda_", "ssm"):
        vars(getattr(aws, package))
    return clients


def _watch_stdin(monitor: Monitor) -> None:
    sys.stdin.read()
    monitor.ending.set()


def _tell_delete(resource: Resource) -> None:
    _tell(delete=resource.title)


def _tell(**fields: Any) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    code = 1
    try:
        with errors_told():
            main()
        code = 0
    except MycliError as error:
        _tell(error=error.message, hint=error.hint)
    finally:
        if code:
            traceback.print_exc()
        os._exit(code)  # Pulumi's threads would take another second to notice
