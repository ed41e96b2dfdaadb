from __future__ import annotations

from typing import Any

import pytest

from orchestrator.observations import observe
from tests.orchestrator.conftest import START, new_task_arn, task_of

ARN = new_task_arn(1)
ESSENTIAL = "Essential container in task exited"


def ending(container: dict[str, Any], **task: object) -> dict[str, Any]:
    containers = [{"name": "sidecar", "exitCode": 99}, {"name": "executor", **container}]
    seen = observe(task_of("6ab13b800000", ARN, "STOPPED", containers=containers, **task), START)
    assert seen.status == "STOPPED"
    return dict(seen.fields)


@pytest.mark.parametrize("exit_code", [0, 1, 125, 143, 255])
def test_the_exit_code_is_that_of_the_executor(exit_code: int) -> None:
    fields = ending({"exitCode": exit_code}, stoppedReason=ESSENTIAL)

    assert fields["exit_code"] == exit_code
    assert "stopped_reason" not in fields


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("CannotPullContainerError: manifest unknown", "image's name and tag"),
        (
            "CannotPullContainerError: image Manifest does not contain descriptor matching "
            "platform 'linux/arm64'",
            "architecture",
        ),
        (
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to "
            "resolve ref docker.io/library/alpine:no-such: docker.io/library/alpine:no-such: "
            "not found",
            "no such image",
        ),
        (
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to "
            "resolve ref 123456789012.dkr.ecr.us-east-1.amazonaws.com/mycli/api:1.0: "
            "123456789012.dkr.ecr.us-east-1.amazonaws.com/mycli/api:1.0: not found",
            "`mycli build --push`",
        ),
        ("CannotPullContainerError: 127.0.0.1:4567/mycli/api:1.0: not found", "build --push"),
        (
            "CannotPullContainerError: name unknown: The repository with name 'mycli/api' does not "
            "exist in the registry with id '123456789012'",
            "no such image",
        ),
        (
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to "
            "resolve ref 210987654321.dkr.ecr.us-east-1.amazonaws.com/team/app:1: unexpected "
            "status from HEAD request:\n403 Forbidden",
            "another account",
        ),
        (
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to "
            "resolve ref ghcr.io/user/app:1: failed to authorize: failed to fetch anonymous token: "
            "unexpected status from GET request to https://ghcr.io/token: 401 Unauthorized",
            "`mycli registry-login`",
        ),
        (
            "CannotPullContainerError: Error response from daemon: pull access denied for team/x, "
            "repository does not exist or may require 'docker login'",
            "or it is private",
        ),
        (
            "CannotPullContainerError: Error response from daemon: pull access denied for toool, "
            "repository does not exist or may require 'docker login'",
            "`mycli list-images`",
        ),
        (
            'CannotPullContainerError: Error: initializing source: short-name "toool" did not '
            "resolve to an alias and no unqualified-search registries are defined",
            "`mycli list-images`",
        ),
        (
            "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to "
            "resolve ref docker.io/library/toool:latest: pull access denied, repository does not "
            "exist or may require authorization",
            "`mycli list-images`",
        ),
        (
            "CannotPullContainerError: pull image manifest has been retried 5 time(s): dial tcp "
            "10.0.3.17:443: i/o timeout",
            "did not answer",
        ),
        ("CannotPullContainerError: dial tcp: lookup a.example: no such host", "did not answer"),
        ("CannotPullContainerError: Server message: toomanyrequests: You have", "later"),
        ("CannotPullContainerError: write /x: no space left on device", "20 GB"),
        (
            "CannotPullContainerError: invalid reference format: repository name must be lowercase",
            "small letters",
        ),
        ("CannotPullContainerError: boom", "image's name and tag"),
        ("ResourceInitializationError: unable to pull secrets", "execution role"),
        ("CannotStartContainerError: exec: no such file or directory", "/bin/sh"),
        ("CannotCreateContainerError: boom", "run it again"),
        ("ContainerRuntimeTimeoutError: boom", "run it again"),
        ("CannotInspectContainerError: boom", "run it again"),
        ("InternalError: boom", "AWS's side"),
        ("Your Spot Task was interrupted.", "Spot capacity"),
        ("Timeout waiting for network interface provisioning to complete.", "network"),
        ("Capacity is unavailable at this time", "later"),
    ],
)
@pytest.mark.parametrize("where", ["task", "container"])
def test_a_missing_exit_code_is_a_failure_with_its_reason_and_a_hint(
    reason: str, hint: str, where: str
) -> None:
    fields = (
        ending({}, stoppedReason=reason)
        if where == "task"
        else ending({"reason": reason}, stoppedReason=ESSENTIAL)
    )

    assert "exit_code" not in fields
    assert fields["stopped_reason"].startswith(reason)
    assert hint in fields["stopped_reason"].removeprefix(reason)


@pytest.mark.parametrize("task", [{}, {"stoppedReason": ""}, {"stoppedReason": ESSENTIAL}])
def test_there_is_always_a_reason_where_there_is_no_exit_code(task: dict[str, Any]) -> None:
    assert ending({}, **task)["stopped_reason"] == "the container ended without an exit code"


def test_no_container_at_all_is_a_failure() -> None:
    task = task_of("6ab13b800000", ARN, "STOPPED", stoppedReason="Task failed to start")
    del task["containers"]

    fields = observe(task, START).fields

    assert "exit_code" not in fields
    assert fields["stopped_reason"] == "Task failed to start"


def test_both_reasons_are_told_and_none_twice() -> None:
    two = ending({"reason": "CannotPullContainerError: x"}, stoppedReason="Task failed to start")
    one = ending(
        {"reason": "CannotPullContainerError: x"}, stoppedReason="CannotPullContainerError: x"
    )

    assert two["stopped_reason"].startswith("Task failed to start: CannotPullContainerError: x (")
    assert one["stopped_reason"].count("CannotPullContainerError") == 1


def test_137_for_want_of_memory_says_so() -> None:
    reason = "OutOfMemoryError: Container killed due to memory usage"
    fields = ending({"exitCode": 137, "reason": reason}, stoppedReason=ESSENTIAL)

    assert fields["exit_code"] == 137
    assert "too much memory" in fields["stopped_reason"]
    assert "ask for more" in fields["stopped_reason"]


def test_137_for_another_reason_does_not() -> None:
    fields = ending({"exitCode": 137}, stoppedReason="stopped by the user")

    assert fields["stopped_reason"] == "stopped by the user"


def test_a_spot_interruption_is_named_even_where_the_reason_does_not() -> None:
    fields = ending({"exitCode": 143}, stopCode="SpotInterruption", stoppedReason=ESSENTIAL)

    assert fields["stopped_reason"].startswith("SpotInterruption")
    assert "run it again" in fields["stopped_reason"]


def test_a_task_that_ecs_calls_deleted_is_over() -> None:
    assert observe(task_of("6ab13b800000", ARN, "DELETED"), START).status == "STOPPED"


def test_an_end_without_a_time_is_now() -> None:
    assert ending({"exitCode": 0})["stopped_at"] == "2026-09-21T14:13:20Z"


@pytest.mark.parametrize("status", ["PROVISIONING", "PENDING", "RUNNING", "DEPROVISIONING"])
def test_nothing_is_said_of_an_end_before_it(status: str) -> None:
    containers = [{"name": "executor", "exitCode": 0}]
    seen = observe(task_of("6ab13b800000", ARN, status, containers=containers), START)

    assert seen.status == status
    assert set(seen.fields) == {"task_arn", "capacity_provider"}


def test_what_is_no_task_is_an_error() -> None:
    with pytest.raises(KeyError):
        observe({"taskArn": ARN}, START)
