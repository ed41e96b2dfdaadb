"""What the engine takes for Pulumi's aws provider: our resources, served over gRPC.

Attached by PULUMI_DEBUG_PROVIDERS=aws:PORT, so that no plugin is looked for. It replaces what the
vendor's provider replaces, in the same order, and keeps secrets marked as such. Whatever is about
to be done, and has been done, is shown to a hook that may raise, wait or kill.
"""

from __future__ import annotations

import concurrent.futures
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import grpc
from google.protobuf import json_format, struct_pb2
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from mycli.local.resources import KINDS, Clients, Kind, invoke
from mycli.local.resources.kind import changed

# How the engine marks what JSON has no type for.
# https://github.com/pulumi/pulumi/blob/master/sdk/go/common/resource/properties.go
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"

# What the vendor's provider names by itself where the program does not. A resource that has such a
# name from the program must go before another of that name can come; all others come first.
# https://github.com/pulumi/pulumi-aws/blob/master/provider/resources.go (AutoName)
_NAMES = {"name", "statementId"}

Properties = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One thing done to one resource. operation: create, update, delete or read."""

    operation: str
    type: str
    name: str

    @property
    def title(self) -> str:
        return f"{self.operation} {self.type.rpartition(':')[2]} {self.name}"


Hook = Callable[[Step], None]


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """before, after: hooks, called in the engine's order; what they raise fails the step.

    steps: all that was done since it was last emptied, reads left out. cancelled: set when the
    engine says that it was interrupted. doing: steps that were begun and have not ended.
    """

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._lock = threading.Lock()
        self.steps: list[Step] = []
        self.doing: list[Step] = []
        self.cancelled = threading.Event()
        self.before: Hook = lambda _: None
        self.after: Hook = lambda _: None
        self._server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=64))
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def close(self) -> None:
        self._server.stop(grace=None).wait()

    def done(self) -> list[str]:
        """Titles of the steps, sorted: the engine makes what it can at once."""
        return sorted(step.title for step in self.steps)

    # --- What the engine asks first ---------------------------------------------------------------

    def Attach(self, request: Any, context: Any) -> Any:
        return Empty()

    def Handshake(self, request: Any, context: Any) -> Any:
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def Configure(self, request: Any, context: Any) -> Any:
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version="7.51.1")

    def GetSchema(self, request: Any, context: Any) -> Any:
        return provider_pb2.GetSchemaResponse(schema=json.dumps({"name": "aws"}))

    def Cancel(self, request: Any, context: Any) -> Any:
        self.cancelled.set()
        return Empty()

    # --- Resources --------------------------------------------------------------------------------

    def Invoke(self, request: Any, context: Any) -> Any:
        answer = invoke(self._clients, request.tok, _plain(_read(request.args)))
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").update(answer)
        return response

    def Check(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def Diff(self, request: Any, context: Any) -> Any:
        kind = _kind(request)
        differs = changed(_comparable(request.old_inputs), _comparable(request.news))
        if not differs:
            return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)
        replaces = kind.must_replace(differs)
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME,
            diffs=sorted(differs),
            replaces=sorted(differs & kind.replaced_by or differs) if replaces else [],
            deleteBeforeReplace=replaces and not _NAMES.isdisjoint(_read(request.news)),
        )

    def Create(self, request: Any, context: Any) -> Any:
        if request.preview:
            return provider_pb2.CreateResponse(properties=request.properties)
        given = _read(request.properties)
        create = _kind(request).create
        with self._step("create", request, context):
            id, outputs = create(self._clients, _plain(given))
        return provider_pb2.CreateResponse(id=id, properties=_written({**given, **outputs}))

    def Read(self, request: Any, context: Any) -> Any:
        state = _plain(_read(request.properties))
        with self._step("read", request, context):
            there = _kind(request).read(self._clients, request.id, {**state, "id": request.id})
        if not there:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=request.id, properties=request.properties, inputs=request.inputs
        )

    def Update(self, request: Any, context: Any) -> Any:
        old, given = _read(request.olds), _read(request.news)
        outputs: Properties = {}
        update = _kind(request).update
        if update and not request.preview:
            state = {**_plain(old), "id": request.id}
            with self._step("update", request, context):
                outputs = update(self._clients, request.id, state, _plain(given))
        kept = {name: value for name, value in old.items() if name not in _read(request.old_inputs)}
        return provider_pb2.UpdateResponse(properties=_written({**kept, **given, **outputs}))

    def Delete(self, request: Any, context: Any) -> Any:
        from botocore.exceptions import ClientError

        kind = _kind(request)
        state = {**_plain(_read(request.properties)), "id": request.id}
        with self._step("delete", request, context):
            try:
                kind.delete(self._clients, request.id, state)
            except ClientError:
                if kind.read(self._clients, request.id, state):
                    raise
        return Empty()

    def _step(self, operation: str, request: Any, context: Any) -> _Doing:
        return _Doing(self, Step(operation, request.type, request.name), context)

    def note(self, step: Step) -> None:
        if step.operation != "read":
            with self._lock:
                self.steps.append(step)


class _Doing:
    """A step with its hooks around it. What is raised in it reaches the engine as its words."""

    def __init__(self, provider: Provider, step: Step, context: Any) -> None:
        self._provider, self._step, self._context = provider, step, context

    def __enter__(self) -> None:
        self._provider.doing.append(self._step)
        try:
            self._provider.before(self._step)
        except Exception as error:  # noqa: BLE001 (whatever the test wants to happen)
            self._fail(error)

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error:
            self._fail(error)
        self._provider.note(self._step)
        try:
            self._provider.after(self._step)
        except Exception as raised:  # noqa: BLE001 (as above)
            self._fail(raised)
        self._provider.doing.remove(self._step)

    def _fail(self, error: BaseException) -> None:
        self._provider.doing.remove(self._step)
        self._context.abort(grpc.StatusCode.UNKNOWN, f"{self._step.title}: {error}")


def _kind(request: Any) -> Kind:
    return KINDS[request.type]


def _read(given: struct_pb2.Struct) -> Properties:
    return json_format.MessageToDict(given)


def _written(properties: Properties) -> struct_pb2.Struct:
    return json_format.ParseDict(properties, struct_pb2.Struct())


def _plain(value: Any) -> Any:
    """As the calls take it: secrets in clear."""
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("Properties", value)
    if fields.get(_SIGNATURE) == _SECRET:
        return _plain(fields["value"])
    return {name: _plain(item) for name, item in fields.items()}


def _comparable(given: struct_pb2.Struct) -> Properties:
    """As inputs differ: an archive by what is in it, wherever it lies."""
    plain = cast("Properties", _plain(_read(given)))
    return {
        name: value["hash"] if isinstance(value, dict) and _SIGNATURE in value else value
        for name, value in plain.items()
    }
