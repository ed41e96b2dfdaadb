"""What can go wrong with an account, as a user meets it: a sentence, a hint, nothing half-done."""

from __future__ import annotations

import re

import pytest

from mycli import config
from mycli.stack.automation import Stack
from tests.engine.asked import Refuse, watched
from tests.engine.conftest import Cloud
from tests.engine.test_commands import Typed, type_in

LIMIT = ("VpcLimitExceeded", "The maximum number of VPCs has been reached.")
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
        refused(cloud, ran, "there are no AWS credentials", "aws configure")


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
    ran = type_in(cloud, "destroy", "--force")
    refused(cloud, ran, "there is no stack mycli in us-east-2", "--stack-name")


def denied(cloud: Cloud, action: str, code: str = "AccessDenied") -> Typed:
    return with_refusal(cloud, action, code, f"{ME}: {action} on resource: any")


def with_refusal(cloud: Cloud, action: str, code: str, words: str) -> Typed:
    """An init to which the account refuses this one action."""
    refuse: Refuse = lambda asked: (code, words) if asked.action == action else None  # noqa: E731
    with watched(cloud.account, refuse):
        return type_in(cloud, "init", "--force")


def test_where_the_name_is_taken(cloud: Cloud) -> None:
    cloud.account.clients("iam").create_role(
        RoleName="mycli-lambda-role", AssumeRolePolicyDocument="{}"
    )
    cloud.before = {**cloud.before, "roles": ["mycli-lambda-role"]}
    ran = type_in(cloud, "init", "--force")
    refused(cloud, ran, "a role mycli-lambda-role that mycli did not make", "--stack-name")


@pytest.mark.parametrize("name", ["My-Stack", "a" * 25, "ends-"])
def test_with_a_name_that_aws_would_refuse(cloud: Cloud, name: str) -> None:
    ran = type_in(cloud, "init", "--force", "--stack-name", name)
    refused(cloud, ran, name, "", code=2)


def test_what_a_limit_and_a_missing_permission_cut_short_is_finished(cloud: Cloud) -> None:
    ran = with_refusal(cloud, "ec2:CreateVpc", *LIMIT)
    assert ran.code == 125, ran
    assert "✗ Vpc vpc: a limit of the account is reached: The maximum number of VPCs" in ran.err
    assert "Service Quotas" in ran.err
    key = config.load_profiles()[config.DEFAULT_PROFILE].api_key

    ran = denied(cloud, "ec2:CreateSubnet", "UnauthorizedOperation")
    assert ran.code == 125, ran
    assert re.search(r"✗ Subnet public-[12]: you have no permission for ec2:CreateSubnet", ran.err)
    assert "mycli init --print-policy" in ran.err

    ran = type_in(cloud, "init", "--force")
    assert ran.code == 0, ran
    assert key in ran.out
    outputs = Stack("mycli").outputs()
    assert outputs
    assert outputs.takes(key)


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
