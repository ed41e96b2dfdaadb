"""What can go wrong with an account, as a user meets it: a sentence, a hint, nothing half-done."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mycli import config
from mycli.stack.automation import Stack
from mycli.stack.state_bucket import PARAMETER
from tests.engine.asked import watched
from tests.engine.conftest import TOKEN, Cloud
from tests.engine.test_commands import Typed, type_in

LIMIT, DENIED = "SubnetLimitExceeded", "AccessDenied"
ME = "User: arn:aws:iam::123456789012:user/dev is not authorized to perform"
EXPIRED = ("ExpiredToken", "The security token included in the request is expired")


def refused(cloud: Cloud, ran: Typed, sentence: str, hint: str, code: int = 125) -> None:
    """In one sentence with a hint, and nothing was made: neither there nor here."""
    assert ran.code == code, ran
    first, second, *rest = ran.err.splitlines()
    assert first.startswith("✗ "), ran
    assert sentence in first, ran
    assert hint in second, ran
    assert rest == []
    assert ran.out == ""
    assert cloud.has() == {}
    assert not config.config_path().exists()


def test_without_credentials(cloud: Cloud) -> None:
    del cloud.environment["AWS_ACCESS_KEY_ID"], cloud.environment["AWS_SECRET_ACCESS_KEY"]
    for verb in ("init", "destroy"):
        ran = type_in(cloud, verb, "--force")
        refused(cloud, ran, "there are no AWS credentials", "set AWS_PROFILE")


def test_with_expired_credentials(cloud: Cloud) -> None:
    for verb in ("init", "destroy"):
        with watched(cloud.account, lambda _: EXPIRED):
            ran = type_in(cloud, verb, "--force")
        refused(cloud, ran, "the AWS credentials have expired", "aws sso login")


def test_in_a_region_that_does_not_exist(cloud: Cloud) -> None:
    del cloud.environment["AWS_ENDPOINT_URL"]
    cloud.environment["AWS_MAX_ATTEMPTS"] = "1"
    ran = type_in(cloud, "init", "--force", "--region", "eu-wset-1")
    refused(cloud, ran, "there is no AWS region eu-wset-1", "did you mean eu-west-1")


@pytest.mark.parametrize("action", ["iam:GetRole", "s3:CreateBucket"])
def test_without_a_permission(cloud: Cloud, action: str) -> None:
    ran = denied(cloud, action)
    refused(cloud, ran, f"you have no permission for {action}", "mycli init --print-policy")


def test_a_place_of_the_state_that_is_half_made_is_taken_away(cloud: Cloud) -> None:
    ran = denied(cloud, "ssm:PutParameter")
    assert "you have no permission for ssm:PutParameter" in ran.err
    assert list(cloud.has()) == ["buckets"]
    assert not config.config_path().exists()
    ran = type_in(cloud, "destroy", "--force")
    assert "Deleted the bucket" in ran.err, ran
    assert cloud.has() == {}


def denied(cloud: Cloud, action: str) -> Typed:
    return with_refusal(cloud, action, (DENIED, f"{ME}: {action} on resource: any"))


def with_refusal(cloud: Cloud, action: str, refusal: tuple[str, str], *options: str) -> Typed:
    """An init to which the account refuses this action: with that code, in those words."""
    with watched(cloud.account, lambda asked: refusal if asked.action == action else None):
        return type_in(cloud, "init", "--force", *options)


def test_where_the_name_is_taken(cloud: Cloud) -> None:
    cloud.account.clients("iam").create_role(
        RoleName="mycli-lambda-role", AssumeRolePolicyDocument="{}"
    )
    cloud.before = {**cloud.before, "roles": ["mycli-lambda-role"]}
    ran = type_in(cloud, "init", "--force")
    refused(cloud, ran, "a role mycli-lambda-role that mycli did not make", "--stack-name")


@pytest.mark.parametrize("name", ["My-Stack", "a" * 25])
def test_with_a_name_that_aws_would_refuse(cloud: Cloud, name: str) -> None:
    ran = type_in(cloud, "init", "--force", "--stack-name", name)
    refused(cloud, ran, name, "", code=2)


def test_what_was_cut_short_is_finished_and_no_secret_told(cloud: Cloud, tmp_path: Path) -> None:
    """By a limit, and with a credential that AWS's own words repeat."""
    (tmp_path / "token").write_text(TOKEN)
    options = ("--json", "--github-token-file", str(tmp_path / "token"))
    commands: list[bytes] = []
    cloud.at("create InternetGateway igw", lambda: commands.extend(command_lines()))

    refusal = (LIMIT, f"The maximum number is reached. Value '{TOKEN}' is none.")
    cut = with_refusal(cloud, "ec2:CreateSubnet", refusal, *options)
    assert cut.code == 125, cut
    said = r"✗ Subnet public-\d: a limit of the account is reached: The maximum .*'\[secret\]'"
    assert re.search(said, cut.err)
    assert "Service Quotas" in json.loads(cut.out)["hint"]
    key = config.load_profiles()[config.DEFAULT_PROFILE].api_key

    made = type_in(cloud, "--debug", "init", "--force", *options)
    assert made.code == 0, made
    told = json.loads(made.out)
    assert told.pop("api_key") == key
    outputs = Stack("mycli").outputs()
    assert outputs
    assert outputs.takes(key)

    places = {
        "what was said": "\n".join([cut.out, cut.err, made.err, json.dumps(told)]).encode(),
        "a command line": b"\0".join(commands),
        **{str(path): path.read_bytes() for path in cloud.home().rglob("*") if path.is_file()},
        **state_objects(cloud),
    }
    del places[str(config.config_path())]  # where the key is to be
    assert any("/pulumi/" in place for place in places)
    assert b"pulumi" in places["a command line"]
    for secret in (key, TOKEN, hash_of(cloud), passphrase_of(cloud)):
        assert [place for place, text in places.items() if secret.encode() in text] == []


def command_lines() -> Iterator[bytes]:
    """Of every process of this machine, as anybody sees them."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield path.read_bytes()


def state_objects(cloud: Cloud) -> dict[str, bytes]:
    """Every version of what the engine keeps in the bucket."""
    s3, [bucket] = cloud.account.clients("s3"), cloud.has()["buckets"]
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    found = [version for page in pages for version in page["Versions"]]
    return {
        f"{one['Key']} {one['VersionId']}": s3.get_object(
            Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"]
        )["Body"].read()
        for one in found
    }


def hash_of(cloud: Cloud) -> str:
    function = cloud.account.clients("lambda").get_function(FunctionName="mycli-orchestrator")
    return function["Configuration"]["Environment"]["Variables"]["API_KEY_HASH"]


def passphrase_of(cloud: Cloud) -> str:
    found = cloud.account.clients("ssm").get_parameter(Name=PARAMETER, WithDecryption=True)
    return found["Parameter"]["Value"]


@pytest.mark.soak
@pytest.mark.parametrize("at", ["create Cluster cluster", "create Subnet public-1"])
def test_credentials_that_expire_in_the_middle(cloud: Cloud, at: str) -> None:
    """The engine can write its state no more, and cannot let go of its lock."""
    over: list[bool] = []
    cloud.at(at, lambda: over.append(True), after=True)
    with watched(cloud.account, lambda _: EXPIRED if over else None):
        ran = type_in(cloud, "init", "--force")
    assert ran.code == 125, ran
    assert "the AWS credentials have expired" in ran.err
    key = config.load_profiles()[config.DEFAULT_PROFILE].api_key
    ran = type_in(cloud, "init", "--force")
    assert ran.code == 0, ran
    assert key in ran.out
    ran = type_in(cloud, "destroy", "--force")
    assert ran.code == 0, ran
    assert cloud.has() == {}
