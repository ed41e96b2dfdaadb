"""The state in the account's bucket: who may use it, who holds it, and what goes with it."""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Callable
from typing import Any

from mycli.stack.automation import Stack
from mycli.stack.state import LOCKS
from mycli.stack.state_bucket import PARAMETER
from tests.engine.conftest import Standing
from tests.engine.test_commands import Typed, type_in

Clients = Callable[[str], Any]


def bucket_of(standing: Standing) -> str:
    [bucket] = standing.cloud.has()["buckets"]
    return bucket


def test_the_bucket_is_closed_and_keeps_versions(standing: Standing) -> None:
    """After all that the engine has written into it."""
    s3, bucket = standing.cloud.account.clients("s3"), bucket_of(standing)
    assert bucket == f"mycli-state-{standing.cloud.account.account_id}-us-east-2"
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    closed = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(closed.values()) == {True}
    [statement] = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    [passphrase] = standing.cloud.account.clients("ssm").describe_parameters(
        ParameterFilters=[{"Key": "Name", "Values": [PARAMETER]}]
    )["Parameters"]
    assert passphrase["Type"] == "SecureString"


def test_with_a_wrong_passphrase_nothing_is_done(standing: Standing) -> None:
    cloud, before = standing.cloud, standing.cloud.has()
    ssm = cloud.account.clients("ssm")
    right = ssm.get_parameter(Name=PARAMETER, WithDecryption=True)["Parameter"]["Value"]
    ssm.put_parameter(Name=PARAMETER, Value="another", Type="SecureString", Overwrite=True)
    try:
        for words in (("init", "--force"), ("destroy", "--force")):
            ran = type_in(cloud, *words)
            assert ran.code == 125, ran
            assert "the passphrase does not fit the state" in ran.err
    finally:
        ssm.put_parameter(Name=PARAMETER, Value=right, Type="SecureString", Overwrite=True)
    assert cloud.has() == before
    assert cloud.provider.steps == []


def test_a_stack_whose_state_is_not_here_is_not_made_again(standing: Standing) -> None:
    cloud, before = standing.cloud, standing.cloud.has()
    home = cloud.home("without")
    ran = type_in(cloud, "init", "--state", "file", "--force", home=home)
    assert ran.code == 125, ran
    assert "there is a stack mycli in us-east-2 (vpc-" in ran.err
    assert "--state" in ran.err
    assert "mycli:stack=mycli" in ran.err
    # Neither a profile nor a state.
    assert {path.name for path in home.iterdir()} == {"cache"}
    assert cloud.has() == before
    assert cloud.provider.steps == []


def test_a_lock_is_shown_and_cleared_only_after_a_yes(standing: Standing) -> None:
    cloud, s3, bucket = standing.cloud, standing.cloud.account.clients("s3"), bucket_of(standing)
    refused: list[Typed] = []
    locks: dict[str, bytes] = {}

    def meanwhile() -> None:
        """Just while somebody else, who lives, has it."""
        refused.append(type_in(cloud, "init", "--force"))
        for item in s3.list_objects_v2(Bucket=bucket, Prefix=LOCKS.format(stack="mycli"))[
            "Contents"
        ]:
            locks[item["Key"]] = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()

    cloud.at("read Vpc vpc", meanwhile)
    Stack("mycli").refresh()
    assert refused[0].code == 125, refused
    assert (
        f"the stack is being changed by {getpass.getuser()}@{socket.gethostname()}"
        in refused[0].err
    )
    assert "--unlock" in refused[0].err
    [(key, document)] = locks.items()
    held = {**json.loads(document), "username": "ann", "hostname": "laptop"}
    s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(held))

    kept = type_in(cloud, "destroy", "--unlock", stdin="no\n")
    assert kept.code == 2, kept
    assert "locked by ann@laptop (pid " in kept.err
    assert " ago)" in kept.err
    assert Stack("mycli").lock()

    cleared = type_in(cloud, "init", "--unlock", stdin="y\nyes\n")
    assert cleared.code == 0, cleared
    assert "The lock is cleared" in cleared.err
    assert "The stack is up" in cleared.err
    assert Stack("mycli").lock() is None
