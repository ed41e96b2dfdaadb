from __future__ import annotations

import functools
import json
import os
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket

from mycli import config
from mycli.errors import Lock, StackError
from mycli.stack import state, state_bucket
from mycli.stack.state import Address, Folder
from mycli.stack.state_bucket import PARAMETER, Bucket

ACCOUNT = "123456789012"
Clients = Callable[[str], Any]


def _neutral(*_: object) -> PermissionResult:
    return PermissionResult.NEUTRAL


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    # moto reads a policy without its conditions: "never without TLS" would be "never".
    monkeypatch.setattr(FakeBucket, "get_permission", _neutral)
    with mock_aws():
        yield functools.cache(functools.partial(boto3.client, region_name="eu-west-1"))


@pytest.fixture
def bucket(clients: Clients) -> Bucket:
    return Bucket(clients, account=ACCOUNT, region="eu-west-1", busy_seconds=2)


def answer(status: int, code: str) -> Any:
    """What S3 answers when it refuses."""
    from botocore.awsrequest import AWSResponse

    body = f"<Error><Code>{code}</Code><Message>No.</Message></Error>".encode()

    class Raw:
        def stream(self, **_: Any) -> Iterator[bytes]:
            yield body

    return AWSResponse("https://s3", status, {}, Raw())


def test_the_bucket_is_versioned_encrypted_closed_and_only_over_tls(
    clients: Clients, bucket: Bucket
) -> None:
    backend = bucket.make()
    assert backend.url == f"s3://mycli-state-{ACCOUNT}-eu-west-1?region=eu-west-1"
    s3, name = clients("s3"), bucket.name
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    rule = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert set(
        s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values()
    ) == {True}
    [denied] = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])["Statement"]
    assert denied["Effect"] == "Deny"
    assert denied["Principal"] == "*"
    assert denied["Action"] == "s3:*"
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert denied["Resource"] == [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
    assert s3.get_bucket_tagging(Bucket=name)["TagSet"][0]["Key"] == "mycli:state"
    where = s3.get_bucket_location(Bucket=name)["LocationConstraint"]
    assert where == "eu-west-1"


def test_the_passphrase_is_a_secure_string_that_is_drawn_once(
    clients: Clients, bucket: Bucket
) -> None:
    passphrase = bucket.make().passphrase
    [said] = clients("ssm").describe_parameters()["Parameters"]
    assert (said["Name"], said["Type"]) == (PARAMETER, "SecureString")
    assert passphrase
    assert len(passphrase) >= 40
    again = bucket.make()
    assert again.passphrase == passphrase
    assert bucket.find() == again
    assert passphrase not in repr(again)


def test_nothing_is_made_by_looking(clients: Clients, bucket: Bucket) -> None:
    assert bucket.find() is None
    assert bucket.lock("mycli") is None
    assert clients("s3").list_buckets()["Buckets"] == []
    assert clients("ssm").describe_parameters()["Parameters"] == []


def test_us_east_1_is_not_named_as_the_bucket_s_place(clients: Clients) -> None:
    here = functools.cache(functools.partial(boto3.client, region_name="us-east-1"))
    bucket = Bucket(here, account=ACCOUNT, region="us-east-1")
    bucket.make()  # AWS, and moto, refuse a LocationConstraint of us-east-1
    assert bucket.find()


def test_first_inits_at_once_agree_on_one_passphrase(clients: Clients) -> None:
    """Each finds nothing before any of them has made anything."""
    together = threading.Barrier(4)

    def make(_: int) -> str | None:
        bucket = Bucket(clients, account=ACCOUNT, region="eu-west-1")
        assert bucket.find() is None
        together.wait(30)
        return bucket.make().passphrase

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(make, range(4)))) == 1


@pytest.mark.parametrize("half", ["bucket", "passphrase"])
def test_what_is_half_made_is_completed(clients: Clients, bucket: Bucket, half: str) -> None:
    if half == "bucket":
        place = {"LocationConstraint": "eu-west-1"}
        clients("s3").create_bucket(Bucket=bucket.name, CreateBucketConfiguration=place)
    else:
        clients("ssm").put_parameter(Name=PARAMETER, Value="kept", Type="SecureString")
    assert bucket.find() is None
    made = bucket.make()
    assert bucket.find() == made
    assert (made.passphrase == "kept") == (half == "passphrase")
    assert clients("s3").get_bucket_versioning(Bucket=bucket.name)["Status"] == "Enabled"


def test_a_bucket_of_another_account_is_refused(clients: Clients, bucket: Bucket) -> None:
    s3, others = clients("s3"), [False]
    unchecked = set[str]()

    def check(request: Any, event_name: str, **_: Any) -> Any:
        """As S3 does; moto does not look at the header."""
        expected = request.headers.get("x-amz-expected-bucket-owner")
        if not expected:
            unchecked.add(event_name.rpartition(".")[2])
        elif others[0]:
            return answer(403, "AccessDenied")
        return None

    s3.meta.events.register_first("before-send.s3", check)
    bucket.make()
    s3.put_object(Bucket=bucket.name, Key="state", Body=b"", ExpectedBucketOwner=ACCOUNT)
    others[0] = True
    for use in (bucket.find, bucket.make, lambda: bucket.lock("mycli"), bucket.remove):
        with pytest.raises(StackError, match="another account") as refused:
            use()
        assert "--state" in refused.value.hint
    others[0] = False
    assert bucket.remove()
    assert unchecked == {"CreateBucket"}  # which has no such parameter


def test_a_lost_passphrase_is_said_and_no_new_one_drawn(clients: Clients, bucket: Bucket) -> None:
    bucket.make()
    clients("s3").put_object(Bucket=bucket.name, Key=".pulumi/stacks/mycli/mycli.json", Body=b"{}")
    clients("ssm").delete_parameter(Name=PARAMETER)
    for use in (bucket.find, bucket.make):
        with pytest.raises(StackError, match=f"passphrase is lost.*{PARAMETER}"):
            use()
    assert clients("ssm").describe_parameters()["Parameters"] == []


def test_every_version_goes_with_the_bucket(
    clients: Clients, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.make()
    s3 = clients("s3")
    monkeypatch.setattr(state_bucket, "MAX_DELETE", 3)  # more than one call deletes
    for number in range(8):
        s3.put_object(Bucket=bucket.name, Key=f"state/{number % 2}", Body=b"")
    s3.delete_object(Bucket=bucket.name, Key="state/0")
    assert bucket.remove() is True
    assert s3.list_buckets()["Buckets"] == []
    assert clients("ssm").describe_parameters()["Parameters"] == []
    assert bucket.remove() is False


def test_an_interrupted_removal_is_finished(clients: Clients, bucket: Bucket) -> None:
    bucket.make()
    clients("s3").delete_bucket(Bucket=bucket.name)
    assert bucket.remove() is True
    assert clients("ssm").describe_parameters()["Parameters"] == []


@pytest.mark.parametrize("tries", [1, 9])
def test_a_busy_bucket_is_asked_for_again(clients: Clients, tries: int) -> None:
    """As S3 answers while the bucket is made by somebody else, or was just deleted."""
    s3 = clients("s3")
    left = [tries]

    def busy(**_: Any) -> Any:
        left[0] -= 1
        return answer(409, "OperationAborted") if left[0] >= 0 else None

    s3.meta.events.register_first("before-send.s3.CreateBucket", busy)
    bucket = Bucket(clients, account=ACCOUNT, region="eu-west-1", busy_seconds=0.5)
    if tries == 1:
        bucket.make()
        assert bucket.find()
    else:
        with pytest.raises(s3.exceptions.ClientError, match="OperationAborted"):
            bucket.make()


def test_the_folder_s_passphrase_is_its_owner_s(home: Path) -> None:
    made = Folder().make()
    file = home / "state" / "passphrase"
    assert made.passphrase == file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert Folder().make() == made == Folder().find()
    assert [path.name for path in file.parent.iterdir()] == ["passphrase"]  # no drafts
    assert Folder().remove() is True
    assert Folder().find() is None


def test_first_inits_in_a_folder_agree_on_one_passphrase() -> None:
    def make(_: int) -> str | None:
        return Folder().make().passphrase

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(make, range(32)))) == 1


def test_a_state_in_the_folder_without_its_passphrase_is_said(home: Path) -> None:
    config.write_private(home / "state" / ".pulumi" / "stacks" / "mycli" / "a.json", b"{}")
    for use in (Folder().find, Folder().make):
        with pytest.raises(StackError, match="passphrase is lost"):
            use()


LOCK = {
    "pid": 4711,
    "username": "ann",
    "hostname": "laptop",
    "timestamp": "2026-11-21T12:39:39.123456789Z",
}


def test_a_lock_says_who_and_since_when(clients: Clients, bucket: Bucket, tmp_path: Path) -> None:
    there = state.LOCKS.format(stack="mycli")
    document = json.dumps(LOCK).encode()
    config.write_private(config.home() / "state" / there / "a.json", document)
    config.write_private(tmp_path / "own" / there / "a.json", document)
    bucket.make()
    clients("s3").put_object(Bucket=bucket.name, Key=f"{there}a.json", Body=document)
    clients("s3").put_object(Bucket=bucket.name, Key=f"deep/er/{there}a.json", Body=document)
    places = [
        Folder(),
        bucket,
        Address(f"file://{tmp_path}/own", clients),
        Address(f"s3://{bucket.name}/deep/er?region=eu-west-1", clients),
    ]
    for place in places:
        lock = place.lock("mycli")
        assert lock, place
        assert lock.owner == "ann@laptop (pid 4711)"
        assert lock.taken_at
        assert lock.taken_at.isoformat() == "2026-11-21T12:39:39.123456+00:00"
        assert place.lock("other") is None


def test_a_lock_is_dead_when_its_process_is_and_was_here() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    here = os.uname().nodename
    assert state.is_dead(Lock(owner=f"ann@{here} (pid {ended.pid})", taken_at=None))
    assert not state.is_dead(Lock(owner=f"ann@{here} (pid {os.getpid()})", taken_at=None))
    assert not state.is_dead(Lock(owner=f"ann@{here} (pid 1)", taken_at=None))
    assert not state.is_dead(Lock(owner=f"ann@elsewhere (pid {ended.pid})", taken_at=None))
    assert not state.is_dead(Lock(owner="somebody else", taken_at=None))


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="there is no /proc")
def test_a_lock_is_dead_when_its_process_has_ended_and_nobody_has_asked_how() -> None:
    here = os.uname().nodename
    with subprocess.Popen(["sleep", "100"]) as held:
        lock = Lock(owner=f"ann@{here} (pid {held.pid})", taken_at=None)
        assert not state.is_dead(lock)
        held.kill()
        os.waitid(os.P_PID, held.pid, os.WEXITED | os.WNOWAIT)  # it stays what it is
        assert state.is_dead(lock)


def test_a_url_takes_the_passphrase_of_the_environment(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("PULUMI_ACCESS_TOKEN", raising=False)
    place = Address("s3://bucket", clients)
    with pytest.raises(StackError) as refused:
        place.find()
    assert "PULUMI_CONFIG_PASSPHRASE" in refused.value.hint
    file = tmp_path / "passphrase"
    file.write_text("from a file\n")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", str(file))
    assert place.find().passphrase == "from a file"
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "from the environment")
    assert place.find().passphrase == "from the environment"
    cloud = Address("https://api.pulumi.com", clients)
    with pytest.raises(StackError) as refused:
        cloud.find()
    assert "PULUMI_ACCESS_TOKEN" in refused.value.hint
    monkeypatch.setenv("PULUMI_ACCESS_TOKEN", "a-token")
    assert cloud.find().environment == {"PULUMI_BACKEND_URL": "https://api.pulumi.com"}
    with pytest.raises(StackError, match="no place for a state"):
        Address("ftp://somewhere", clients).find()
