"""Who may do what in the account's registry: its own passwords, and the policies of who has one."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from mycli.local.place import Account
from mycli.local.registry_tokens import TOKEN_SECONDS, Caller, Tokens
from tests.local.conftest import Running
from tests.local.registry_client import (
    Registry,
    digest_of,
    manifest,
    password_of,
    registry,
    token_of,
)

NAME = "access/api"
PUSH = [
    "BatchCheckLayerAvailability",
    "CompleteLayerUpload",
    "InitiateLayerUpload",
    "PutImage",
    "UploadLayerPart",
]
PULL = ["BatchGetImage", "GetDownloadUrlForLayer"]


@pytest.fixture
def owner(running: Running) -> Iterator[Registry]:
    with registry(running.account, running.clients, NAME) as client:
        client.push("1", b"layer")
        yield client
    running.clients("ecr").delete_repository(repositoryName=NAME, force=True)


def ping(account: Account, *authorization: str) -> httpx.Response:
    headers = [("authorization", text) for text in authorization]
    return httpx.get(f"{account.origin}/v2/", headers=headers, trust_env=False)


def basic(password: str, user: str = "AWS") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


# --- Passwords ------------------------------------------------------------------------------------


def test_the_address_and_the_password_are_ecrs(running: Running, owner: Registry) -> None:
    ecr, here = running.clients("ecr"), running.account
    [given] = ecr.get_authorization_token()["authorizationData"]
    assert given["proxyEndpoint"] == here.origin
    assert abs(given["expiresAt"].timestamp() - time.time() - TOKEN_SECONDS) < 60
    [repository] = ecr.describe_repositories(repositoryNames=[NAME])["repositories"]
    assert repository["repositoryUri"] == f"127.0.0.1:{here.port}/{NAME}"
    assert ping(here, f"Basic {given['authorizationToken']}").status_code == 200


def strangers(running: Running) -> dict[str, list[str]]:
    """Authorization headers that must open nothing."""
    here, good = running.account, password_of(running.clients("ecr"))
    content, mac = good.split(".")
    claims = json.loads(base64.urlsafe_b64decode(content + "=="))
    later = json.dumps(claims | {"expires": claims["expires"] + 1}, separators=(",", ":"))
    longer = base64.urlsafe_b64encode(later.encode()).decode().rstrip("=")
    old = Tokens(
        here.secret_access_key, here.account_id, lambda: time.time() - TOKEN_SECONDS - 1
    ).issue(Caller())[0]
    foreign = Tokens("another account's secret", here.account_id).issue(Caller())[0]
    return {
        "none": [],
        "empty": [""],
        "no password": [basic("")],
        "another user": [basic(good, "aws")],
        "another scheme": [basic(good).replace("Basic", "Bearer")],
        "a token alone": [f"Bearer {good}"],
        "the secret key": [basic(here.secret_access_key)],
        "the key as for AWS": [basic(here.secret_access_key, here.access_key_id)],
        "expired": [basic(old)],
        "prolonged": [basic(f"{longer}.{mac}")],
        "of another account": [basic(foreign)],
        "without its MAC": [basic(content)],
        "with an empty MAC": [basic(f"{content}.")],
        "with half of its MAC": [basic(f"{content}.{mac[:20]}")],
        "cut short": [basic(good[:-1])],
        "twice": [basic(good), basic(good)],
        "in pieces": [basic(good).replace("Basic ", "Basic  x ")],
        "no base64": ["Basic ###"],
        "no UTF-8": ["Basic " + base64.b64encode(b"AWS:\xff\xfe").decode()],
        "the emulator's": [basic("ministack-auth-token")],
    }


def test_only_its_own_passwords_open_the_registry(running: Running) -> None:
    assert ping(running.account, basic(password_of(running.clients("ecr")))).status_code == 200
    for kind, headers in strangers(running).items():
        answer = ping(running.account, *headers)
        assert answer.status_code == 401, kind
        assert answer.headers["www-authenticate"].startswith("Basic "), kind


def test_a_password_of_the_registry_signs_nothing(running: Running) -> None:
    password = password_of(running.clients("ecr"))
    answer = httpx.post(
        running.account.origin,
        headers={
            "authorization": basic(password),
            "x-amz-target": "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories",
        },
        trust_env=False,
    )
    assert answer.status_code == 403


# --- Roles ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Role:
    running: Running
    name: str

    def allow(self, *statements: tuple[list[str], str]) -> None:
        """Actions of ECR, each list of them on the repositories of this name."""
        here = self.running.account
        prefix = f"arn:aws:ecr:{here.region}:{here.account_id}:repository/"
        listed = [
            {
                "Effect": "Allow",
                "Action": [f"ecr:{action}" for action in actions],
                "Resource": "*" if name == "*" else prefix + name,
            }
            for actions, name in statements
        ]
        document = json.dumps({"Version": "2012-10-17", "Statement": listed})
        self.running.clients("iam").put_role_policy(
            RoleName=self.name, PolicyName="policy", PolicyDocument=document
        )

    def client(self, service: str = "ecr", **session: Any) -> Any:
        here = self.running.account
        given = self.running.clients("sts").assume_role(
            RoleArn=f"arn:aws:iam::{here.account_id}:role/{self.name}",
            RoleSessionName="visit",
            **session,
        )["Credentials"]
        return boto3.client(
            service,
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
            region_name=here.region,
            endpoint_url=here.origin,
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )

    @contextmanager
    def registry(self, repository: str = NAME) -> Generator[Registry]:
        headers = {"authorization": f"Basic {token_of(self.client())}"}
        origin = self.running.account.origin
        with httpx.Client(base_url=origin, headers=headers, trust_env=False) as client:
            yield Registry(client, repository)


def make(running: Running, name: str) -> None:
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Statement": [trust]})
    running.clients("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)


def unmake(running: Running, name: str) -> None:
    iam = running.clients("iam")
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


@pytest.fixture
def role(running: Running) -> Iterator[Role]:
    make(running, "pusher")
    yield Role(running, "pusher")
    unmake(running, "pusher")


TOKEN = (["GetAuthorizationToken"], "*")


def test_a_role_pushes_and_pulls_where_it_may(role: Role, owner: Registry) -> None:
    role.allow(TOKEN, (PUSH + PULL, "access/*"))
    with role.registry() as client:
        digest = client.push("2", b"of the role")
        assert client.ask("GET", f"manifests/{digest}").status_code == 200
        assert client.status(f"blobs/{digest_of(b'layer')}") == 200
        assert client.status("tags/list") == 403
    role.allow(TOKEN, (PUSH + PULL, "elsewhere/*"))
    with role.registry() as client:
        for path, method in (
            ("manifests/1", "GET"),
            ("manifests/1", "HEAD"),
            ("manifests/1", "PUT"),
            (f"blobs/{digest_of(b'layer')}", "GET"),
            (f"blobs/{digest_of(b'layer')}", "HEAD"),
            ("blobs/uploads/", "POST"),
            ("blobs/uploads/" + "0" * 32, "GET"),
            ("blobs/uploads/" + "0" * 32, "PATCH"),
            ("blobs/uploads/" + "0" * 32, "PUT"),
            ("blobs/uploads/" + "0" * 32, "DELETE"),
        ):
            assert client.status(path, method) == 403, (path, method)
        assert "ecr:BatchGetImage" in client.ask("GET", "manifests/1").text
        # Nor does it learn whether a repository is there.
        assert Registry(client.http, "access/none").status("manifests/1") == 403


@pytest.mark.parametrize("left_out", PUSH)
def test_a_push_needs(left_out: str, role: Role, owner: Registry) -> None:
    role.allow(TOKEN, ([action for action in PUSH if action != left_out], NAME))
    with role.registry() as client:
        statuses = {
            "BatchCheckLayerAvailability": client.status(f"blobs/{digest_of(b'layer')}", "HEAD"),
            "InitiateLayerUpload": client.status("blobs/uploads/", "POST"),
        }
        upload = owner.begin()
        patched = client.http.patch(upload, content=b"{}")
        statuses["UploadLayerPart"] = patched.status_code
        finished = client.http.put(upload, params={"digest": digest_of(b"{}")}, content=b"")
        statuses["CompleteLayerUpload"] = finished.status_code
        put = client.put_manifest("2", manifest(owner.put_blob(b"{}"), []))
        statuses["PutImage"] = put.status_code
    refused = {action for action, status in statuses.items() if status == 403}
    assert refused == {left_out}, statuses


def test_a_layer_is_not_taken_from_where_one_may_not_read(
    running: Running, role: Role, owner: Registry
) -> None:
    role.allow(TOKEN, (PUSH, "mine/*"))
    with registry(running.account, running.clients, "mine/api"), role.registry("mine/api") as mine:
        asked = {"mount": digest_of(b"layer"), "from": NAME}
        assert mine.ask("POST", "blobs/uploads/", params=asked).status_code == 202
        role.allow(TOKEN, (PUSH, "mine/*"), (PULL, NAME))
        assert mine.ask("POST", "blobs/uploads/", params=asked).status_code == 201
    running.clients("ecr").delete_repository(repositoryName="mine/api", force=True)


def test_a_password_is_worth_what_its_role_is_now(
    running: Running, role: Role, owner: Registry
) -> None:
    role.allow(TOKEN, (PULL, NAME))
    with role.registry() as client:
        assert client.status("manifests/1") == 200
        role.allow(TOKEN)
        assert client.status("manifests/1") == 403
        unmake(running, role.name)
        assert client.status("manifests/1") == 401
        make(running, role.name)  # another one of that name
        role.allow(TOKEN, (PULL, NAME))
        assert client.status("manifests/1") == 401


def test_a_password_is_for_whom_may_have_one(role: Role) -> None:
    role.allow((PUSH, "*"))
    with pytest.raises(ClientError, match="not authorized"):
        role.client().get_authorization_token()
    role.allow((["*"], "*"))
    narrow = {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [narrow]})
    with pytest.raises(ClientError, match="AccessDenied"):
        role.client(Policy=policy).get_authorization_token()


CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("DescribeImages", "describe_images", {"repositoryName": NAME}),
    ("DescribeRepositories", "describe_repositories", {"repositoryNames": [NAME]}),
    ("ListImages", "list_images", {"repositoryName": NAME}),
    ("DeleteRepository", "delete_repository", {"repositoryName": NAME, "force": True}),
    (
        "PutLifecyclePolicy",
        "put_lifecycle_policy",
        {"repositoryName": NAME, "lifecyclePolicyText": '{"rules": []}'.ljust(100)},
    ),
]


@pytest.mark.parametrize(("action", "call", "arguments"), CALLS)
def test_ecrs_calls_are_judged_by_the_repository(
    action: str, call: str, arguments: dict[str, Any], role: Role, owner: Registry
) -> None:
    ask: Callable[..., Any] = getattr(role.client(), call)
    role.allow(([action], "elsewhere/*"))
    with pytest.raises(ClientError, match="not authorized"):
        ask(**arguments)
    role.allow(([action], "access/*"))
    assert ask(**arguments)
    if action == "DeleteRepository":
        owner.http.close()
        role.running.clients("ecr").create_repository(repositoryName=NAME)


def test_several_repositories_must_all_be_allowed(role: Role, owner: Registry) -> None:
    role.allow((["DescribeRepositories"], NAME))
    with pytest.raises(ClientError, match="not authorized"):
        role.client().describe_repositories(repositoryNames=[NAME, "another/one"])
    with pytest.raises(ClientError, match="not authorized"):
        role.client().describe_repositories()


def test_tags_are_judged_by_the_repositorys_arn(
    running: Running, role: Role, owner: Registry
) -> None:
    here, ecr = running.account, role.client()
    arn = f"arn:aws:ecr:{here.region}:{here.account_id}:repository/{NAME}"
    tags = [{"Key": "a", "Value": "b"}]
    role.allow((["TagResource", "ListTagsForResource", "CreateRepository"], "elsewhere/*"))
    for ask in (
        lambda: ecr.tag_resource(resourceArn=arn, tags=tags),
        lambda: ecr.list_tags_for_resource(resourceArn=arn),
        lambda: ecr.create_repository(repositoryName="access/made", tags=tags),
    ):
        with pytest.raises(ClientError, match="not authorized"):
            ask()
    role.allow((["ListTagsForResource", "CreateRepository"], "access/*"))
    with pytest.raises(ClientError, match="not authorized"):  # the tags are another right
        ecr.create_repository(repositoryName="access/made", tags=tags)
    role.allow((["TagResource", "ListTagsForResource", "CreateRepository"], "access/*"))
    ecr.tag_resource(resourceArn=arn, tags=tags)
    assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == tags
    assert ecr.create_repository(repositoryName="access/made", tags=tags)
    running.clients("ecr").delete_repository(repositoryName="access/made")
