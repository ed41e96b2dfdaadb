"""The account's container registry: what it keeps, and what it does not take."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.local.conftest import Running
from tests.local.registry_client import Registry, digest_of, registry


@pytest.fixture
def here(running: Running, request: pytest.FixtureRequest) -> Iterator[Registry]:
    """A repository of this test's own."""
    name = "mycli/" + request.node.originalname.replace("_", "-")
    with registry(running.account, running.clients, name) as client:
        yield client
    running.clients("ecr").delete_repository(repositoryName=name, force=True)


def kept(running: Running) -> dict[str, int]:
    """The files of the registry, and their sizes."""
    folder = running.place.registry
    return {
        str(path.relative_to(folder)): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file()
    }


def code_of(answer: httpx.Response) -> str:
    return json.loads(answer.text)["errors"][0]["code"]


def test_what_was_pushed_is_pulled(running: Running, here: Registry) -> None:
    digest = here.push("1", b"layer", b"")
    for reference in ("1", digest):
        answer = here.ask("GET", f"manifests/{reference}")
        assert digest_of(answer.content) == digest == answer.headers["docker-content-digest"]
        head = here.ask("HEAD", f"manifests/{reference}")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(answer.content))
    for layer in (b"layer", b""):
        answer = here.ask("GET", f"blobs/{digest_of(layer)}")
        assert (answer.status_code, answer.content) == (200, layer)
    [image] = running.clients("ecr").describe_images(repositoryName=here.repository)["imageDetails"]
    assert (image["imageDigest"], image["imageTags"]) == (digest, ["1"])
