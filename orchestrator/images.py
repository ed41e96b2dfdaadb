"""Named images: the actions that keep them, and what an execution's image means.

Each is an item `image#NAME` of the table, without an end, and found in the index by-month under
`image`, which is no month. Nothing is remembered: a change holds for the next execution.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.items import from_item, key_of, to_item
from orchestrator.settings import Runtime
from orchestrator.times import iso
from orchestrator.wire import (
    IMAGE_NAME,
    ExecRequest,
    ListImagesRequest,
    ListImagesResponse,
    NamedImage,
    RegisterImageRequest,
    RegisterImageResponse,
    UnregisterImageRequest,
    UnregisterImageResponse,
    WireError,
    invalid,
)

_GROUP = "image"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What an execution runs on. size: cpu and memory, where not those of the task definition."""

    image: str
    name: str | None = None
    size: tuple[int, int] | None = None
    arch: str | None = None
    shell: str | None = None


def resolve(runtime: Runtime, request: ExecRequest) -> Wanted:
    """The request's image, or that of this name, with what the request says itself put over it.

    One call to AWS where the image could be a name, which has none of `/ : . @`; else none.
    """
    named = find(runtime, request.image) if request.image else None
    size = _size(request.cpu, request.memory)
    if named is None:
        image = request.image or runtime.settings.default_image
        return Wanted(image=image, size=size, arch=request.arch)
    return Wanted(
        image=named.image,
        name=named.name,
        size=size or _size(named.cpu, named.memory),
        arch=request.arch or named.arch,
        shell=named.shell,
    )


def find(runtime: Runtime, name: str) -> NamedImage | None:
    """The named image; None where there is none, without a call to AWS where it is no name."""
    if not IMAGE_NAME.fullmatch(name):
        return None
    found = runtime.dynamodb.get_item(
        TableName=runtime.settings.table, Key=_key(name), ConsistentRead=True
    )
    return _to_named_image(found["Item"]) if "Item" in found else None


def register(runtime: Runtime, request: RegisterImageRequest) -> RegisterImageResponse:
    """Give an image a name; what the name meant before is replaced whole."""
    image = NamedImage(
        name=request.name,
        image=request.image,
        cpu=request.cpu,
        memory=request.memory,
        arch=request.arch,
        shell=request.shell,
        registered_at=iso(runtime.now()),
    )
    item = to_item(image.to_json() | {"month": _GROUP})
    put = runtime.dynamodb.put_item(
        TableName=runtime.settings.table, Item=item | _key(image.name), ReturnValues="ALL_OLD"
    )
    replaced = _to_named_image(put["Attributes"]) if "Attributes" in put else None
    return RegisterImageResponse(image=image, replaced=replaced)


def unregister(runtime: Runtime, request: UnregisterImageRequest) -> UnregisterImageResponse:
    """Raises WireError (404) where there is no such name."""
    gone = runtime.dynamodb.delete_item(
        TableName=runtime.settings.table, Key=_key(request.name), ReturnValues="ALL_OLD"
    )
    if "Attributes" not in gone:
        raise WireError(404, f"there is no image named {request.name}", "`list-images` shows them")
    return UnregisterImageResponse()


def page(runtime: Runtime, request: ListImagesRequest) -> ListImagesResponse:
    """Named images in the order of their names; the index follows the table by a moment."""
    after = request.next_token or ""
    if after and not IMAGE_NAME.fullmatch(after):
        raise invalid("next_token", "is none that a list answered", "one that a list answered")
    found = runtime.dynamodb.query(
        TableName=runtime.settings.table,
        IndexName="by-month",
        KeyConditionExpression="#month = :month AND execution_id > :after",
        ExpressionAttributeNames={"#month": "month"},
        ExpressionAttributeValues=to_item(
            {":month": _GROUP, ":after": _key(after)["execution_id"]["S"]}
        ),
        Limit=request.limit,
    )
    images = tuple(_to_named_image(item) for item in found["Items"])
    more = "LastEvaluatedKey" in found and images
    return ListImagesResponse(images=images, next_token=images[-1].name if more else None)


def _size(cpu: int | None, memory: int | None) -> tuple[int, int] | None:
    return (cpu, memory) if cpu and memory else None


def _key(name: str) -> dict[str, Any]:
    return key_of(f"image#{name}")


def _to_named_image(item: Mapping[str, Mapping[str, Any]]) -> NamedImage:
    return NamedImage.from_json(from_item(item))
