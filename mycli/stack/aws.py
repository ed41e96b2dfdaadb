"""The AWS account that boto3's credentials are of, in one region. Asked only when it is used."""

from __future__ import annotations

import difflib
import functools
import os
from collections.abc import Callable
from typing import Any

from mycli.errors import StackError
from mycli.stack.refusals import explained
from mycli.stack.results import Caller

DEFAULT_REGION = "us-east-2"


class Aws:
    """region: None for AWS_REGION, AWS_DEFAULT_REGION, the AWS config, or us-east-2."""

    def __init__(self, region: str | None) -> None:
        self._region = region

    @functools.cached_property
    def region(self) -> str:
        named = self._region or os.environ.get("AWS_REGION")
        return named or self._session.region_name or DEFAULT_REGION

    @functools.cached_property
    def clients(self) -> Callable[[str], Any]:
        """A service's name -> its client."""
        return functools.cache(functools.partial(self._session.client, region_name=self.region))

    @explained()
    def has_credentials(self) -> bool:
        """Whether there are any; AWS is not asked whether it takes them."""
        return self._session.get_credentials() is not None

    def caller(self) -> Caller:
        """Raises AwsCredentialsError where AWS takes no credentials, StackError for a region that
        does not exist.
        """
        from botocore.exceptions import EndpointConnectionError

        try:
            who = self.clients("sts").get_caller_identity()
        except EndpointConnectionError:
            self._check_region()
            raise
        return Caller(account=who["Account"], arn=who["Arn"], region=self.region)

    def _check_region(self) -> None:
        session = self._session
        known = [
            region
            for partition in session.get_available_partitions()
            for region in session.get_available_regions("sts", partition)
        ]
        if self.region not in known:
            near = difflib.get_close_matches(self.region, known, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "for example: us-east-2"
            raise StackError(f"there is no AWS region {self.region}", hint)

    @functools.cached_property
    @explained()
    def _session(self) -> Any:
        import boto3

        return boto3.Session()
