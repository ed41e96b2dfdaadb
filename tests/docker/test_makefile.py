"""docker/Makefile: what it asks of the container engine and of AWS, by stand-ins that note it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.task_script import Container

DOCKER = Path(__file__).parents[2] / "docker"
PUBLIC = "public.ecr.aws/alias/mycli-executor"
PRIVATE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team/executor"
ENGINE = """
echo "$*" >>"{notes}"
case $1 in
login) echo "password: $(cat)" >>"{notes}" ;;
run) printf '%s\\n' "command: $USER_COMMAND" "token: $GITHUB_TOKEN" >>"{notes}" ;;
esac
"""
AWS = 'echo "aws $*" >>"{notes}"; [ -z "$AWS_FAILS" ] || exit 255; echo pass word'


def make(container: Container, *words: str, **environment: str) -> tuple[int, list[str]]:
    """Run it; gives its exit code and what was asked, in order."""
    notes = container.folder / "notes"
    programs = container.programs(
        docker=ENGINE.format(notes=notes),
        aws=AWS.format(notes=notes),
        podman=f"echo podman >{notes}",
    )
    ran = subprocess.run(
        ["make", "--silent", *words, "TAG=1"],
        cwd=DOCKER,
        env={"PATH": f"{programs}:{os.environ['PATH']}", **environment},
        capture_output=True,
        check=False,
    )
    return ran.returncode, notes.read_text().splitlines() if notes.exists() else []


def test_an_image_is_built_from_the_root_of_the_repository(container: Container) -> None:
    code, notes = make(container, "build", "BUILD_ARGS=--build-arg BASE=ubuntu:24.04")
    asked = "--build-arg BASE=ubuntu:24.04 --file Dockerfile --tag mycli/executor:1 .."
    assert (code, notes) == (0, [f"build {asked}"])


def test_another_engine(container: Container) -> None:
    assert make(container, "build", "ENGINE=podman") == (0, ["podman"])


def test_both_architectures_are_built(container: Container) -> None:
    code, notes = make(container, "build-multi")
    assert code == 0
    assert notes[0].startswith("buildx build --platform linux/amd64,linux/arm64 ")


def test_a_command_of_ones_own_gets_the_token_out_of_sight(container: Container) -> None:
    command = """echo "it's" $HOME"""
    code, notes = make(
        container, "test", USER_COMMAND=command, GITHUB_TOKEN="s3cret", REPO_URL="https://x/y"
    )
    assert code == 0
    assert notes[2:] == [f"command: {command}", "token: s3cret"]
    assert notes[1].startswith("run --rm --env REPO_URL ")
    assert "s3cret" not in notes[0] + notes[1]


@pytest.mark.parametrize(
    ("repository", "password"),
    [
        (PUBLIC, "aws ecr-public get-login-password --region us-east-1"),
        (PRIVATE, "aws ecr get-login-password --region eu-central-1"),
    ],
)
def test_an_image_is_pushed_where_it_was_said(
    container: Container, repository: str, password: str
) -> None:
    code, notes = make(container, "push-ecr", f"ECR_REPOSITORY={repository}")
    host = repository.partition("/")[0]
    login = f"login --username AWS --password-stdin {host}"
    assert (code, notes[:3]) == (0, [password, login, "password: pass word"])
    assert notes[3].startswith("buildx build --platform linux/amd64,linux/arm64 ")
    assert notes[3].endswith(f"--tag {repository}:1 --push ..")


def test_nothing_is_pushed_without_a_login(container: Container) -> None:
    code, notes = make(container, "push-ecr", f"ECR_REPOSITORY={PRIVATE}", AWS_FAILS="1")
    assert code != 0
    assert notes == ["aws ecr get-login-password --region eu-central-1"]


def test_nothing_is_pushed_to_nowhere(container: Container) -> None:
    assert make(container, "push-ecr") == (2, [])
