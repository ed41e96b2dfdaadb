"""`make aws-smoke` over the real engine: here no command can run, so it fails, and cleans up."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.aws_smoke.sweep import left, state_bucket
from tests.engine.conftest import ROOT, Cloud, Standing


def smoke(cloud: Cloud, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.aws_smoke"],
        cwd=ROOT,
        env={
            **{name: os.environ[name] for name in ("PATH", "HOME")},
            **cloud.environment,
            "MYCLI_HOME": str(cloud.home()),
            "TMPDIR": str(cloud.root / "scratch"),
            # What is sent to the API's own address, which is not AWS's here, reaches nobody.
            "HTTPS_PROXY": "http://127.0.0.1:1",
            **env,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.soak  # some 20 s
def test_it_destroys_what_it_made_and_finds_nothing_left(cloud: Cloud) -> None:
    (cloud.root / "scratch").mkdir()
    ran = smoke(cloud, AWS_SMOKE_YES="1")
    said = ran.stdout + ran.stderr
    assert ran.returncode == 1, said
    assert "  ok      init (" in said
    assert "  FAILED  a command runs (" in said
    assert "  ok      destroy (" in said
    assert "  ok      nothing is left (" in said
    assert cloud.has() == {}
    assert list((cloud.root / "scratch").iterdir()) == []


@pytest.mark.soak
def test_without_a_yes_nothing_is_made(cloud: Cloud) -> None:
    (cloud.root / "scratch").mkdir()
    ran = smoke(cloud)
    assert (ran.returncode, "Nothing was made" in ran.stdout) == (1, True)
    assert "about $0.01" in ran.stdout
    assert cloud.account.account_id in ran.stdout
    assert cloud.has() == {}
    assert list((cloud.root / "scratch").iterdir()) == []


def test_its_search_for_what_is_left_finds_every_kind(standing: Standing) -> None:
    client = standing.cloud.account.clients
    found = left(client, "mycli")
    named = (
        "lambda: mycli-orchestrator",
        "dynamodb: mycli-executions",
        "events: mycli-task-state",
        "iam: mycli-lambda-role",
        "iam: mycli-task-role",
        "iam: mycli-task-execution-role",
        "secretsmanager: mycli/mycli/registry/ghcr.io",
        "ssm: /mycli/mycli/github-token",
        "logs: /aws/mycli/mycli",
        "logs: /aws/lambda/mycli-orchestrator",
    )
    assert set(named) <= set(found)
    for start in ("vpc", "subnet", "igw", "rtb", "sg"):
        assert any(line.startswith(f"ec2: {start}-") for line in found), start
    for kind in ("cluster/mycli-cluster", r"task-definition/mycli-task:\d+ \(ACTIVE\)"):
        assert any(re.fullmatch(f"ecs: .*{kind}", line) for line in found), kind
    assert any(line.startswith("apigateway: ") for line in found)
    assert len(state_bucket(client)) == 1
    assert left(client, "other") == []
