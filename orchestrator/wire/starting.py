"""An execution's start: what is asked for, and what is answered."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, cast

from orchestrator.wire.addresses import repo_protocol
from orchestrator.wire.checks import checked, is_boolean, is_text, matches, text, whole
from orchestrator.wire.executions import DEFAULT_TIMEOUT_SECONDS
from orchestrator.wire.images import IMAGE
from orchestrator.wire.messages import Request, Response, WireError, invalid, json_type
from orchestrator.wire.sizes import check_fargate_size, is_arch

MAX_TIMEOUT_SECONDS = 7 * 24 * 3600
OVERRIDES_LIMIT = 8192  # characters of RunTask's `overrides`, JSON included

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ENV_RESERVED = ("MYCLI_", "AWS_CONTAINER_", "ECS_CONTAINER_")
# What `git check-ref-format` takes, but for a dash in front, and what a terminal would obey.
_REF = re.compile(
    r"(?![-./]|@$)(?!.*(?:\.\.|//|/\.|@\{|\.lock(?:/|$)))"
    r"[^\x00-\x20\x7f-\x9f\u2028\u2029~^:?*\[\\]{1,255}(?<![./])"
)
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


def _is_env(name: str, value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise invalid(name, f"is {json_type(value)}", "an object of names and string values")
    return {
        _is_env_name(key): is_text(f"{name}.{key}", text)
        for key, text in cast("Mapping[object, object]", value).items()
    }


def _is_env_name(value: object) -> str:
    name = matches("env", value, _ENV_NAME, "names of letters, digits and _, no digit first")
    if name.startswith(_ENV_RESERVED):
        reserved = ", ".join(f"{prefix}*" for prefix in _ENV_RESERVED)
        raise invalid("env", f"names {name}", f"names other than {reserved}, which are reserved")
    return name


def _is_command(name: str, value: object) -> str:
    text = is_text(name, value)
    if not text.strip():
        raise invalid(name, "is empty", "a shell command")
    return text


def _is_workdir(name: str, value: object) -> str:
    text = is_text(name, value)
    if not text or "\n" in text:
        raise invalid(name, "is empty or has a line break", "a folder, such as infra/prod")
    return text


def _leaves(workdir: str) -> bool:
    """Whether this path leads out of the folder that it is to be a path in, links aside."""
    path = posixpath.normpath(workdir)
    return posixpath.isabs(path) or path.partition("/")[0] == ".."


@dataclass(frozen=True, kw_only=True)
class ExecRequest(Request):
    """Start one execution.

    command: one shell string, run by `sh -c`. repo: needed unless skip_git. branch: a branch, tag
    or commit; the remote's default branch where it is left out. env: the user's variables.
    workdir: a folder of the repository; without one, of the image, where it may be absolute.
    cpu: vCPU units (1024 = one). memory: MB. arch: the stack's own where it is left out.
    request_id: a repeat with the same one starts nothing new and answers the same execution.
    """

    action: ClassVar[str] = "exec"
    command: str = checked(_is_command, "")
    repo: str | None = checked(lambda _, value: (repo_protocol(cast("str", value)), value)[1])
    branch: str | None = text(_REF, "a branch, tag or commit as git writes it")
    image: str | None = text(
        IMAGE, "an image such as python:3.13 or registry:5000/team/app@sha256:…"
    )
    env: Mapping[str, str] = field(default_factory=dict, repr=False, metadata={"check": _is_env})
    timeout_seconds: int = whole(1, MAX_TIMEOUT_SECONDS, DEFAULT_TIMEOUT_SECONDS)
    skip_git: bool = checked(is_boolean, False)
    workdir: str | None = checked(_is_workdir)
    cpu: int | None = whole(256, 16384)
    memory: int | None = whole(512, 122880)
    arch: str | None = checked(is_arch)
    request_id: str | None = text(_REQUEST_ID, "8 to 64 letters, digits, - or _")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.skip_git and self.repo is None:
            raise WireError(
                400, "invalid request: repo required", "give a repo, or skip_git to run without one"
            )
        if not self.skip_git and self.workdir and _leaves(self.workdir):
            outside = f"is {self.workdir[:80]!r}, outside the repository"
            raise invalid("workdir", outside, "a folder of the repository, such as infra/prod")
        check_fargate_size(self.cpu, self.memory)


@dataclass(frozen=True, kw_only=True)
class ExecResponse(Response):
    """The execution that was started, or that an earlier request with this request_id started.

    image: what runs; image_name: the named image that was asked for, if it was one.
    task_definition_reason: why a task definition was registered, empty where one was there.
    """

    execution_id: str
    task_arn: str
    status: str
    log_stream: str
    created_at: str
    image: str = ""
    image_name: str | None = None
    task_definition: str = ""
    task_definition_cached: bool = False
    task_definition_reason: str = ""
