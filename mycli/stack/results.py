"""What is asked of a Stack, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mycli.stack.registries import RegistryLogin
from mycli.stack.task_definitions import Counts

OnEvent = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What may be chosen. None: as the stack has it already, else the default.

    credentials: of each kind of git credential that is given, its text; an empty one takes it away.
    registries: of each private registry's host, how tasks log in to it; None takes it away.
    rotate_key: draw a new API key; the old one stops working within seconds.
    """

    api_key: str | None = field(default=None, repr=False)
    default_image: str | None = None
    github_host: str | None = None
    gitlab_host: str | None = None
    credentials: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    registries: Mapping[str, RegistryLogin | None] = field(
        default_factory=dict[str, RegistryLogin | None]
    )
    rotate_key: bool = False


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Whose credentials these are: `arn` in `account`, and the region that the stack is in."""

    account: str
    arn: str
    region: str


@dataclass(frozen=True, kw_only=True)
class Changes:
    """How many resources were made, changed, and so on."""

    created: int = 0
    updated: int = 0
    replaced: int = 0
    deleted: int = 0
    unchanged: int = 0

    @property
    def any(self) -> bool:
        return bool(self.created or self.updated or self.replaced or self.deleted)


@dataclass(frozen=True, kw_only=True)
class Step:
    """What would be done to one resource. operation: create, update, replace or delete.

    type: as AWS calls it, Vpc. properties: those that differ; empty where it is made or deleted.
    """

    operation: str
    type: str
    name: str
    properties: list[str]


@dataclass(frozen=True, kw_only=True)
class Preview:
    changes: Changes
    steps: list[Step]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What a stack says of itself, whichever machine made it.

    git_credentials: kinds. registries: hosts. template: the ARN, with revision, of the template
    task definition.
    """

    api_endpoint: str
    region: str
    cluster: str
    log_group: str
    table: str
    function: str
    template: str
    default_image: str
    github_host: str
    gitlab_host: str
    git_credentials: list[str]
    registries: list[str]
    _api_key_hash: str = field(repr=False)

    def takes(self, api_key: str) -> bool:
        """Whether this is the stack's API key."""
        import bcrypt

        # bcrypt takes no more than 72 bytes, and a key has exactly as many.
        given = api_key.encode()
        return len(given) <= 72 and bcrypt.checkpw(given, self._api_key_hash.encode())

    @staticmethod
    def read(said: Mapping[str, Any]) -> Outputs | None:
        """From the program's exports; None where they are not all there: it was never finished."""
        names = [name for name in Outputs.__annotations__ if not name.startswith("_")]
        said = {"registries": [], **said}  # which a stack of an older mycli does not know
        if not {*names, "api_key_hash"} <= said.keys():
            return None
        given = {name: said[name] for name in names}
        return Outputs(**given, _api_key_hash=said["api_key_hash"])


@dataclass(frozen=True, kw_only=True)
class Up:
    """api_key: the key where it is new or was given, else None: nobody knows it but its holders."""

    outputs: Outputs
    changes: Changes
    api_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Destroyed:
    """How much there was. repositories: of built images, which went with them. leftovers: ARNs of
    what still carries the stack's tag or name.

    state_removed: whether the place of the state went too, as it had no other stack.
    """

    resources: int = 0
    tasks: int = 0
    definitions: Counts = field(default_factory=Counts)
    repositories: int = 0
    leftovers: list[str]
    state_removed: bool
