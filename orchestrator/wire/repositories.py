"""The stack's own repositories of images: an image that is there, and leave to push another."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar

from orchestrator.wire.checks import text
from orchestrator.wire.messages import Request, Response

# What ECR takes behind the stack's name, and without folders.
REPOSITORY_NAME = re.compile(r"(?!.{101})[a-z0-9]+(?:[._-][a-z0-9]+)*")
REPOSITORY_NAME_ALLOWED = "1 to 100 small letters and digits, with single . _ or - in between"
IMAGE_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
IMAGE_TAG_ALLOWED = "1 to 128 letters, digits, . _ or -, no . or - first"


@dataclass(frozen=True, kw_only=True)
class FindBuiltImageRequest(Request):
    """Look for a tag in the stack's repository of this name. 404 where either is not there."""

    action: ClassVar[str] = "find_built_image"
    repository: str = text(REPOSITORY_NAME, REPOSITORY_NAME_ALLOWED, required=True)
    tag: str = text(IMAGE_TAG, IMAGE_TAG_ALLOWED, required=True)


@dataclass(frozen=True, kw_only=True)
class FindBuiltImageResponse(Response):
    """image: the whole address with the tag, as an exec takes it. digest: `sha256:…`."""

    image: str
    digest: str
    pushed_at: str


@dataclass(frozen=True, kw_only=True)
class AuthorizePushRequest(Request):
    """Make the stack's repository of this name, where it is not there, and give leave to push."""

    action: ClassVar[str] = "authorize_push"
    repository: str = text(REPOSITORY_NAME, REPOSITORY_NAME_ALLOWED, required=True)


@dataclass(frozen=True, kw_only=True)
class AuthorizePushResponse(Response):
    """Leave to push to and pull from every repository of the stack, until expires_at.

    repository_uri: of the one that was asked for, without a tag.
    """

    repository_uri: str
    username: str
    password: str = field(repr=False)
    expires_at: str
