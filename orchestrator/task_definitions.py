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
from orchestrator.settings import Runtime, log
from orchestrator.wire import CONTAINER_NAME

STACK_TAG = "mycli:stack"
TEMPLATE_TAG = "mycli:template"
MAX_REMEMBERED = 1000
_SANITIZED_LENGTH = 50  # a family has 255 characters at most, shared with the stack's name
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
    """A task definition to run. cpu: vCPU units; memory: MB. cached: it was there already."""

    arn: str
    cpu: int
    memory: int
    architecture: str
    cached: bool


def find(runtime: Runtime, image: str, *, with_repo: bool) -> Revision:
    """The revision for this image, registered if need be; no call to AWS where it is remembered.

    with_repo: whether the stack's git credentials, if it has any, are to be in reach.
    """
    remembered = _memory_key(image, with_repo)
    if remembered in runtime.remembered:
        revision: Revision = runtime.remembered[remembered]
        log(message=f"Using cached task definition {_short(revision.arn)}")
        return revision
    template = _template(runtime)
    with_git = with_repo and bool(_executor(template).get("secrets"))
    definition = _definition(template, with_git=with_git)
    revision = _look_up(runtime, definition, image, with_git)
    if len(runtime.remembered) >= MAX_REMEMBERED:
        runtime.remembered.clear()
    runtime.remembered[remembered] = dataclasses.replace(revision, cached=True)
    return revision


def git_protocols(runtime: Runtime) -> Sequence[str]:
    """What the stack's tasks may clone over; no call to AWS in a warm process."""
    environment: list[dict[str, str]] = _executor(_template(runtime)).get("environment", [])
    given = {variable["name"]: variable["value"] for variable in environment}
    return given.get("MYCLI_GIT_PROTOCOLS", "https:ssh").split(":")


def forget(runtime: Runtime, image: str, *, with_repo: bool) -> None:
    """Look this image up again next time: its revision is not there any more."""
    runtime.remembered.pop(_memory_key(image, with_repo), None)


def _memory_key(image: str, with_repo: bool) -> tuple[str, ...]:
    return ("revision", image, "with repo" if with_repo else "without repo")


def sanitized(image: str) -> str:
    """The image as part of a family's name: `python:3.13` is `python-3-13`."""
    name = "".join("-" if character in ":/.@_" else character for character in image.lower())
    return name[:_SANITIZED_LENGTH].rstrip("-")


def family_names(stack: str, image: str, *, with_git: bool) -> tuple[str, str]:
    """The family for this image, and the one for when the first belongs to another image."""
    suffix = "-git" if with_git else ""
    family = f"{stack}-task-{sanitized(image)}"
    return f"{family}{suffix}", f"{family}-{hashlib.sha256(image.encode()).hexdigest()[:8]}{suffix}"


def _template(runtime: Runtime) -> dict[str, Any]:
    remembered = ("template",)
    if remembered not in runtime.remembered:
        described = runtime.ecs.describe_task_definition(taskDefinition=runtime.settings.template)
        runtime.remembered[remembered] = described["taskDefinition"]
    return cast("dict[str, Any]", runtime.remembered[remembered])


def _executor(definition: Mapping[str, Any]) -> dict[str, Any]:
    containers: list[dict[str, Any]] = definition["containerDefinitions"]
    return next(container for container in containers if container["name"] == CONTAINER_NAME)


def _definition(template: Mapping[str, Any], *, with_git: bool) -> dict[str, Any]:
    """What is registered for every image: the template, its image left out."""
    definition = {name: template[name] for name in _REGISTERED_FIELDS if template.get(name)}
    executor = {name: value for name, value in _executor(template).items() if name != "image"}
    for listed in ("environment", "secrets"):  # ECS promises no order
        executor[listed] = sorted(executor.get(listed, []), key=lambda item: str(item["name"]))
    if not with_git:
        executor["secrets"] = []
    return {**definition, "containerDefinitions": [executor]}


def fingerprint(definition: Mapping[str, Any]) -> str:
    canonical = json.dumps(definition, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _look_up(runtime: Runtime, definition: dict[str, Any], image: str, with_git: bool) -> Revision:
    first, fallback = family_names(runtime.settings.stack, image, with_git=with_git)
    for family in (first, fallback):
        found, tags = _latest(runtime, family)
        if found is None:
            return _register(runtime, definition, family, image, "none for this image")
        ours = tags.get(STACK_TAG) == runtime.settings.stack
        if ours and _executor(found)["image"] == image:
            if tags.get(TEMPLATE_TAG) != fingerprint(definition):
                return _register(runtime, definition, family, image, "the stack's template changed")
            log(message=f"Using cached task definition {_short(found['taskDefinitionArn'])}")
            return _to_revision(found, cached=True)
    return _register(runtime, definition, fallback, image, "its name was taken")


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
    runtime: Runtime, definition: dict[str, Any], family: str, image: str, why: str
) -> Revision:
    log(message=f"Registering new task definition {family} ({why})")
    executor = {**_executor(definition), "image": image}
    registered = runtime.ecs.register_task_definition(
        **{**definition, "containerDefinitions": [executor]},
        family=family,
        tags=[
            {"key": STACK_TAG, "value": runtime.settings.stack},
            {"key": TEMPLATE_TAG, "value": fingerprint(definition)},
        ],
    )["taskDefinition"]
    return _to_revision(registered, cached=False)


def _to_revision(definition: Mapping[str, Any], *, cached: bool) -> Revision:
    return Revision(
        arn=definition["taskDefinitionArn"],
        cpu=int(definition["cpu"]),
        memory=int(definition["memory"]),
        architecture=definition.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64"),
        cached=cached,
    )


def _short(arn: str) -> str:
    return arn.rpartition("/")[2]
