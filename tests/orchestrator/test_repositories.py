"""The stack's repositories: an image found, and leave to push another."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mycli.stack import executions
from orchestrator.repositories import KEPT_IMAGES
from tests.orchestrator.conftest import BEFORE, Account, Died, Fuse, Hooks

REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
TAG = "0123456789abcdef"


def push(account: Account, tag: str, content: str = "0") -> str:
    """Put an image under a tag, past the function: its digest."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"digest": "sha256:0", "size": 1},
        "layers": [{"digest": f"sha256:{content}", "size": 1}],
    }
    put = account.runtime.ecr.put_image(
        repositoryName="mycli/api", imageTag=tag, imageManifest=json.dumps(manifest)
    )
    return put["image"]["imageId"]["imageDigest"]


def test_a_repository_is_made_with_the_first_leave_to_push(account: Account) -> None:
    answer = account.ok("authorize_push", repository="api")

    assert answer == {
        "repository_uri": f"{REGISTRY}/mycli/api",
        "username": "AWS",
        "password": "123456789012-auth-token",
        "expires_at": "2015-01-01T00:00:00Z",
    }
    ecr = account.runtime.ecr
    [made] = ecr.describe_repositories()["repositories"]
    assert (made["repositoryName"], made["imageTagMutability"]) == ("mycli/api", "IMMUTABLE")
    tags = ecr.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"]
    assert tags == [{"Key": "mycli:stack", "Value": "mycli"}]
    policy = ecr.get_lifecycle_policy(repositoryName="mycli/api")["lifecyclePolicyText"]
    untagged, newest = [rule["selection"] for rule in json.loads(policy)["rules"]]
    assert untagged["countNumber"] == 1
    assert (newest["tagStatus"], newest["countNumber"]) == ("any", KEPT_IMAGES)


def test_leave_again_makes_nothing_new(account: Account) -> None:
    account.ok("authorize_push", repository="api")
    digest = push(account, TAG)
    account.calls.clear()

    account.ok("authorize_push", repository="api")

    assert account.calls == [
        "GetItem",
        "DescribeRepositories",
        "ListTagsForResource",
        "PutLifecyclePolicy",
        "GetAuthorizationToken",
    ]
    found = account.ok("find_built_image", repository="api", tag=TAG)
    assert found["digest"] == digest


def test_an_image_is_found_by_its_tag_as_an_exec_takes_it(account: Account) -> None:
    account.ok("authorize_push", repository="api")
    push(account, "an-earlier-one", "a")
    digest = push(account, TAG, "b")
    push(account, "a-later-one", "c")

    found = account.ok("find_built_image", repository="api", tag=TAG)

    assert found["image"] == f"{REGISTRY}/mycli/api:{TAG}"
    assert found["digest"] == digest
    assert found["pushed_at"].endswith("Z")
    started = account.ok("exec", command="true", skip_git=True, image=found["image"])
    assert started["image"] == found["image"]


@pytest.mark.parametrize(
    ("repository", "tag", "missing"),
    [("api", "no-such-tag", "mycli/api:no-such-tag"), ("web", TAG, "no repository mycli/web")],
)
def test_what_is_not_there_is_a_404_that_names_it(
    account: Account, repository: str, tag: str, missing: str
) -> None:
    account.ok("authorize_push", repository="api")
    push(account, TAG)

    status, answer = account.ask("find_built_image", repository=repository, tag=tag)

    assert status == 404
    assert missing in answer["error"]
    assert "mycli build --push" in answer["hint"]


def test_anothers_repository_is_neither_pushed_to_nor_changed(account: Account) -> None:
    ecr = account.runtime.ecr
    for name, tags in (("mycli/api", []), ("mycli/web", [{"Key": "mycli:stack", "Value": "b"}])):
        ecr.create_repository(repositoryName=name, tags=tags)
        status, answer = account.ask("authorize_push", repository=name.partition("/")[2])
        assert (status, "password" in answer) == (409, False)
        assert name in answer["error"]
        with pytest.raises(ecr.exceptions.LifecyclePolicyNotFoundException):
            ecr.get_lifecycle_policy(repositoryName=name)


def test_two_that_make_the_same_repository_at_once_both_may_push(
    account: Account, hooks: Hooks
) -> None:
    others: list[dict[str, Any]] = []

    def another_is_quicker(name: str) -> None:
        if name == "CreateRepository" and not others:
            others.append({})
            others[0] = account.ok("authorize_push", repository="api")

    hooks.watch(BEFORE, another_is_quicker)

    assert account.ok("authorize_push", repository="api") == others[0]
    assert account.calls.count("CreateRepository") == 2


def test_one_that_is_made_and_gone_again_is_to_be_tried_again(
    account: Account, hooks: Hooks
) -> None:
    hooks.fail("ecr.CreateRepository", "RepositoryAlreadyExistsException", "it exists")

    status, answer = account.ask("authorize_push", repository="api")

    assert (status, answer["hint"]) == (502, "try again in a moment")


def test_what_a_dead_function_left_undone_is_done_by_the_next(account: Account, fuse: Fuse) -> None:
    fuse.light(f"{BEFORE}.ecr.PutLifecyclePolicy", 0)
    with pytest.raises(Died):
        account.ask("authorize_push", repository="api")

    account.ok("authorize_push", repository="api")

    assert account.runtime.ecr.get_lifecycle_policy(repositoryName="mycli/api")


def test_a_stack_that_is_being_destroyed_makes_no_repository(account: Account) -> None:
    executions.refuse_new(account.runtime.dynamodb, "mycli-executions")

    status, answer = account.ask("authorize_push", repository="api")

    assert (status, answer["error"]) == (409, "this stack is being destroyed")
    assert account.runtime.ecr.describe_repositories()["repositories"] == []


CALLS = {
    "find_built_image": ["DescribeRepositories", "DescribeImages"],
    "authorize_push": [
        "DescribeRepositories",
        "CreateRepository",
        "ListTagsForResource",
        "PutLifecyclePolicy",
        "GetAuthorizationToken",
    ],
}


@pytest.mark.parametrize(
    ("code", "status"), [("ThrottlingException", 429), ("AccessDeniedException", 502)]
)
@pytest.mark.parametrize(
    ("action", "call"), [(action, call) for action, calls in CALLS.items() for call in calls]
)
def test_what_ecr_answers_instead_is_told(
    account: Account, hooks: Hooks, action: str, call: str, code: str, status: int
) -> None:
    fields = {"repository": "api"}
    if action == "find_built_image":
        account.ok("authorize_push", **fields)
        push(account, TAG)
        fields["tag"] = TAG
    hooks.fail(f"ecr.{call}", code, "the words of AWS")

    told = account.ask(action, **fields)

    assert told[0] == status
    assert call in told[1]["error"]
    assert account.ask(action, **fields)[0] == 200


def test_the_password_is_not_in_the_functions_log(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.ok("authorize_push", repository="api")

    said = capsys.readouterr().out
    assert '"authorize_push"' in said
    assert "auth-token" not in said
