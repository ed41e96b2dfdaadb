"""One family of task definitions for each image, registered when the image is first used.

ECS cannot override an image, so the stack's template `{stack}-task` is registered again with the
image put in. A revision that is there is used only if its image and the template's fingerprint are
the same: an upgraded stack never runs yesterday's script. What is run is always an exact revision
that was just seen or registered here, so two functions that race for a name cannot swap images.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from botocore.exceptions import ClientError

from orchestrator import refusals
from orchestrator.families import family_names, short_name
from orchestrator.locks import alone
from orchestrator.settings import Runtime, log, remember
from orchestrator.wire import CONTAINER_NAME, image_host

STACK_TAG = "mycli:stack"
TEMPLATE_TAG = "mycli:template"
MAX_REMEMBERED = 1000
_REGISTERED_FIELDS = (
    "taskRoleArn",
    "executionRoleArn",
    "networkMode",
    "containerDefinitions",
    "volumes",
    "placementConstraints",
    "requiresCompatibilities",
    "cpu",
    "memory",
    "runtimePlatform",
    "ephemeralStorage",
)


@dataclass(frozen=True, kw_only=True)
class Revision:
    """A task definition to run. cpu: vCPU units; memory: MB; architecture: ECS's word.

    reason: why it was registered just now; empty where it was there already.
    """

    arn: str
    cpu: int
    memory: int
    architecture: str
    reason: str = ""

    @property
    def cached(self) -> bool:
        return not self.reason


@dataclass(frozen=True, kw_only=True)
class _Missing:
    """That nothing fits, the family to register it in, and why."""

    family: str
    reason: str


def find(
    runtime: Runtime,
    image: str,
    *,
    with_repo: bool,
    arch: str | None = None,
    shell: str | None = None,
) -> Revision:
    """The revision for this image, registered if need be; no call to AWS where it is remembered.

    with_repo: whether the stack's git credentials, if it has any, are to be in reach. arch: a word
    of the wire; shell: what runs the script. The template's, where these two are left out.
    """
    template = _template(runtime)
    with_git = with_repo and bool(_executor(template).get("secrets"))
    login = runtime.settings.registries.get(image_host(image))
    definition = _definition(template, with_git=with_git, arch=arch, shell=shell, login=login)
    remembered = ("revision", image, "git" if with_git else "", *_kind(definition))
    if remembered in runtime.remembered:
        revision: Revision = runtime.remembered[remembered]
        log(message=f"Using cached task definition {short_name(revision.arn)}")
        return revision
    architecture, its_shell = _kind(definition)
    families = family_names(
        runtime.settings.stack,
        image,
        with_git=with_git,
        arch=architecture.lower(),
        shell=None if its_shell == _kind(template)[1] else its_shell,
    )
    revision = _find_or_register(runtime, definition, image, families)
    without_reason = dataclasses.replace(revision, reason="")
    remember(runtime.remembered, remembered, without_reason, MAX_REMEMBERED)
    return revision


def git_protocols(runtime: Runtime) -> Sequence[str]:
    """What the stack's tasks may clone over; no call to AWS in a warm process."""
    environment: list[dict[str, str]] = _executor(_template(runtime)).get("environment", [])
    given = {variable["name"]: variable["value"] for variable in environment}
    return given.get("MYCLI_GIT_PROTOCOLS", "https:ssh").split(":")


def forget(runtime: Runtime, arn: str) -> None:
    """Look its image up again next time: this revision is not there any more."""
    for key, known in list(runtime.remembered.items()):
        if isinstance(known, Revision) and known.arn == arn:
            del runtime.remembered[key]


def _template(runtime: Runtime) -> dict[str, Any]:
    remembered = ("template",)
    if remembered not in runtime.remembered:
        described = runtime.ecs.describe_task_definition(taskDefinition=runtime.settings.template)
        runtime.remembered[remembered] = described["taskDefinition"]
    return cast("dict[str, Any]", runtime.remembered[remembered])


def _executor(definition: Mapping[str, Any]) -> dict[str, Any]:
    containers: list[dict[str, Any]] = definition["containerDefinitions"]
    return next((each for each in containers if each["name"] == CONTAINER_NAME), {})


def _kind(definition: Mapping[str, Any]) -> tuple[str, str]:
    """Its architecture and its shell: with the image, what a definition is for."""
    shell = next(iter(_executor(definition).get("entryPoint") or [""]))
    return definition.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64"), str(shell)


def _definition(
    template: Mapping[str, Any],
    *,
    with_git: bool,
    arch: str | None,
    shell: str | None,
    login: str | None,
) -> dict[str, Any]:
    """What is registered for every image: the template, its image left out.

    login: the ARN of the secret that ECS pulls with, where the image's registry is private.
    """
    definition = {name: template[name] for name in _REGISTERED_FIELDS if template.get(name)}
    executor = {name: value for name, value in _executor(template).items() if name != "image"}
    for listed in ("environment", "secrets"):  # ECS promises no order
        executor[listed] = sorted(executor.get(listed, []), key=lambda item: str(item["name"]))
    if not with_git:
        executor["secrets"] = []
    if arch:
        platform = {**definition.get("runtimePlatform", {}), "cpuArchitecture": arch.upper()}
        definition["runtimePlatform"] = platform
    if shell:
        executor["entryPoint"] = [shell, *executor["entryPoint"][1:]]
    if login:
        executor["repositoryCredentials"] = {"credentialsParameter": login}
    return {**definition, "containerDefinitions": [executor]}


def fingerprint(definition: Mapping[str, Any]) -> str:
    canonical = json.dumps(definition, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _find_or_register(
    runtime: Runtime, definition: dict[str, Any], image: str, families: Sequence[str]
) -> Revision:
    found = _look_up(runtime, definition, image, families)
    if isinstance(found, Revision):
        log(message=f"Using cached task definition {short_name(found.arn)}")
        return found

    def register() -> Revision:  # unless another function has, since
        found = _look_up(runtime, definition, image, families)
        if isinstance(found, Revision):
            return found
        return _register(runtime, definition, image, found)

    return alone(runtime, families[0], register)


def _look_up(
    runtime: Runtime, definition: dict[str, Any], image: str, families: Sequence[str]
) -> Revision | _Missing:
    """What is there for this image, else where to register it.

    All the families are looked at first: an image stays in its own when the one whose name it
    would have shared is gone.
    """
    free: list[str] = []
    for family in families:
        found, tags = _latest(runtime, family)
        if found is None:
            free.append(family)
            continue
        ours = tags.get(STACK_TAG) == runtime.settings.stack
        if ours and _executor(found).get("image") == image and _kind(found) == _kind(definition):
            if tags.get(TEMPLATE_TAG) != fingerprint(definition):
                return _Missing(family=family, reason=_what_changed(found, definition))
            return _to_revision(found)
    first = free[0] if free else families[-1]
    none = "first use of this image" if first == families[0] else "its name was taken"
    return _Missing(family=first, reason=none)


def _what_changed(found: Mapping[str, Any], definition: Mapping[str, Any]) -> str:
    was, is_ = (_executor(each).get("repositoryCredentials") for each in (found, definition))
    return "the login to its registry changed" if was != is_ else "the stack's template changed"


def _latest(runtime: Runtime, family: str) -> tuple[dict[str, Any] | None, dict[str, str]]:
    """The family's newest ACTIVE revision and its tags, or None."""
    try:
        answer = runtime.ecs.describe_task_definition(taskDefinition=family, include=["TAGS"])
    except ClientError as error:
        if refusals.is_missing_revision(error):
            return None, {}
        raise
    definition: dict[str, Any] = answer["taskDefinition"]
    if definition.get("status") == "INACTIVE":
        return None, {}
    return definition, {tag["key"]: tag.get("value", "") for tag in answer.get("tags", [])}


def _register(
    runtime: Runtime, definition: dict[str, Any], image: str, missing: _Missing
) -> Revision:
    log(message=f"Registering new task definition {missing.family} ({missing.reason})")
    executor = {**_executor(definition), "image": image}
    registered = runtime.ecs.register_task_definition(
        **{**definition, "containerDefinitions": [executor]},
        family=missing.family,
        tags=[
            {"key": STACK_TAG, "value": runtime.settings.stack},
            {"key": TEMPLATE_TAG, "value": fingerprint(definition)},
        ],
    )["taskDefinition"]
    return _to_revision(registered, missing.reason)


def _to_revision(definition: Mapping[str, Any], reason: str = "") -> Revision:
    return Revision(
        arn=definition["taskDefinitionArn"],
        cpu=int(definition["cpu"]),
        memory=int(definition["memory"]),
        architecture=_kind(definition)[0],
        reason=reason,
    )
