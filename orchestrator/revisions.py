"""The action `list_task_definitions`: what the stack has registered, family by family."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from botocore.exceptions import ClientError

from orchestrator import images, records, refusals
from orchestrator.families import is_named_as_ours, sanitized
from orchestrator.settings import Runtime
from orchestrator.task_definitions import STACK_TAG
from orchestrator.times import created_seconds, iso
from orchestrator.wire import (
    ListTaskDefinitionsRequest,
    ListTaskDefinitionsResponse,
    TaskDefinition,
    invalid,
)

PAGE_SECONDS = 10  # API Gateway gives up after 29 s
STATUSES = ("ACTIVE", "INACTIVE", "DELETE_IN_PROGRESS")
LISTED_AT_ONCE = 100  # ECS lists no more a call


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a page goes on: at this revision or the next older one, in this list of ECS's."""

    families_token: str | None = None
    family: str = ""
    status: str = STATUSES[0]
    token: str | None = None
    revision: int | None = None


def page(runtime: Runtime, request: ListTaskDefinitionsRequest) -> ListTaskDefinitionsResponse:
    """Up to `limit` task definitions: three calls to AWS for each, and one or more a family."""
    started = runtime.now()
    named = images.find(runtime, request.image) if request.image else None
    if named:
        request = dataclasses.replace(request, image=named.image)
    found: list[TaskDefinition] = []
    first = _Place() if request.next_token is None else _to_place(request.next_token)
    for seen, (place, arn) in enumerate(_walk(runtime, request, first)):
        if len(found) == request.limit or (seen and runtime.now() - started > PAGE_SECONDS):
            return _to_response(found, place)
        try:
            definition = arn and describe(runtime, arn)
        except ClientError as error:
            if found and refusals.is_throttling(error):
                return _to_response(found, place)
            raise
        if definition and request.image in (None, definition.image):
            found.append(definition)
    return _to_response(found, None)


def describe(runtime: Runtime, arn: str) -> TaskDefinition | None:
    """The revision and its use; None where it is not this stack's, or not there any more."""
    stack, definition = stack_and_definition(runtime, arn)
    if definition is None or stack != runtime.settings.stack:
        return None
    executor = definition["containerDefinitions"][0]
    registered_at = definition.get("registeredAt")
    newest = records.newest_use(runtime, arn)
    return TaskDefinition(
        arn=definition["taskDefinitionArn"],
        family=definition["family"],
        revision=int(definition["revision"]),
        image=executor["image"],
        status=definition["status"],
        arch=definition.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64").lower(),
        cpu=int(definition.get("cpu") or 0),
        memory=int(definition.get("memory") or 0),
        git=bool(executor.get("secrets")),
        template=definition["family"] == f"{runtime.settings.stack}-task",
        registered_at=iso(registered_at.timestamp()) if registered_at else None,
        last_used_at=iso(created_seconds(newest)) if newest else None,
        executions=records.count_uses(runtime, arn) if newest else 0,
    )


def stack_and_definition(runtime: Runtime, arn: str) -> tuple[str | None, dict[str, Any] | None]:
    """Whose it is by its tag, and ECS's description; both None where it is not there any more."""
    try:
        answer = runtime.ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])
    except ClientError as error:
        if refusals.is_missing_revision(error):
            return None, None
        raise
    tags = {tag["key"]: tag.get("value") for tag in answer.get("tags", [])}
    return tags.get(STACK_TAG), answer["taskDefinition"]


def _walk(
    runtime: Runtime, request: ListTaskDefinitionsRequest, first: _Place
) -> Iterator[tuple[_Place, str | None]]:
    """Each revision that may be ours from this place on, and each list before it is asked for.

    A family that is gone since the last page is passed over, and so is a revision.
    """
    stack = runtime.settings.stack
    prefix = f"{stack}-task" + (f"-{sanitized(request.image)}" if request.image else "")
    families_token = first.families_token
    while True:
        answer = runtime.ecs.list_task_definition_families(
            familyPrefix=prefix,
            status="ALL" if request.include_inactive else "ACTIVE",
            maxResults=LISTED_AT_ONCE,
            **_next(families_token),
        )
        for family in sorted(answer["families"]):
            if family < first.family or not is_named_as_ours(stack, family):
                continue
            place = _Place(families_token=families_token, family=family)
            if family == first.family:
                place = dataclasses.replace(first, families_token=families_token)
            statuses = STATUSES if request.include_inactive else STATUSES[:1]
            for status in statuses[STATUSES.index(place.status) :]:
                if status != place.status:
                    place = _Place(families_token=families_token, family=family, status=status)
                yield place, None
                yield from _revisions(runtime, place)
        families_token = answer.get("nextToken")
        if families_token is None:
            return
        first = _Place()


def _revisions(runtime: Runtime, place: _Place) -> Iterator[tuple[_Place, str]]:
    """A family's revisions of one status, the newest first, from this place on."""
    token = place.token
    while True:
        answer = runtime.ecs.list_task_definitions(
            familyPrefix=place.family,
            status=place.status,
            sort="DESC",
            maxResults=LISTED_AT_ONCE,
            **_next(token),
        )
        arns = {int(arn.rpartition(":")[2]): arn for arn in answer["taskDefinitionArns"]}
        for revision in sorted(arns, reverse=True):
            if place.revision is None or revision <= place.revision:
                yield dataclasses.replace(place, token=token, revision=revision), arns[revision]
        token = answer.get("nextToken")
        if token is None:
            return


def _next(token: str | None) -> dict[str, str]:
    return {} if token is None else {"nextToken": token}


def _to_response(found: list[TaskDefinition], place: _Place | None) -> ListTaskDefinitionsResponse:
    token = None
    if place:
        document = json.dumps(dataclasses.astuple(place), separators=(",", ":"))
        token = base64.urlsafe_b64encode(document.encode()).decode()
    return ListTaskDefinitionsResponse(task_definitions=tuple(found), next_token=token)


def _to_place(token: str) -> _Place:
    """Raises WireError (400) for what is no token of this list."""
    try:
        values = cast("list[Any]", json.loads(base64.urlsafe_b64decode(token.encode())))
        families_token, family, status, list_token, revision = values
        texts = (families_token or "", family, list_token or "")
        if not all(isinstance(text, str) for text in texts) or status not in STATUSES:
            raise TypeError
        if not isinstance(revision, int | None):
            raise TypeError
    except (ValueError, TypeError, RecursionError):
        raise invalid(
            "next_token", "is none that a list answered", "one that a list answered"
        ) from None
    return _Place(
        families_token=families_token,
        family=family,
        status=status,
        token=list_token,
        revision=revision,
    )
