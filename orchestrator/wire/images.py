"""Images, and the names that they are given in a stack."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from orchestrator.wire.checks import checked, is_token, text, whole
from orchestrator.wire.messages import Request, Response
from orchestrator.wire.sizes import check_fargate_size, is_arch

DEFAULT_IMAGE = "ubuntu:22.04"
# One registry under several names; the first is the one that images have.
DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com")
IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,511}")
# A name has none of / : . @, so that most images cannot be taken for one.
IMAGE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_IMAGE_NAME_ALLOWED = "1 to 40 small letters, digits and dashes, no dash first"
_SHELL = re.compile(r"/[A-Za-z0-9._/+-]{1,254}")


def image_host(image: str) -> str:
    """The host of the registry that an image is pulled from, in small letters, with its port.

    As Docker reads it: what stands before the first slash is a host only if it looks like one.
    """
    first, slash, _ = image.partition("/")
    is_host = re.search(r"[.:A-Z]", first) or first == "localhost"
    host = first.lower() if slash and is_host else DOCKER_HUB[0]
    return DOCKER_HUB[0] if host in DOCKER_HUB else host


@dataclass(frozen=True, kw_only=True)
class RegisterImageRequest(Request):
    """Let `image` of an exec be this name, and mean this image with this size and architecture.

    shell: the absolute path of what is given `-c SCRIPT` in an image without /bin/sh.
    """

    action: ClassVar[str] = "register_image"
    name: str = text(IMAGE_NAME, _IMAGE_NAME_ALLOWED, required=True)
    image: str = text(IMAGE, "an image such as hashicorp/terraform:1.6", required=True)
    cpu: int | None = whole(256, 16384)
    memory: int | None = whole(512, 122880)
    arch: str | None = checked(is_arch)
    shell: str | None = text(_SHELL, "the absolute path of a shell in the image, such as /bin/ash")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_fargate_size(self.cpu, self.memory)


@dataclass(frozen=True, kw_only=True)
class UnregisterImageRequest(Request):
    action: ClassVar[str] = "unregister_image"
    name: str = text(IMAGE_NAME, _IMAGE_NAME_ALLOWED, required=True)


@dataclass(frozen=True, kw_only=True)
class ListImagesRequest(Request):
    action: ClassVar[str] = "list_images"
    limit: int = whole(1, 100, 50)
    next_token: str | None = checked(is_token)


@dataclass(frozen=True, kw_only=True)
class NamedImage(Response):
    """What a name means. cpu (vCPU units), memory (MB), arch, shell: the stack's own where null."""

    name: str
    image: str
    cpu: int | None = None
    memory: int | None = None
    arch: str | None = None
    shell: str | None = None
    registered_at: str = ""


@dataclass(frozen=True, kw_only=True)
class RegisterImageResponse(Response):
    """replaced: what the name meant before, null where it is new."""

    image: NamedImage
    replaced: NamedImage | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        images = {
            field: NamedImage.from_json(data[field])
            for field in ("image", "replaced")
            if data.get(field)
        }
        return super().from_json({**data, **images})


@dataclass(frozen=True, kw_only=True)
class UnregisterImageResponse(Response):
    pass


@dataclass(frozen=True, kw_only=True)
class ListImagesResponse(Response):
    images: Sequence[NamedImage] = ()
    next_token: str | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        images = tuple(NamedImage.from_json(image) for image in data.get("images", ()))
        return super().from_json({**data, "images": images})
