"""ECR's API of the account on this machine, where it must be as AWS's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from mycli.local.lifecycle import rules
from orchestrator.repositories import LIFECYCLE_POLICY
from tests.local.conftest import Running
from tests.local.registry_client import IMAGE, INDEX, Registry, digest_of, manifest, registry

NAME = "actions/api"


@pytest.fixture
def ecr(running: Running) -> Any:
    return running.clients("ecr")


@pytest.fixture
def here(running: Running, ecr: Any) -> Iterator[Registry]:
    with registry(running.account, running.clients, NAME) as client:
        yield client
    ecr.delete_repository(repositoryName=NAME, force=True)


def code(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


@pytest.mark.parametrize("name", ["Upper", "a//b", "/a", "a/", "a..b", "-a", "a_", "../x", "a b"])
def test_a_repositorys_name_is_checked(ecr: Any, name: str) -> None:
    assert code(ecr.create_repository, repositoryName=name) == "InvalidParameterException"


def test_there_is_one_registry(running: Running) -> None:
    """The region of a call is not in a repository's address here, so there is only one."""
    here = running.account
    elsewhere = boto3.client(
        "ecr",
        aws_access_key_id=here.access_key_id,
        aws_secret_access_key=here.secret_access_key,
        region_name="eu-west-1",
        endpoint_url=here.origin,
        config=Config(proxies={}),
    )
    made = code(elsewhere.create_repository, repositoryName=NAME)
    assert made == "InvalidParameterException"


def test_repositories_come_in_pages(ecr: Any) -> None:
    names = [f"paged/{number}" for number in range(5)]
    for name in names:
        ecr.create_repository(repositoryName=name)
    pages = ecr.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 2})
    found = [item["repositoryName"] for page in pages for item in page["repositories"]]
    assert [name for name in found if name.startswith("paged/")] == names
    assert len(found) == len({*found})
    for name in names:
        ecr.delete_repository(repositoryName=name)
    gone = code(ecr.describe_repositories, repositoryNames=names)
    assert gone == "RepositoryNotFoundException"


def test_images_are_described_by_tag_or_digest(ecr: Any, here: Registry) -> None:
    first, second = here.push("1", b"a"), here.push("2", b"b")
    here.push("1", b"c")  # the first has no tag any more

    def described(**image_id: str) -> Any:
        answer = ecr.describe_images(repositoryName=NAME, imageIds=[image_id])
        return answer["imageDetails"][0]

    assert described(imageTag="2")["imageDigest"] == second
    assert "imageTags" not in described(imageDigest=first)
    for missing in (
        {"imageTag": "3"},
        {"imageDigest": digest_of(b"?")},
        {"imageTag": "2", "imageDigest": first},
    ):
        asked = {"repositoryName": NAME, "imageIds": [missing]}
        assert code(ecr.describe_images, **asked) == "ImageNotFoundException"
    listed = ecr.list_images(repositoryName=NAME)["imageIds"]
    assert {"imageDigest": first} in listed
    assert {"imageDigest": second, "imageTag": "2"} in listed
    pages = ecr.get_paginator("describe_images").paginate(
        repositoryName=NAME, filter={"tagStatus": "TAGGED"}, PaginationConfig={"PageSize": 1}
    )
    assert [len(page["imageDetails"]) for page in pages] == [1, 1]


def test_an_image_put_by_the_api_is_in_the_registry(ecr: Any, here: Registry) -> None:
    here.push("1", b"a")
    text = here.ask("GET", "manifests/1").text
    put = {"repositoryName": NAME, "imageManifest": text, "imageManifestMediaType": IMAGE}
    ecr.put_image(**put, imageTag="2")
    assert here.ask("GET", "manifests/2").text == text
    assert code(ecr.put_image, **put, imageTag="2") == "ImageAlreadyExistsException"
    ecr.put_image_tag_mutability(repositoryName=NAME, imageTagMutability="IMMUTABLE")
    here.push("3", b"b")
    assert code(ecr.put_image, **put, imageTag="3") == "ImageTagAlreadyExistsException"
    missing = put | {"imageManifest": text.replace(digest_of(b"a"), digest_of(b"?"))}
    assert code(ecr.put_image, **missing, imageTag="4") == "LayersNotFoundException"


def test_deleting_images_frees_what_no_other_needs(
    running: Running, ecr: Any, here: Registry
) -> None:
    def on_disk(content: bytes) -> bool:
        name = digest_of(content).removeprefix("sha256:")
        return bool([*running.place.registry.rglob(name)])

    def delete(**image_id: str) -> Any:
        return ecr.batch_delete_image(repositoryName=NAME, imageIds=[image_id])

    here.push("1", b"shared by two", b"of the first")
    here.put_manifest("1-too", here.ask("GET", "manifests/1").json())
    here.push("2", b"shared by two", b"of the second")
    delete(imageTag="1")
    assert (here.status("manifests/1"), here.status("manifests/1-too")) == (404, 200)
    assert on_disk(b"of the first")
    delete(imageTag="1-too")
    assert here.status("manifests/1-too") == 404
    assert not on_disk(b"of the first")
    assert on_disk(b"shared by two")
    assert delete(imageTag="1")["failures"][0]["failureCode"] == "ImageNotFound"


def test_an_image_of_a_list_stays(ecr: Any, here: Registry) -> None:
    one = here.push("1", b"a")
    index = {"schemaVersion": 2, "manifests": [{"digest": one}]}
    assert here.put_manifest("all", index, INDEX).is_success
    asked = {"repositoryName": NAME, "imageIds": [{"imageDigest": one}]}
    [failure] = ecr.batch_delete_image(**asked)["failures"]
    assert failure["failureCode"] == "ImageReferencedByManifestList"
    ecr.batch_delete_image(repositoryName=NAME, imageIds=[{"imageTag": "all"}])
    assert ecr.batch_delete_image(**asked)["failures"] == []
    assert ecr.describe_images(repositoryName=NAME)["imageDetails"] == []


def test_layers_are_known_to_the_api(running: Running, ecr: Any, here: Registry) -> None:
    there, missing = here.put_blob(b"layer"), digest_of(b"?")
    asked = {"repositoryName": NAME, "layerDigests": [there, missing, "x"]}
    answer = ecr.batch_check_layer_availability(**asked)
    availability = {item["layerDigest"]: item["layerAvailability"] for item in answer["layers"]}
    assert availability == {there: "AVAILABLE", missing: "UNAVAILABLE"}
    assert answer["failures"][0]["layerDigest"] == "x"
    url = ecr.get_download_url_for_layer(repositoryName=NAME, layerDigest=there)["downloadUrl"]
    assert here.http.get(url).content == b"layer"
    asked = {"repositoryName": NAME, "layerDigest": missing}
    assert code(ecr.get_download_url_for_layer, **asked) == "LayersNotFoundException"


def test_a_repository_with_images_is_deleted_by_force_only(ecr: Any, here: Registry) -> None:
    here.put_manifest("1", manifest(here.put_blob(b"{}"), []))
    assert code(ecr.delete_repository, repositoryName=NAME) == "RepositoryNotEmptyException"
    assert here.status("manifests/1") == 200


def test_the_lifecycle_policy_is_kept_to(running: Running, ecr: Any, here: Registry) -> None:
    """The one that a stack's repositories have, with other numbers."""
    policy = json.loads(LIFECYCLE_POLICY)
    policy["rules"][1]["selection"]["countNumber"] = 2
    text = json.dumps(policy)
    ecr.put_lifecycle_policy(repositoryName=NAME, lifecyclePolicyText=text)
    for tag in ("1", "2", "3", "4"):
        here.push(tag, f"layer {tag}".encode())
    assert here.ask("GET", "tags/list").json()["tags"] == ["3", "4"]
    layers = [digest_of(f"layer {tag}".encode()) for tag in ("1", "2", "3", "4")]
    assert [here.status(f"blobs/{digest}") for digest in layers] == [404, 404, 200, 200]
    of_three = here.ask("GET", "manifests/3").headers["docker-content-digest"]
    index = {"schemaVersion": 2, "manifests": [{"digest": of_three}]}
    assert here.put_manifest("all", index, INDEX).is_success
    here.push("5", b"layer 5")
    tags = here.ask("GET", "tags/list").json()["tags"]
    assert tags == ["3", "5", "all"], "what a list names stays"


def test_what_has_no_tag_goes_after_a_day() -> None:
    untagged, _ = rules(LIFECYCLE_POLICY)
    assert untagged.selects([])
    assert not untagged.selects(["1"])
    images = [{"imagePushedAt": pushed} for pushed in (100_000.0, 13_601.0, 13_599.0)]
    assert untagged.beyond(images, now=100_000.0) == images[2:]


@pytest.mark.parametrize("policy", ["", "{}", "[]", '{"rules": [{}]}', '{"rules": [1]}', "\u00e9"])
def test_a_policy_that_is_none_is_refused(ecr: Any, here: Registry, policy: str) -> None:
    asked = {"repositoryName": NAME, "lifecyclePolicyText": policy.ljust(100)}
    assert code(ecr.put_lifecycle_policy, **asked) == "InvalidParameterException"
