"""Logins to private registries: they come, are changed and go, and nothing else does."""

from __future__ import annotations

import json
import signal
from typing import Any

from mycli.stack.automation import Stack
from tests.engine.conftest import REGISTRY_PASSWORD, Cloud, Standing, kill
from tests.engine.test_commands import Typed, start, type_in
from tests.local.conftest import until

LOGIN = ("registry-login", "registry.example:5000", "--username", "robot", "--password-stdin")
SECRET = "mycli/mycli/registry/registry.example_5000"


def test_a_login_comes_is_changed_and_goes(standing: Standing) -> None:
    cloud = standing.cloud
    told = [killed_when_its_secret_is_made(cloud)]
    made = type_in(cloud, *LOGIN, "--json", stdin="first-canary\n")
    told.append(made)
    assert made.code == 0, made
    assert "Taken back: Secret that was just being made" in made.err
    hosts = ["ghcr.io", "registry.example:5000"]
    assert json.loads(made.out) == {"stack_name": "mycli", "registries": hosts}
    assert held(cloud) == {"username": "robot", "password": "first-canary"}
    arns = arns_of_function(cloud)
    assert list(arns) == hosts
    assert granted(cloud) == list(arns.values())

    cloud.provider.steps.clear()
    changed = type_in(cloud, *LOGIN, stdin="second-canary")
    told.append(changed)
    assert changed.code == 0, changed
    # Its ARN stays: the function and the policy are as they were.
    version = "SecretVersion registry-registry.example:5000"
    assert cloud.provider.done() == [f"create {version}", f"delete {version}"]
    assert held(cloud) == {"username": "robot", "password": "second-canary"}

    gone = type_in(cloud, "registry-logout", "registry.example:5000")
    told.append(gone)
    assert gone.code == 0, gone
    assert list(arns_of_function(cloud)) == granted_hosts(cloud) == ["ghcr.io"]
    assert "secrets" in cloud.has()
    assert cloud.has()["secrets"] == ["mycli/mycli/registry/ghcr.io"]
    again = type_in(cloud, "registry-logout", "registry.example:5000")
    assert again.code == 125
    assert "there are: ghcr.io" in again.err
    listed = type_in(cloud, "credentials", "list")
    assert listed.out == "github-token\nregistry ghcr.io\n"
    for ran in (*told, listed):
        assert "canary" not in ran.out + ran.err
        assert REGISTRY_PASSWORD not in ran.out + ran.err
    assert not Stack("mycli").up().changes.any


def killed_when_its_secret_is_made(cloud: Cloud) -> Typed:
    """The login is cut off between the secret and what is in it."""
    sessions: list[int] = []

    def cut_the_power() -> None:
        kill(sessions[0])
        raise RuntimeError("nobody hears this")

    cloud.at("create Secret registry-registry.example:5000", cut_the_power, after=True)
    with start(cloud, *LOGIN) as typing:
        sessions.append(typing.pid)
        out, err = typing.communicate("first-canary\n", timeout=300)
    until(lambda: not cloud.provider.doing)
    kill(typing.pid)
    cloud.undisturbed()
    assert typing.returncode == -signal.SIGKILL, out + err
    assert SECRET in cloud.has()["secrets"]
    return Typed(typing.returncode, out, err)


def held(cloud: Cloud) -> dict[str, str]:
    found = cloud.account.clients("secretsmanager").get_secret_value(SecretId=SECRET)
    return json.loads(found["SecretString"])


def arns_of_function(cloud: Cloud) -> dict[str, str]:
    functions = cloud.account.clients("lambda")
    found: Any = functions.get_function_configuration(FunctionName="mycli-orchestrator")
    return json.loads(found["Environment"]["Variables"]["MYCLI_REGISTRIES"])


def granted(cloud: Cloud) -> list[str]:
    """The secrets that ECS may read for the stack."""
    document = cloud.account.clients("iam").get_role_policy(
        RoleName="mycli-task-execution-role", PolicyName="mycli-task-execution"
    )["PolicyDocument"]
    statements = [s for s in document["Statement"] if s["Action"][0].startswith("secretsmanager")]
    return [arn for statement in statements for arn in statement["Resource"]]


def granted_hosts(cloud: Cloud) -> list[str]:
    return [arn.rpartition("/")[2].rpartition("-")[0] for arn in granted(cloud)]


def test_no_login_makes_a_stack(cloud: Cloud) -> None:
    ran = type_in(cloud, *LOGIN, "--state", "file", stdin="canary\n")
    assert ran.code == 125, ran
    assert "there is no stack mycli" in ran.err
    ran = type_in(cloud, "credentials", "set", "github-token", stdin="ghp_0123\n")
    assert ran.code == 125, ran
    assert "there is no stack mycli" in ran.err
    assert cloud.has() == {}
