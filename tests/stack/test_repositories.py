"""Which repositories a destroy takes away, on moto."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from mycli.stack import repositories

Ecr = Any


@pytest.fixture
def ecr(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ecr]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield boto3.client("ecr", region_name="us-east-1")


def make(ecr: Ecr, name: str, stack: str | None) -> None:
    tags = [{"Key": "mycli:stack", "Value": stack}] if stack else []
    ecr.create_repository(repositoryName=name, tags=tags)


def test_the_stacks_own_go_with_their_images(ecr: Ecr) -> None:
    make(ecr, "mycli/api", "mycli")
    make(ecr, "mycli/web", "mycli")
    manifest = '{"schemaVersion": 2, "mediaType": "x", "config": {"digest": "y"}, "layers": []}'
    ecr.put_image(repositoryName="mycli/api", imageManifest=manifest, imageTag="1")
    told: list[str] = []
    assert repositories.find(ecr, "mycli") == ["mycli/api", "mycli/web"]
    assert repositories.remove(ecr, "mycli", told.append) == 2
    assert ecr.describe_repositories()["repositories"] == []
    assert told == [
        "Deleted the repository mycli/api with its images",
        "Deleted the repository mycli/web with its images",
    ]
    assert repositories.remove(ecr, "mycli", told.append) == 0


def test_no_others_are_touched(ecr: Ecr) -> None:
    theirs = {
        "mycli/by-hand": None,  # the name alone makes it nobody's
        "mycli/of-another": "other",
        "mycli-2/api": "mycli-2",
        "other/mycli/api": "mycli",
        "mycli": "mycli",
    }
    for name, stack in theirs.items():
        make(ecr, name, stack)
    assert repositories.remove(ecr, "mycli", lambda _: None) == 0
    found = ecr.describe_repositories()["repositories"]
    assert {repository["repositoryName"] for repository in found} == set(theirs)


def test_more_than_a_page() -> None:
    """moto has one page for all."""
    ecr: Any = boto3.client(
        "ecr", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    arn = "arn:aws:ecr:us-east-1:123456789012:repository/mycli/"
    with Stubber(ecr) as answers:
        for token, name in (("more", "api"), (None, "web")):
            page = [{"repositoryName": f"mycli/{name}", "repositoryArn": arn + name}]
            more = {"nextToken": token} if token else {}
            answers.add_response("describe_repositories", {"repositories": page, **more})
            tags = [{"Key": "mycli:stack", "Value": "mycli"}]
            answers.add_response("list_tags_for_resource", {"tags": tags})
        assert repositories.find(ecr, "mycli") == ["mycli/api", "mycli/web"]


def test_one_that_somebody_deletes_meanwhile_is_no_error(ecr: Ecr) -> None:
    make(ecr, "mycli/api", "mycli")
    make(ecr, "mycli/web", "mycli")

    def take_the_other(_: str) -> None:
        ecr.delete_repository(repositoryName="mycli/web", force=True)

    assert repositories.remove(ecr, "mycli", take_the_other) == 1
