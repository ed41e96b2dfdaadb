"""Images of the account's repositories: manifests and tags, in the emulator's own records.

The registry and ECR's API are two ways to the same images. A manifest names blobs of its
repository, or (a list, an index) other manifests in it; what it names must be there.
https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutImage.html
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import re
import time
from collections.abc import Generator, Iterable
from typing import Any, cast

from mycli.local import emulator
from mycli.local.blobs import DIGEST, Blobs
from mycli.local.guard import MAX_MANIFEST_BYTES

TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_COMPONENT = "[a-z0-9]+(?:[._-][a-z0-9]+)*"
REPOSITORY = re.compile(rf"(?=.{{2,256}}\Z){_COMPONENT}(?:/{_COMPONENT})*")

_IMAGES = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
_LISTS = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)

Image = dict[str, Any]


class Refused(Exception):
    """Why an image cannot be put. code: as the registry says it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TagTaken(Refused):
    """The tag is another image's, and the repository's tags are immutable."""


class NotThere(Refused):
    """Something that the manifest names is not in the repository."""


def exists(repository: str) -> bool:
    return repository in emulator.service("ecr")._repositories


def images(repository: str) -> list[Image]:
    return emulator.service("ecr")._images.get(repository) or []


def find(repository: str, reference: str) -> Image | None:
    """By a digest or a tag."""
    for image in images(repository):
        if reference in (image["imageDigest"], *image["imageTags"]):
            return image
    return None


def put(blobs: Blobs, repository: str, body: bytes, media_type: str, tag: str | None) -> Image:
    """Have this manifest in the repository, under the tag if there is one. Raises Refused."""
    document, media_type = _parsed(body, media_type)
    size = _size(blobs, repository, document, media_type)
    digest = "sha256:" + hashlib.sha256(body).hexdigest()
    ecr = emulator.service("ecr")
    if tag is not None:
        _free(repository, tag, digest, ecr._repositories[repository]["imageTagMutability"])
    image = find(repository, digest)
    if image is None:
        made: Image = {
            "registryId": ecr._registry_id(),
            "repositoryName": repository,
            "imageId": {"imageDigest": digest},
            "imageDigest": digest,
            "imageManifest": body.decode(),
            "imageManifestMediaType": media_type,
            "imageTags": [],
            "imagePushedAt": time.time(),
            "imageSizeInBytes": size,
        }
        image = made
        ecr._images[repository] = [*images(repository), image]
    if tag is not None and tag not in image["imageTags"]:
        image["imageTags"].append(tag)
    return image


def take_out(repository: str, gone: list[Image]) -> set[str]:
    """Remove these images; returns the digests of the blobs that no other one needs."""
    left = [image for image in images(repository) if image not in gone]
    emulator.service("ecr")._images[repository] = left
    return blobs_of(gone) - blobs_of(left)


@contextlib.contextmanager
def undone_by_an_error(repository: str) -> Generator[None]:
    """What is done to the images within it is undone where it ends with an error."""
    ecr = emulator.service("ecr")
    before = copy.deepcopy(images(repository))
    try:
        yield
    except BaseException:
        if exists(repository):
            ecr._images[repository] = before
        raise


def _free(repository: str, tag: str, digest: str, mutability: str) -> None:
    """Take the tag from the image that has it, if it may be taken."""
    other = find(repository, tag)
    if other is None or other["imageDigest"] == digest:
        return
    if mutability == "IMMUTABLE":
        raise TagTaken(
            "TAG_INVALID",
            f"The image tag '{tag}' already exists in the '{repository}' repository and cannot be "
            "overwritten because the tag is immutable.",
        )
    other["imageTags"].remove(tag)


def _parsed(body: bytes, media_type: str) -> tuple[dict[str, Any], str]:
    if len(body) > MAX_MANIFEST_BYTES:
        raise Refused("MANIFEST_INVALID", f"a manifest may have {MAX_MANIFEST_BYTES} bytes")
    try:
        document: Any = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise Refused("MANIFEST_INVALID", "the manifest is not JSON") from None
    if not isinstance(document, dict):
        raise Refused("MANIFEST_INVALID", "the manifest is not an object")
    parsed = cast("dict[str, Any]", document)
    media_type = media_type or str(parsed.get("mediaType", ""))
    if media_type not in (*_IMAGES, *_LISTS) or parsed.get("schemaVersion") != 2:
        raise Refused("MANIFEST_INVALID", f"manifests of type {media_type!r} are not kept here")
    if parsed.get("mediaType", media_type) != media_type:
        raise Refused("MANIFEST_INVALID", "the manifest says that it is of another type")
    return parsed, media_type


def _size(blobs: Blobs, repository: str, document: dict[str, Any], media_type: str) -> int:
    """Of all that the manifest names, in bytes. Raises NotThere."""
    if media_type in _LISTS:
        for digest in _named(document, media_type):
            if find(repository, digest) is None:
                raise NotThere("MANIFEST_BLOB_UNKNOWN", f"there is no manifest {digest} here")
        return len(json.dumps(document))
    total = 0
    for digest in _named(document, media_type):
        size = blobs.size(repository, digest)
        if size is None:
            raise NotThere("MANIFEST_BLOB_UNKNOWN", f"there is no blob {digest} here")
        total += size
    return total


def _named(document: dict[str, Any], media_type: str) -> list[str]:
    """The digests that a manifest names: of manifests, or of blobs that must be in its repository.

    (A layer with `urls` is fetched from there.)
    """
    try:
        if media_type in _LISTS:
            named = [item["digest"] for item in document["manifests"]]
        else:
            kept = [layer for layer in document["layers"] if not layer.get("urls")]
            named = [item["digest"] for item in (document["config"], *kept)]
    except (KeyError, TypeError, AttributeError):
        raise Refused("MANIFEST_INVALID", "the manifest lacks what its type asks for") from None
    if not all(isinstance(digest, str) and DIGEST.fullmatch(digest) for digest in named):
        raise Refused("MANIFEST_INVALID", "digests are sha256 here")
    return named


def blobs_of(listed: Iterable[Image]) -> set[str]:
    """The digests of the blobs that these images are made of."""
    found: set[str] = set()
    for image in listed:
        if image["imageManifestMediaType"] in _IMAGES:
            document = json.loads(image["imageManifest"])
            found |= set(_named(document, image["imageManifestMediaType"]))
    return found


def lists_with(repository: str, digest: str) -> list[str]:
    """The digests of the lists that name this image."""
    return [
        image["imageDigest"]
        for image in images(repository)
        if image["imageManifestMediaType"] in _LISTS
        and digest in _named(json.loads(image["imageManifest"]), image["imageManifestMediaType"])
    ]
