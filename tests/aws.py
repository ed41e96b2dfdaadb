"""An AWS account that moto plays in this process: see the fixture `aws`."""

from __future__ import annotations

import boto3
import pytest


def settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that nothing of this machine has a say in."""
    for name in ("PROFILE", "ENDPOINT_URL", "SESSION_TOKEN", "REGION", "DEFAULT_REGION"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def make_api(name: str, region: str = "eu-west-1", **tags: str) -> str:
    """A REST API; its id. In the names of tags, __ stands for a colon."""
    api = boto3.client("apigateway", region_name=region)
    given = {key.replace("__", ":"): value for key, value in tags.items()}
    return api.create_rest_api(name=name, tags=given)["id"]
