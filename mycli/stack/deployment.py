"""One stack in one backend, as the engine sees it: no AWS, and no rule of mycli's."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from pulumi import automation
from pulumi.automation.errors import CommandError, ConcurrentUpdateError, StackNotFoundError

from mycli.errors import StackError, StackLocked
from mycli.stack import engine, refusals
from mycli.stack.invocation import Engine
from mycli.stack.progress import Progress
from mycli.stack.state import Backend, parse_lock

PROJECT = "mycli"

# How the engine marks a secret in what it writes.
# https://github.com/pulumi/pulumi/blob/master/sdk/go/common/resource/properties.go
_SIGNATURE, _SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"

Program = Callable[[], None]


@dataclass(frozen=True)
class Snapshot:
    """A stack's state. outputs: secrets in clear. resources: id by URN, the engine's own left out.

    begun: what was being made when an engine was killed, the type and the inputs of each.
    unsettled: whether one was killed at all.
    """

    outputs: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    resources: Mapping[str, str] = field(default_factory=dict[str, str])
    begun: Sequence[tuple[str, Mapping[str, Any]]] = field(default=(), repr=False)
    unsettled: bool = False


class Deployment:
    """folder: an empty one that only this user can read."""

    def __init__(
        self, name: str, region: str, backend: Backend, found: Engine, folder: Path
    ) -> None:
        self.name = name
        self._engine = found
        self._workspace = automation.LocalWorkspace(
            work_dir=str(folder),
            pulumi_home=str(engine.pulumi_home()),
            env_vars={
                **backend.environment,
                "AWS_REGION": region,
                "PULUMI_SKIP_UPDATE_CHECK": "1",
            },
            secrets_provider=backend.secrets_provider,
            project_settings=automation.ProjectSettings(
                name=PROJECT, runtime="python", main=str(folder)
            ),
            stack_settings={name: automation.StackSettings(config={"aws:region": region})},
            pulumi_command=found,
        )

    def snapshot(self) -> Snapshot | None:
        """None where the backend has no such stack."""
        try:
            with explained():
                exported = self._workspace.export_stack(self.name).deployment or {}
        except StackNotFoundError:
            return None
        outputs: dict[str, Any] = {}
        resources: dict[str, str] = {}
        for resource in cast("list[dict[str, Any]]", exported.get("resources") or []):
            if resource["type"] == "pulumi:pulumi:Stack":
                outputs = _in_clear(resource.get("outputs") or {})
            elif not resource["type"].startswith("pulumi:"):
                resources[resource["urn"]] = resource.get("id", "")
        operations = cast("list[dict[str, Any]]", exported.get("pending_operations") or [])
        begun = [
            (operation["resource"]["type"], _in_clear(operation["resource"].get("inputs") or {}))
            for operation in operations
            if operation["type"] == "creating"
        ]
        return Snapshot(outputs, resources, begun, bool(operations))

    def create(self) -> None:
        """Add the stack to the backend, if it is not there yet."""
        with explained():
            automation.Stack.create_or_select(self.name, self._workspace)

    def up(self, program: Program, progress: Progress, **options: Any) -> dict[str, Any]:
        """Make what the program declares; its exports, secrets in clear."""
        with self._running(progress):
            done = self._stack().up(program=program, on_event=progress, **options)
        return {name: output.value for name, output in done.outputs.items()}

    def preview(self, program: Program, progress: Progress) -> None:
        with self._running(progress):
            self._stack().preview(program=program, refresh=True, on_event=progress)

    def refresh(self, progress: Progress, **options: Any) -> None:
        with self._running(progress):
            self._stack().refresh(on_event=progress, **options)

    def destroy(self, progress: Progress) -> None:
        with self._running(progress):
            self._stack().destroy(on_event=progress)

    def remove(self) -> None:
        """Take the stack, which has no resources any more, out of the backend."""
        with explained():
            self._workspace.remove_stack(self.name)

    def cancel(self) -> None:
        """Clear the lock, whoever holds it."""
        with explained():
            self._stack().cancel()

    def any_stacks(self) -> bool:
        """Whether the backend has a stack of any project."""
        with explained():
            return bool(self._workspace.list_stacks(include_all=True))

    def _stack(self) -> automation.Stack:
        return automation.Stack.select(self.name, self._workspace)

    @contextlib.contextmanager
    def _running(self, progress: Progress) -> Generator[None]:
        self._engine.on_interrupt = lambda: progress.tell(
            "Interrupted: what was begun is finished first (once more: stop at once)"
        )
        with explained(progress):
            yield
        if progress.broken:
            raise progress.broken


def configured(program: Program, values: Mapping[str, str], secret: list[str]) -> Program:
    """The program with these values in its config.

    The SDK would put them on the engine's command line, where everybody on the machine can read
    them. In our own process they stay where they are.
    """

    def run() -> None:
        from pulumi.runtime import set_all_config
        from pulumi.runtime.config import CONFIG

        ours = {f"{PROJECT}:{name}": value for name, value in values.items()}
        set_all_config({**CONFIG.get(), **ours}, [f"{PROJECT}:{name}" for name in secret])
        program()

    return run


@contextlib.contextmanager
def explained(progress: Progress | None = None) -> Generator[None]:
    """Say as a StackError what the engine says when it fails; StackNotFoundError stays."""
    try:
        yield
    except StackNotFoundError:
        raise
    except CommandError as error:
        said = str(error).partition("\n stderr: ")[2].strip()
        if isinstance(error, ConcurrentUpdateError):
            lock = parse_lock(said)
            raise StackLocked(
                f"the stack is being changed by {lock}",
                "wait for it; if it is no more: --unlock",
                lock,
            ) from None
        raise _failed(progress, said) from None


def _failed(progress: Progress | None, said: str) -> StackError:
    failures = progress.failures if progress else []
    of_resources = [failure for failure in failures if failure.title]
    if progress:
        for title, words in of_resources[1:]:
            progress.tell(f"{title}: {refusals.explain(words).message}")
        said = progress.hide(said)
    for title, words in of_resources[:1] or failures[:1]:
        return refusals.explain(words).error(title)
    return refusals.explain(said).error()


def _in_clear(value: Any) -> Any:
    """The value with each secret in it as what it is."""
    if isinstance(value, dict):
        entries = cast("dict[str, Any]", value)
        if entries.get(_SIGNATURE) == _SECRET:
            return json.loads(entries["plaintext"])
        return {name: _in_clear(entry) for name, entry in entries.items()}
    if isinstance(value, list):
        return [_in_clear(entry) for entry in cast("list[Any]", value)]
    return value
