"""What the engine tells while it works: sentences for people, counts and failures for us."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from mycli.stack.results import Changes, OnEvent, Step

if TYPE_CHECKING:
    from pulumi.automation import EngineEvent

_DOING = {
    "create": ("Creating", "Created"),
    "create-replacement": ("Creating", "Created"),
    "update": ("Updating", "Updated"),
    "delete": ("Deleting", "Deleted"),
    "delete-replaced": ("Deleting", "Deleted"),
    "discard": ("Forgetting", "Forgotten"),
    "import": ("Importing", "Imported"),
    "import-replacement": ("Importing", "Imported"),
}
# What a refresh finds of a resource: the engine says only at its end what that is.
_FOUND = {"delete": "Gone from the account", "update": "Different in the account"}
# How often each operation of the engine is counted as what. The others are parts of a replacement.
_COUNTED = {
    "create": "created",
    "import": "created",
    "update": "updated",
    "create-replacement": "replaced",
    "import-replacement": "replaced",
    "delete": "deleted",
    "discard": "deleted",
    "same": "unchanged",
}
_PREVIEWED = {
    "create": "create",
    "import": "create",
    "update": "update",
    "create-replacement": "replace",
    "import-replacement": "replace",
    "delete": "delete",
}
_NOT_OURS = "pulumi:"  # the engine's own: the stack itself, the provider
_SLOW_SECONDS = 1.0


class Failure(NamedTuple):
    """What could not be done, in the words of AWS or of the engine. title: Vpc vpc, if known."""

    title: str
    words: str


class Progress:
    """Given to the engine as on_event. secrets: texts that must not be told to anybody."""

    def __init__(self, on_event: OnEvent, secrets: Iterable[str] = ()) -> None:
        self._on_event = on_event
        self._secrets = _texts(secrets)
        self._began: dict[str, float] = {}
        self._counts: Counter[str] = Counter()
        self.steps: list[Step] = []
        self.failures: list[Failure] = []
        self.broken: Exception | None = None

    def __call__(self, event: EngineEvent) -> None:
        """Runs in a thread of the SDK, which would swallow what is raised: `broken` keeps it."""
        try:
            self._take(event)
        except Exception as error:  # noqa: BLE001 (whatever the caller's on_event raises)
            self.broken = self.broken or error

    @property
    def changes(self) -> Changes:
        return Changes(**{name: self._counts[name] for name in Changes.__annotations__})

    def hide(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        return text

    def tell(self, sentence: str) -> None:
        self._on_event(self.hide(sentence))

    def _take(self, event: EngineEvent) -> None:
        if before := event.resource_pre_event:
            self._begin(before.metadata, bool(before.planning))
        elif after := event.res_outputs_event:
            self._end(after.metadata, bool(after.planning))
        elif (said := event.diagnostic_event) and said.severity == "error":
            title = "" if not said.urn or "::pulumi:" in said.urn else title_of(said.urn)
            self.failures.append(Failure(title, self.hide(said.message.strip())))

    def _begin(self, step: Any, planning: bool) -> None:
        if step.type.startswith(_NOT_OURS):
            return
        operation = step.op.value
        if planning and operation in _PREVIEWED:
            kind, name = step.type.rpartition(":")[2], step.urn.rpartition("::")[2]
            changes = _PREVIEWED[operation] in ("update", "replace")
            differ: list[str] = sorted(step.detailed_diff or step.diffs or ()) if changes else []
            self.steps.append(
                Step(operation=_PREVIEWED[operation], type=kind, name=name, properties=differ)
            )
        elif operation in _DOING and not planning:
            self._began[step.urn + operation] = time.monotonic()
            self.tell(f"{_DOING[operation][0]} {title_of(step.urn)}")

    def _end(self, step: Any, planning: bool) -> None:
        if step.type.startswith(_NOT_OURS):
            return
        operation = step.op.value
        if counted := _COUNTED.get(operation):
            self._counts[counted] += 1
        began = self._began.pop(step.urn + operation, None)
        if planning or operation not in _DOING:
            return
        if began is None:
            self.tell(f"{_FOUND[operation]}: {title_of(step.urn)}")
        elif (seconds := time.monotonic() - began) >= _SLOW_SECONDS:
            self.tell(f"{_DOING[operation][1]} {title_of(step.urn)} ({seconds:.0f} s)")


def title_of(urn: str) -> str:
    """Of `urn:pulumi:mycli::mycli::aws:ec2/vpc:Vpc::vpc`: Vpc vpc."""
    *_, kind, name = urn.split("::")
    return f"{kind.rpartition(':')[2]} {name}"


def _texts(secrets: Iterable[str]) -> list[str]:
    """The longest first; of a key of several lines each line, as errors are told line by line."""
    texts = {part for secret in secrets for part in (secret, *secret.splitlines()) if part.strip()}
    return sorted((text for text in texts if len(text) >= 8), key=len, reverse=True)
