"""What ECS's description of a task says about its execution.

The same words come from RunTask, DescribeTasks, StopTask and the Task State Change event; only the
times are datetimes in some and text in the other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from orchestrator.records import Observation
from orchestrator.times import iso
from orchestrator.wire import CONTAINER_NAME, STATUSES

_ORDINARY_END = "Essential container in task exited"
_KILLED_EXIT_CODE = 137

_OTHER_ARCHITECTURE = (
    "the image was not built for this architecture: --arch asks for another, x86_64 or arm64"
)
_NO_SHELL = (
    "the image needs a shell at /bin/sh, or where `mycli register-image --entrypoint` says it is"
)

# What registries and ECS say of an image that could not be pulled; the first that fits.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_cannot_pull_image.html
_PULL_FAILED = "CannotPullContainerError"
_DKR = r"[0-9]{12}\.dkr[.-]ecr[.-]"  # ECR's hosts
_HERE = r"\b127\.0\.0\.1:[0-9]+/"  # ECR's, in an account on this machine
_REFUSED = r"denied|unauthorized|authentication required|forbidden|not authorized|login"
_NO_IMAGE = r"manifest unknown|not found|does not exist|name unknown"
# One word, which only the images of Docker Hub's own, or named ones, are called by.
_ONE_WORD = r"(short-name \"|docker\.io/library/|access denied for )[^\"/:.@ ,]+(\"|,|:latest\b)"
_CHECK_IT = "there is no such image: check the image's name and tag"
_PULL_HINTS = (
    (r"matching platform|no match for platform", _OTHER_ARCHITECTURE),
    (
        r"toomanyrequests|too many requests|rate limit",
        "its registry gives out no more for now: run it again later, or use a copy elsewhere",
    ),
    (
        r"timeout|timed out|deadline exceeded|no such host|connection re|canceled|unreachable",
        "its registry did not answer: check the image's name, and whether tasks can reach it",
    ),
    (
        _ONE_WORD,
        "no image is named so: `mycli list-images` shows the names that there are; any other image "
        "is called by its address, such as ghcr.io/user/app:1",
    ),
    (
        rf"{_DKR}.*({_REFUSED})",
        "tasks pull from the ECR of the stack's own account; a repository of another account needs "
        "a policy there that lets this one's tasks pull",
    ),
    (
        _REFUSED,
        "there is no such image, or it is private: check the image's name; for a private one, "
        "`mycli registry-login` gives tasks a login of its registry, or a new one",
    ),
    (
        rf"({_DKR}|{_HERE}).*({_NO_IMAGE})",
        f"{_CHECK_IT}; `mycli build --push` builds and pushes those of .mycli.yaml",
    ),
    (_NO_IMAGE, _CHECK_IT),
    (
        r"invalid reference|must be lowercase",
        "that is no image's name: check the image's name, which has small letters only",
    ),
    (r"no space left", "there is no room for the image; on Fargate, a task has 20 GB"),
    (
        "",
        "check the image's name and tag, and that its registry answers and lets it be pulled",
    ),
)

# The first that is found in another reason is added to it.
_HINTS = (
    (
        "ResourceInitializationError",
        "the task could not be set up: check the stack's network, its execution role, its git "
        "credentials and its registry logins",
    ),
    ("OutOfMemory", "the command needed more memory than it had: ask for more"),
    ("exec format error", _OTHER_ARCHITECTURE),
    ("no such file or directory", _NO_SHELL),
    ("CannotStartContainerError", f"the image could not be started: {_NO_SHELL}"),
    ("CannotCreateContainerError", "the container could not be made: run it again"),
    ("ContainerRuntime", "the container could not be run: run it again"),
    ("CannotInspectContainerError", "the container was lost sight of: run it again"),
    ("InternalError", "this is a fault on AWS's side: run it again"),
    ("Spot", "AWS took its Spot capacity back: run it again"),
    ("Capacity is unavailable", "AWS has no room for it now: run it again later"),
    ("network interface", "AWS could not attach the network: run it again"),
)


def observe(task: Mapping[str, Any], now: float) -> Observation:
    """How far the task is, and all that is known of it. now stands in for a missing end time.

    Raises KeyError, TypeError or another for what is not the description of a task.
    """
    status = "STOPPED" if task["lastStatus"] == "DELETED" else str(task["lastStatus"])
    fields: dict[str, Any] = {
        "task_arn": task["taskArn"],
        "capacity_provider": task.get("capacityProviderName"),
        "started_at": _time(task.get("startedAt")),
    }
    if task.get("desiredStatus") == "STOPPED" or status == "STOPPED":
        fields["desired_status"] = "STOPPED"
    if status == "STOPPED":
        exit_code, reason = _ending(task)
        fields |= {
            "stopped_at": _time(task.get("stoppedAt")) or iso(now),
            "exit_code": exit_code,
            "stopped_reason": reason,
        }
    known = {name: value for name, value in fields.items() if value not in (None, "")}
    if not all(isinstance(value, str | int) for value in known.values()):
        raise TypeError("a task is described by text and numbers")
    return Observation(status=status if status in STATUSES else STATUSES[0], fields=known)


def lost(reason: str, task_arn: str | None, stopped_at: float | None) -> Observation:
    """An execution that ended without an exit code, and not by ECS's account of its task."""
    fields = {"desired_status": "STOPPED", "stopped_reason": with_hint(reason)}
    if task_arn is not None:
        fields["task_arn"] = task_arn
    if stopped_at is not None:
        fields["stopped_at"] = iso(stopped_at)
    return Observation(status="STOPPED", fields=fields)


def _ending(task: Mapping[str, Any]) -> tuple[int | None, str | None]:
    """The command's exit code and why it ended; a missing exit code always has a reason."""
    containers = task.get("containers", [])
    executor = next((item for item in containers if item.get("name") == CONTAINER_NAME), {})
    exit_code = executor.get("exitCode")
    said = [task.get("stoppedReason"), executor.get("reason")]
    reasons = [reason for reason in said if reason and reason != _ORDINARY_END]
    if task.get("stopCode") == "SpotInterruption" and "Spot" not in " ".join(reasons):
        reasons.insert(0, "SpotInterruption")
    reason = ": ".join(dict.fromkeys(reasons))
    if exit_code is None:
        return None, with_hint(reason or "the container ended without an exit code")
    if exit_code == _KILLED_EXIT_CODE and "OutOfMemory" in reason:
        reason = f"killed for using too much memory: {reason}"
    return int(exit_code), with_hint(reason) or None


def with_hint(reason: str) -> str:
    """The reason and, where it is a well-known one, what to do."""
    if _PULL_FAILED in reason:
        hint = next(
            hint for said, hint in _PULL_HINTS if re.search(said, reason, re.IGNORECASE | re.DOTALL)
        )
    else:
        hint = next((hint for known, hint in _HINTS if known in reason), "")
    return f"{reason} ({hint})" if hint else reason


def _time(value: datetime | str | None) -> str | None:
    if not value:
        return None
    time = datetime.fromisoformat(value) if isinstance(value, str) else value
    return iso(time.timestamp())
