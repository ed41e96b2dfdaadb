"""What another up changes of a stack that stands: as little as can be."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from mycli.stack.automation import Settings, Stack, Up
from mycli.stack.state_bucket import PARAMETER
from tests.engine.conftest import API_KEY, REGISTRY_PASSWORD, ROOT, TOKEN, Cloud, Standing


def test_a_second_up_changes_nothing(standing: Standing) -> None:
    again = Stack("mycli").up()
    assert not again.changes.any
    assert again.changes.unchanged == 35
    assert again.api_key is None
    assert standing.cloud.provider.steps == []


def test_another_machine_changes_nothing_and_keeps_the_key(standing: Standing) -> None:
    cloud, known = standing.cloud, Stack("mycli").outputs()
    with cloud.entered(cloud.home("another")):
        stack = Stack("mycli")
        again = stack.up()
        assert not again.changes.any
        assert again.outputs == known  # the key's hash is one of them
        assert not stack.up(Settings(api_key=API_KEY)).changes.any
    assert standing.cloud.provider.steps == []
    assert again.outputs.takes(API_KEY)


def test_new_code_changes_only_the_function(standing: Standing, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "orchestrator", tmp_path / "orchestrator")
    with (tmp_path / "orchestrator" / "task.sh").open("a") as file:
        file.write("# newer, and part of the template too\n")
    child = standing.cloud.child("update_function", code=tmp_path)
    out, err = child.communicate(timeout=120)
    assert child.returncode == 0, out + err
    assert standing.cloud.provider.done() == ["update Function orchestrator"]
    standing.cloud.provider.steps.clear()
    assert Stack("mycli").up().changes.updated == 1
    assert standing.cloud.provider.done() == ["update Function orchestrator"]


def test_another_default_image_is_a_new_template_and_then_a_new_function(
    standing: Standing,
) -> None:
    up = Stack("mycli").up(Settings(default_image="alpine:3"))
    assert (up.changes.replaced, up.changes.updated) == (1, 1)
    # Never without a template; the API is deployed as it was.
    assert [step.title for step in standing.cloud.provider.steps] == [
        "create TaskDefinition template",
        "update Function orchestrator",
        "delete TaskDefinition template",
    ]
    function = standing.cloud.account.clients("lambda").get_function(
        FunctionName="mycli-orchestrator"
    )
    variables = function["Configuration"]["Environment"]["Variables"]
    assert variables["MYCLI_TEMPLATE"] == up.outputs.template
    assert variables["MYCLI_DEFAULT_IMAGE"] == "alpine:3"
    Stack("mycli").up(Settings(default_image="ubuntu:22.04"))


def test_a_credential_is_taken_away_and_given_back(standing: Standing) -> None:
    without = Stack("mycli").up(Settings(credentials={"github_token": ""}))
    assert without.outputs.git_credentials == []
    assert "delete Parameter github-token" in standing.cloud.provider.done()
    assert not secrets_of_template(standing.cloud, without)
    given = Stack("mycli").up(Settings(credentials={"github_token": TOKEN}))
    assert given.outputs.git_credentials == ["github_token"]
    [secret] = secrets_of_template(standing.cloud, given)
    assert secret["valueFrom"].endswith(":parameter/mycli/mycli/github-token")
    parameter = standing.cloud.account.clients("ssm").get_parameter(
        Name="/mycli/mycli/github-token", WithDecryption=True
    )
    assert parameter["Parameter"]["Value"] == TOKEN


def secrets_of_template(cloud: Cloud, up: Up) -> Any:
    ecs = cloud.account.clients("ecs")
    found = ecs.describe_task_definition(taskDefinition=up.outputs.template)["taskDefinition"]
    return found["containerDefinitions"][0].get("secrets")


def test_a_preview_says_it_and_does_nothing(standing: Standing) -> None:
    preview = Stack("mycli").preview(Settings(default_image="alpine:3"))
    assert [(step.operation, step.type) for step in preview.steps] == [
        ("replace", "TaskDefinition"),
        ("update", "Function"),
    ]
    assert standing.cloud.provider.steps == []
    assert not Stack("mycli").up().changes.any


def test_secrets_stand_in_clear_nowhere(standing: Standing) -> None:
    cloud = standing.cloud
    s3 = cloud.account.clients("s3")
    [bucket] = cloud.has()["buckets"]
    versions = [
        version
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
        for version in page.get("Versions", [])
    ]
    assert len(versions) > 10
    kept = [
        s3.get_object(Bucket=bucket, Key=v["Key"], VersionId=v["VersionId"])["Body"].read()
        for v in versions
    ]
    on_disk = [path.read_bytes() for path in cloud.root.rglob("*") if path.is_file()]
    said = "\n".join(standing.told).encode()
    function = standing.cloud.account.clients("lambda").get_function(
        FunctionName="mycli-orchestrator"
    )
    hashed = function["Configuration"]["Environment"]["Variables"]["API_KEY_HASH"]
    passphrase = cloud.account.clients("ssm").get_parameter(Name=PARAMETER, WithDecryption=True)
    passphrase = passphrase["Parameter"]["Value"]
    for secret in (API_KEY, TOKEN, REGISTRY_PASSWORD, hashed, passphrase):
        for content in (*kept, *on_disk, said, repr(standing.made).encode()):
            assert secret.encode() not in content
