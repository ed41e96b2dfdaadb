"""The stack's repositories in ECR: `{stack}/{name}`, each made when it is first pushed to.

What may push has a token of the function's own role, which can push to and pull from the stack's
repositories and delete nothing. Tags are immutable, so that what ran under one can be run again.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from botocore.exceptions import ClientError

from orchestrator import refusals
from orchestrator.closing import being_destroyed, is_closing
from orchestrator.settings import Runtime, log
from orchestrator.task_definitions import STACK_TAG
from orchestrator.times import iso
from orchestrator.wire import (
    AuthorizePushRequest,
    AuthorizePushResponse,
    FindBuiltImageRequest,
    FindBuiltImageResponse,
    WireError,
)

KEPT_IMAGES = 100
# What is expired by its number must be the last rule that ECR looks at.
LIFECYCLE_POLICY = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "description": "what has no tag is gone after a day",
                "selection": {
                    "tagStatus": "untagged",
                    "countType": "sinceImagePushed",
                    "countUnit": "days",
                    "countNumber": 1,
                },
                "action": {"type": "expire"},
            },
            {
                "rulePriority": 2,
                "description": f"the newest {KEPT_IMAGES} stay",
                "selection": {
                    "tagStatus": "any",
                    "countType": "imageCountMoreThan",
                    "countNumber": KEPT_IMAGES,
                },
                "action": {"type": "expire"},
            },
        ]
    }
)


def find(runtime: Runtime, request: FindBuiltImageRequest) -> FindBuiltImageResponse:
    """The image of this tag. Raises WireError (404)."""
    name = _name(runtime, request.repository)
    build = "`mycli build --push` builds it and pushes it"
    repository = _describe(runtime, name)
    if repository is None:
        raise WireError(404, f"there is no repository {name} in this stack's registry", build)
    try:
        described = runtime.ecr.describe_images(
            repositoryName=name, imageIds=[{"imageTag": request.tag}]
        )
    except ClientError as error:
        if refusals.code_of(error) not in ("ImageNotFoundException", "RepositoryNotFoundException"):
            raise
        raise WireError(404, f"there is no image {name}:{request.tag}", build) from None
    [image] = described["imageDetails"]
    return FindBuiltImageResponse(
        image=f"{repository['repositoryUri']}:{request.tag}",
        digest=image["imageDigest"],
        pushed_at=iso(image["imagePushedAt"].timestamp()),
    )


def authorize_push(runtime: Runtime, request: AuthorizePushRequest) -> AuthorizePushResponse:
    """Leave to push; whatever a first try did not get to do, the next one does.

    Raises WireError: 409 where the repository is not the stack's, or the stack is being destroyed.
    """
    if is_closing(runtime):
        raise being_destroyed()
    name = _name(runtime, request.repository)
    repository = _own(runtime, name)
    runtime.ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=LIFECYCLE_POLICY)
    [granted] = runtime.ecr.get_authorization_token()["authorizationData"]
    username, _, password = base64.b64decode(granted["authorizationToken"]).decode().partition(":")
    return AuthorizePushResponse(
        repository_uri=repository["repositoryUri"],
        username=username,
        password=password,
        expires_at=iso(granted["expiresAt"].timestamp()),
    )


def _name(runtime: Runtime, repository: str) -> str:
    return f"{runtime.settings.stack}/{repository}"


def _own(runtime: Runtime, name: str) -> dict[str, Any]:
    """The stack's repository of this name, made unless it is there."""
    # Between the first look and the making, somebody else may have made it.
    found = _describe(runtime, name) or _create(runtime, name) or _describe(runtime, name)
    if found is None:
        raise refusals.passing(f"the repository {name} was made and taken away at this moment")
    tags = runtime.ecr.list_tags_for_resource(resourceArn=found["repositoryArn"])["tags"]
    if {"Key": STACK_TAG, "Value": runtime.settings.stack} not in tags:
        raise WireError(
            409,
            f"the repository {name} is not this stack's: it has no tag {STACK_TAG}",
            "choose another name, or give it the tag if the stack may have it",
        )
    return found


def _describe(runtime: Runtime, name: str) -> dict[str, Any] | None:
    try:
        [found] = runtime.ecr.describe_repositories(repositoryNames=[name])["repositories"]
    except ClientError as error:
        if refusals.code_of(error) != "RepositoryNotFoundException":
            raise
        return None
    return dict(found)


def _create(runtime: Runtime, name: str) -> dict[str, Any] | None:
    """The new repository; None where there is one by now."""
    log(message=f"Making the repository {name}")
    try:
        made = runtime.ecr.create_repository(
            repositoryName=name,
            imageTagMutability="IMMUTABLE",
            tags=[{"Key": STACK_TAG, "Value": runtime.settings.stack}],
        )
    except ClientError as error:
        if refusals.code_of(error) != "RepositoryAlreadyExistsException":
            raise
        return None
    return dict(made["repository"])
