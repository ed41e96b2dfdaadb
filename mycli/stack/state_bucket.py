"""The state in the user's account: a bucket, and its passphrase in an SSM SecureString.

So another machine of the same account can change or destroy what this one made. The bucket's owner
is checked on every use: a bucket's name can be taken by anybody, also after it was deleted.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from typing import Any, cast

from mycli.errors import Lock, StackError
from mycli.stack.state import Backend, draw_passphrase, lock_in_bucket, lost_passphrase

PARAMETER = "/mycli-state/passphrase"
TAG = {"Key": "mycli:state", "Value": "stacks"}
MAX_DELETE = 1000  # objects a DeleteObjects call takes
BUSY_SECONDS = 60.0  # how long S3 may be busy with another creation, or a deletion just before


def bucket_name(account: str, region: str) -> str:
    return f"mycli-state-{account}-{region}"


class Bucket:
    """clients: a service's name -> its boto3 client. partition: aws, or aws-cn and its kin."""

    def __init__(
        self,
        clients: Callable[[str], Any],
        *,
        account: str,
        region: str,
        partition: str = "aws",
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        self.name = bucket_name(account, region)
        self._s3, self._ssm = clients("s3"), clients("ssm")
        self._owner = {"ExpectedBucketOwner": account}
        self._region = region
        self._partition = partition
        self._busy_seconds = busy_seconds

    def find(self) -> Backend | None:
        if not self._exists():
            return None
        passphrase = self._passphrase()
        if passphrase is None:
            if self._has_stacks():
                raise lost_passphrase(f"the SSM parameter {PARAMETER} in {self._region}")
            return None
        return self._backend(passphrase)

    def make(self) -> Backend:
        if not (found := self.find()):
            self._create()
        self._protect()  # each time: what was interrupted is completed
        return found or self._backend(self._passphrase() or self._draw_passphrase())

    def remove(self) -> bool:
        # The passphrase last: without it, and with a state, nothing could be done any more.
        there = self._exists()
        if there:
            self._empty()
            self._s3.delete_bucket(Bucket=self.name, **self._owner)
        with contextlib.suppress(self._ssm.exceptions.ParameterNotFound):
            self._ssm.delete_parameter(Name=PARAMETER)
            there = True
        return there

    def lock(self, stack: str) -> Lock | None:
        if not self._exists():
            return None
        return lock_in_bucket(self._s3, self.name, stack, **self._owner)

    def _backend(self, passphrase: str) -> Backend:
        return Backend(url=f"s3://{self.name}?region={self._region}", passphrase=passphrase)

    def _exists(self) -> bool:
        try:
            self._s3.head_bucket(Bucket=self.name, **self._owner)
        except self._s3.exceptions.ClientError as error:
            status = _status(error)
            if status == 404:
                return False
            if status in (301, 400, 403):  # it is in another region; it is not this account's
                raise StackError(
                    f"the bucket {self.name} cannot be used: it is another account's, "
                    "or you may not read it",
                    "the actions that are needed: mycli init --print-policy; "
                    "another place: --state file, or a URL",
                ) from None
            raise
        return True

    def _has_stacks(self) -> bool:
        listed = self._s3.list_objects_v2(
            Bucket=self.name, Prefix=".pulumi/stacks/", MaxKeys=1, **self._owner
        )
        return bool(listed.get("Contents"))

    def _create(self) -> None:
        # us-east-1 is where a bucket goes that names no place, and it may not be named:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucketConfiguration.html
        place = {"CreateBucketConfiguration": {"LocationConstraint": self._region}}
        given = {} if self._region == "us-east-1" else place
        deadline = time.monotonic() + self._busy_seconds
        while True:
            try:
                self._s3.create_bucket(Bucket=self.name, **given)
                return
            except self._s3.exceptions.BucketAlreadyOwnedByYou:
                return  # by another init, just now
            except self._s3.exceptions.ClientError as error:
                code = _code(error)
                if code == "BucketAlreadyExists":
                    raise StackError(
                        f"the bucket {self.name} is another account's",
                        "another place for the state: --state file, or a URL",
                    ) from None
                if code != "OperationAborted" or time.monotonic() > deadline:
                    raise
            time.sleep(1)

    def _protect(self) -> None:
        """Versions, encryption, nothing public, TLS only."""
        of_it = {"Bucket": self.name, **self._owner}
        arn = f"arn:{self._partition}:s3:::{self.name}"
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "OnlyOverTLS",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": [arn, f"{arn}/*"],
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                }
            ],
        }
        closed = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy")
        self._s3.put_public_access_block(
            **of_it,
            PublicAccessBlockConfiguration=dict.fromkeys((*closed, "RestrictPublicBuckets"), True),
        )
        self._s3.put_bucket_versioning(**of_it, VersioningConfiguration={"Status": "Enabled"})
        by_default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
        self._s3.put_bucket_encryption(
            **of_it, ServerSideEncryptionConfiguration={"Rules": [by_default]}
        )
        self._s3.put_bucket_policy(**of_it, Policy=json.dumps(policy))
        self._s3.put_bucket_tagging(**of_it, Tagging={"TagSet": [TAG]})

    def _passphrase(self) -> str | None:
        try:
            answer = self._ssm.get_parameter(Name=PARAMETER, WithDecryption=True)
        except self._ssm.exceptions.ParameterNotFound:
            return None
        return answer["Parameter"]["Value"]

    def _draw_passphrase(self) -> str:
        drawn = draw_passphrase()
        try:
            self._ssm.put_parameter(
                Name=PARAMETER,
                Description="Encrypts the secrets in the state of mycli's stacks",
                Value=drawn,
                Type="SecureString",
                Tags=[TAG],
            )
        except self._ssm.exceptions.ParameterAlreadyExists:
            return self._passphrase() or drawn  # by another init, just now
        return drawn

    def _empty(self) -> None:
        of_it = {"Bucket": self.name, **self._owner}
        while True:
            page = self._s3.list_object_versions(**of_it, MaxKeys=MAX_DELETE)
            found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            if not found:
                return
            doomed = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found]
            answer = self._s3.delete_objects(**of_it, Delete={"Objects": doomed, "Quiet": True})
            for refused in answer.get("Errors", ()):
                raise StackError(f"{refused['Key']} of {self.name} stays: {refused['Message']}")


def _code(error: Any) -> str:
    return cast("str", error.response["Error"]["Code"])


def _status(error: Any) -> int:
    return cast("int", error.response["ResponseMetadata"]["HTTPStatusCode"])
