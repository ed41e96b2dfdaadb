"""mycli doctor."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import boto3
import pytest

from mycli import config
from mycli.stack import diagnosis
from mycli.stack.engine import own_engine
from tests.aws import make_api, settle
from tests.conftest import Mycli
from tests.fake_endpoint import KEY, Answer, FakeEndpoint

REGION = "eu-west-1"
GROUP = "/aws/lambda/mycli-orchestrator"


@pytest.fixture(autouse=True)
def no_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials, unless a test asks for the fixture `aws`, and none of this machine's."""
    settle(monkeypatch)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")


def client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)


def lines(text: str) -> dict[str, str]:
    """The sign of each check."""
    found = [line for line in text.splitlines() if line[0] != " "]
    return {line[2:].partition(":")[0]: line[0] for line in found}


def test_nothing_is_configured(mycli: Mycli) -> None:
    ran = mycli("doctor")
    assert ran.code == 1
    assert lines(ran.out)["configuration"] == "✗"
    assert "mycli init" in ran.out
    assert json.loads(mycli("doctor", "--json").out)["healthy"] is False
    assert lines(ran.out)["AWS credentials"] == "!"
    assert "API key" not in ran.out


def test_what_is_no_folder_is_no_place_for_a_configuration(mycli: Mycli, home: Path) -> None:
    home.touch()
    ran = mycli("doctor")
    assert ran.code == 1
    assert f"✗ configuration: {home} is not a folder\n    move it out of the way" in ran.out


def test_all_is_well(configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.says("list", {"executions": []})
    ran = mycli("doctor")
    assert ran.code == 0
    well = ("configuration", "endpoint", "clock", "API key")
    assert [lines(ran.out)[check] for check in well] == ["✓"] * 4
    assert [seen.key for seen in configured.seen] == [None, KEY]  # the first look sends no key
    told = json.loads(mycli("doctor", "--json").out)
    assert told["healthy"] is True
    assert told["checks"][0]["check"] == "configuration"
    assert {"check", "verdict", "said", "hint"} == set(told["checks"][0])
    assert KEY not in ran.out + ran.err + json.dumps(told)


def test_a_wrong_key(configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.says("list", Answer({"error": "unauthorized"}, status=401))
    ran = mycli("doctor")
    assert ran.code == 1
    assert "✗ API key: unauthorized\n    is it this stack's key? `mycli configure`" in ran.out
    told = json.loads(mycli("doctor", "--json").out)
    assert told["healthy"] is False


def test_an_endpoint_that_is_not_there(mycli: Mycli) -> None:
    with FakeEndpoint() as gone:
        config.save_profile(gone.profile)
    ran = mycli("doctor")
    assert ran.code == 1
    assert "✗ endpoint: http://127.0.0.1:" in ran.out
    assert "cannot be reached" in ran.out
    assert "API key" not in ran.out


def test_a_configuration_that_others_can_read(configured: FakeEndpoint, mycli: Mycli) -> None:
    config.config_path().chmod(0o644)
    ran = mycli("doctor")
    assert ran.code == 1
    assert lines(ran.out)["configuration"] == "✗"
    assert "chmod 600" in ran.out
    assert configured.seen == []


def test_an_init_that_was_not_finished(mycli: Mycli) -> None:
    address = f"https://execute-api.eu-west-1.amazonaws.com{config.UNFINISHED}"
    config.save_profile(config.Profile(api_endpoint=address, api_key=KEY))
    ran = mycli("doctor")
    assert (ran.code, "run the same `mycli init` again" in ran.out) == (1, True)


@pytest.mark.parametrize(
    ("ahead", "verdict", "said"),
    [
        (0, "ok", "right"),
        (-50, "ok", "right"),
        (90, "warn", "90 s ahead of AWS"),
        (-301, "fail", "301 s behind AWS"),
    ],
)
def test_the_clock(ahead: int, verdict: str, said: str) -> None:
    now = 1_800_000_000
    found = diagnosis.clock(formatdate(now - ahead, usegmt=True), now)
    assert (found.verdict, found.said) == (verdict, said)
    assert diagnosis.clock("", now).verdict == "warn"


def a_pulumi(folder: Path, script: str) -> None:
    folder.mkdir(parents=True)
    (folder / "pulumi").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "pulumi").chmod(0o755)


def test_the_engine(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    found = diagnosis.engine()
    assert (found.verdict, found.said) == ("warn", "Pulumi is not installed")
    a_pulumi(tmp_path / "bin", "echo broken >&2; exit 1")
    found = diagnosis.engine()
    assert (found.verdict, "does not work (exit code 1)" in found.said) == ("warn", True)
    assert "`mycli init` installs one" in found.hint
    a_pulumi(own_engine() / "bin", ': >"$PULUMI_HOME/its.log"; echo v3.300.0')
    (home / "pulumi" / "plugins" / "resource-aws-v7.51.1").mkdir(parents=True)
    found = diagnosis.engine()
    assert found.verdict == "ok"
    assert "v3.300.0" in found.said
    assert "aws-v7.51.1" in found.said
    assert "not used" in found.said
    assert not (home / "pulumi" / "its.log").exists()  # doctor only looks


def make_stack() -> str:
    """The main resources of a stack; the endpoint."""
    table, key = "mycli-executions", "execution_id"
    client("dynamodb").create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
    )
    client("ecs").create_cluster(clusterName="mycli-cluster")
    role = client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    client("lambda").create_function(
        FunctionName="mycli-orchestrator",
        Role=role,
        Handler="x.y",
        Runtime="python3.13",
        Code={"ZipFile": b"PK\x05\x06" + b"\0" * 18},
    )
    api, made = client("apigateway"), make_api("mycli-api", REGION)
    root = api.get_resources(restApiId=made)["items"][0]["id"]
    api.put_method(restApiId=made, resourceId=root, httpMethod="POST", authorizationType="NONE")
    api.put_integration(restApiId=made, resourceId=root, httpMethod="POST", type="MOCK")
    api.create_deployment(restApiId=made, stageName="prod")
    return f"https://{made}.execute-api.{REGION}.amazonaws.com/prod/execute"


@pytest.mark.usefixtures("aws")
def test_the_stack_stands_or_what_of_it_does_not() -> None:
    nowhere = "https://abc.execute-api.eu-west-1.amazonaws.com/prod/execute"
    found = diagnosis.resources(client, "mycli", nowhere)
    assert (found.verdict, "not in the account" in found.said) == ("warn", True)
    endpoint = make_stack()
    assert diagnosis.resources(client, "mycli", endpoint).verdict == "ok"
    client("dynamodb").delete_table(TableName="mycli-executions")
    client("ecs").delete_cluster(cluster="mycli-cluster")
    found = diagnosis.resources(client, "mycli", endpoint)
    assert found.verdict == "fail"
    assert found.said == ("does not stand: the table mycli-executions, the cluster mycli-cluster")
    assert "mycli init" in found.hint


@pytest.mark.usefixtures("aws")
def test_the_functions_last_errors() -> None:
    assert diagnosis.function_errors(client, "mycli").verdict == "fail"  # no such log group
    logs, now = client("logs"), int(time.time() * 1000)
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="s")

    def writes(message: str, ago_seconds: int = 0) -> None:
        event = {"timestamp": now - ago_seconds * 1000, "message": message}
        logs.put_log_events(logGroupName=GROUP, logStreamName="s", logEvents=[event])

    writes('{"request_id": "r", "error": "KeyError", "trace": []}', ago_seconds=7200)
    writes('{"action": "exec", "status": 200}')
    assert diagnosis.function_errors(client, "mycli").verdict == "ok"
    writes('{"request_id": "r", "error": "ValueError", "trace": []}', ago_seconds=60)
    writes("2026-11-21T12:00:00Z 1234 Task timed out after 29.00 seconds\n")
    found = diagnosis.function_errors(client, "mycli")
    assert found.verdict == "warn"
    assert found.said.startswith("2 errors in the last hour, the last: 2026")
    assert GROUP in found.hint
