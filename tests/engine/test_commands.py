"""The verbs that make, change and destroy a stack in AWS, as a user types them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from mycli import config
from mycli.stack.names import STACK_TAG
from tests.engine.conftest import Cloud
from tests.engine.moto_server import Seen

MYCLI = Path(sys.executable).with_name("mycli")


@dataclass
class Typed:
    code: int
    out: str
    err: str


def start(cloud: Cloud, *words: str, home: Path | None = None) -> subprocess.Popen[str]:
    """The command, typed on that machine, in a session of its own."""
    return subprocess.Popen(
        [MYCLI, *words],
        env={**cloud.process_environment(home), "NO_COLOR": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )


def type_in(cloud: Cloud, *words: str, stdin: str = "", home: Path | None = None) -> Typed:
    with start(cloud, *words, home=home) as process:
        out, err = process.communicate(stdin, timeout=300)
    return Typed(process.returncode, out, err)


def test_a_stack_from_init_to_destroy(cloud: Cloud, tmp_path: Path) -> None:
    asked = type_in(cloud, "init", "--state", "file", stdin="no\n")
    assert asked.code == 2
    assert "nothing was made" in asked.err
    assert "Region:" in asked.err
    assert cloud.has() == {}

    seen = type_in(cloud, "init", "--state", "file", "--preview", "--json")
    assert seen.code == 0, seen
    assert json.loads(seen.out)["changes"]["created"] == 32
    assert cloud.has() == {}

    made = type_in(cloud, "init", "--state", "file", stdin="yes\n")
    assert made.code == 0, made
    profile = config.load_profile()
    assert profile.api_key in made.out
    assert profile.state == "file"
    assert cloud.has()["clusters"] != []

    token = tmp_path / "token"
    token.write_text("glpat-canary-token\n")
    kept = type_in(cloud, "credentials", "set", "gitlab-token", "--file", str(token))
    assert kept.code == 0, kept
    assert "glpat-canary-token" not in kept.out + kept.err
    assert type_in(cloud, "credentials", "list").out == "gitlab-token\n"
    stored = cloud.account.clients("ssm").get_parameter(
        Name="/mycli/mycli/gitlab-token", WithDecryption=True
    )["Parameter"]
    assert (stored["Type"], stored["Value"]) == ("SecureString", "glpat-canary-token")

    updated = type_in(cloud, "update-function")
    assert updated.code == 0, updated
    assert "nothing to change" in updated.err

    rotated = type_in(cloud, "init", "--force", "--rotate-key")
    assert rotated.code == 0, rotated
    new = config.load_profile()
    assert new.api_key != profile.api_key
    assert new.api_key in rotated.out

    run_two_executions(cloud)
    done = note_what_is_done(cloud)
    gone = type_in(cloud, "destroy", stdin="y\n")
    assert gone.code == 0, gone
    assert "2 running executions would be stopped" in gone.err
    assert "nothing of the stack is left" in gone.out
    assert cloud.has() == {}
    assert not config.config_path().exists()
    assert list((cloud.home() / "pulumi" / "logs").iterdir()) == []  # nothing failed
    where = [done.index(step) for step in ORDER]
    assert where == sorted(where), done
    assert "DeleteTaskDefinitions" in done[done.index("delete TaskDefinition template") :]


# What of destroy must come before what; the first of several of a kind.
ORDER = [
    "PutItem",  # that no execution is let in any more
    "StopTask",
    "DeregisterTaskDefinition",
    "delete Stage stage",
    "delete Integration orchestrator",
    "delete Function orchestrator",
    "delete RolePolicy lambda",
    "delete Role lambda-role",
]


def run_two_executions(cloud: Cloud) -> None:
    """One of the default image, and one of an image whose family the function has registered."""
    ecs = cloud.account.clients("ecs")
    template = ecs.describe_task_definition(taskDefinition="mycli-task")["taskDefinition"]
    for _ in range(12):  # more revisions than are deleted by one call
        ecs.register_task_definition(
            family="mycli-task-alpine-3",
            containerDefinitions=template["containerDefinitions"],
            tags=[{"key": STACK_TAG, "value": "mycli"}],
        )
    for family in ("mycli-task", "mycli-task-alpine-3"):
        cloud.run_task(family)


def note_what_is_done(cloud: Cloud) -> list[str]:
    """From now on: what AWS is asked for by services that name it, and the engine's steps."""
    done: list[str] = []

    def asked(seen: Seen) -> None:
        if seen.target:
            done.append(seen.target.rpartition(".")[2])

    cloud.account.on_request = asked
    cloud.provider.before = lambda step: done.append(step.title)
    return done


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["init", "--local", "--region", "eu-west-1"], "--region does not go with --local"),
        (["init", "--runtime", "process"], "--runtime goes only with --local"),
        (["destroy", "--local", "--state", "file"], "--local does not go with"),
        (["destroy", "--state", "file", "--force"], "there is no stack mycli"),
        (["init", "--stack-name", "My-Stack"], "My-Stack"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_made(
    cloud: Cloud, words: list[str], sentence: str
) -> None:
    ran = type_in(cloud, *words)
    assert ran.code in (2, 125), ran
    assert sentence in ran.err
    assert cloud.has() == {}


def test_the_policy_is_printed_for_whoever_will_need_it(cloud: Cloud) -> None:
    ran = type_in(cloud, "init", "--print-policy", "--region", "cn-north-1")
    assert ran.code == 0, ran
    document = json.loads(ran.out)
    assert document["Version"] == "2012-10-17"
    assert "arn:aws-cn:" in ran.out
