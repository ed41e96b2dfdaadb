"""Private registries: an image of one is pulled with its login, and no other image is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from orchestrator.settings import read_settings
from orchestrator.task_definitions import Revision, find
from orchestrator.wire import image_host
from tests.orchestrator.conftest import Account

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:mycli/mycli/registry/"
DIGEST = "@sha256:" + "0123456789abcdef" * 4
LOGINS = {
    host: SECRET + host.replace(":", "_")
    for host in ("docker.io", "ghcr.io", "registry.example:5000", "localhost:5000")
}


def log_in(account: Account, logins: Mapping[str, str]) -> None:
    """As after an `up` that changes the logins: the function starts with another environment."""
    account.runtime.remembered.clear()
    account.runtime.settings = dataclasses.replace(account.runtime.settings, registries=logins)


def executor(account: Account, revision: Revision) -> dict[str, Any]:
    described = account.runtime.ecs.describe_task_definition(taskDefinition=revision.arn)
    return described["taskDefinition"]["containerDefinitions"][0]


@pytest.mark.parametrize(
    ("image", "host"),
    [
        ("alpine", "docker.io"),
        ("alpine:3.20", "docker.io"),
        (f"alpine{DIGEST}", "docker.io"),
        ("hashicorp/terraform:1.6", "docker.io"),
        ("team/app/deep", "docker.io"),
        ("localhostess/app", "docker.io"),
        ("registry:5000", "docker.io"),  # an image called registry, with a tag
        ("docker.io/library/alpine", "docker.io"),
        ("index.docker.io/library/alpine:3", "docker.io"),
        ("registry-1.docker.io/library/alpine", "docker.io"),
        ("Docker.IO/library/alpine", "docker.io"),
        ("ghcr.io/user/app", "ghcr.io"),
        ("GHCR.io/user/app:1", "ghcr.io"),
        (f"ghcr.io/user/app:1{DIGEST}", "ghcr.io"),
        ("ghcr.io:443/user/app", "ghcr.io:443"),
        ("registry.example:5000/app", "registry.example:5000"),
        ("registry:5000/app:1", "registry:5000"),
        ("localhost/app", "localhost"),
        ("localhost:5000/app", "localhost:5000"),
        ("Registry/app", "registry"),
        (
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/mycli/api:1",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com",
        ),
        ("public.ecr.aws/docker/library/alpine", "public.ecr.aws"),
    ],
)
def test_the_host_that_an_image_comes_from(image: str, host: str) -> None:
    assert image_host(image) == host


@pytest.mark.parametrize(
    ("image", "host"),
    [
        ("alpine", "docker.io"),
        ("index.docker.io/library/alpine", "docker.io"),
        (f"GHCR.io/user/app:1{DIGEST}", "ghcr.io"),
        ("registry.example:5000/app", "registry.example:5000"),
        ("localhost:5000/app", "localhost:5000"),
        ("registry.example/app", None),
        ("ghcr.io.example/app", None),
        ("ghcr.io:443/user/app", None),
        ("localhost/app", None),
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com/mycli/api:1", None),
    ],
)
def test_an_image_is_pulled_with_its_own_registrys_login_or_with_none(
    account: Account, image: str, host: str | None
) -> None:
    log_in(account, LOGINS)

    found = executor(account, find(account.runtime, image, with_repo=False))

    assert found["image"] == image
    expected = {"credentialsParameter": LOGINS[host]} if host else None
    assert found.get("repositoryCredentials") == expected


def test_a_login_changes_the_revisions_of_its_images_alone(account: Account) -> None:
    def revisions() -> dict[str, tuple[str, str]]:
        found = {image: find(account.runtime, image, with_repo=False) for image in images}
        return {image: (each.arn[-2:], each.reason) for image, each in found.items()}

    images = ("alpine", "ghcr.io/user/app", "quay.example/app")
    assert {arn for arn, _ in revisions().values()} == {":1"}
    changed = (":2", "the login to its registry changed")
    log_in(account, {"ghcr.io": SECRET + "ghcr.io"})
    assert revisions() == {"alpine": (":1", ""), images[1]: changed, images[2]: (":1", "")}
    log_in(account, {"ghcr.io": SECRET + "ghcr.io", "docker.io": SECRET + "docker.io"})
    assert revisions() == {"alpine": changed, images[1]: (":2", ""), images[2]: (":1", "")}
    log_in(account, {})
    again = (":3", "the login to its registry changed")
    assert revisions() == {"alpine": again, images[1]: again, images[2]: (":1", "")}


ENVIRONMENT = {
    "MYCLI_STACK": "mycli",
    "API_KEY_HASH": "hash",
    "API_KEY_SHA256_PREFIX": "01234567",
    "MYCLI_TABLE": "mycli-executions",
    "MYCLI_CLUSTER": "mycli-cluster",
    "MYCLI_LOG_GROUP": "/aws/mycli/mycli",
    "MYCLI_SUBNETS": "subnet-1,subnet-2",
    "MYCLI_SECURITY_GROUP": "sg-1",
    "MYCLI_TEMPLATE": "arn:aws:ecs:us-east-1:123456789012:task-definition/mycli-task:1",
    "MYCLI_DEFAULT_IMAGE": "ubuntu:22.04",
    "MYCLI_LOG_POLL_SECONDS": "1",
}


@pytest.mark.parametrize(
    ("given", "registries"),
    [
        ({}, {}),  # of a stack that is older than this function
        ({"MYCLI_REGISTRIES": ""}, {}),
        ({"MYCLI_REGISTRIES": "{}"}, {}),
        ({"MYCLI_REGISTRIES": '{"ghcr.io": "arn:x"}'}, {"ghcr.io": "arn:x"}),
    ],
)
def test_the_logins_are_in_the_environment(
    given: dict[str, str], registries: dict[str, str]
) -> None:
    assert read_settings(ENVIRONMENT | given).registries == registries
