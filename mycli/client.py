"""The Python API: run commands in a stack, and find executions again.

    from mycli import Client

    with Client() as client:
        run = client.exec("pytest -q", image="python:3.13", repo="https://github.com/user/repo")
        for line in run.logs():
            print(line)
        print("exit code", run.wait())

Everything is explicit here: `.mycli.yaml` and git are looked at by the command line only. What goes
wrong raises a MycliError with a `message` and a `hint`.
"""

from __future__ import annotations

import builtins
import contextlib
import dataclasses
import secrets
import shlex
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

from mycli.config import Profile, load_profile
from mycli.endpoint import Endpoint, checked
from mycli.errors import ExecutionNotFound, ImageNotFound, UsageError
from mycli.execution import Execution
from orchestrator import wire

LIST_PAGE = 100
DEFINITIONS_PAGE = 50  # each takes the function some calls


class Client:
    """A connection to one stack. Close it, or use it as a context manager."""

    def __init__(
        self,
        profile: str | Profile | None = None,
        *,
        endpoint: str | None = None,
        api_key: str | None = None,
        on_wait: Callable[[str], None] | None = None,
    ) -> None:
        """profile: its name in ~/.mycli/config.yaml; if left out, MYCLI_* variables or `default`.

        endpoint and api_key together stand instead of one. on_wait is told, in a sentence, when and
        why a request waits (throttled, or the connection lost). Raises ConfigError.
        """
        if (endpoint is None) != (api_key is None):
            raise UsageError("endpoint and api_key go together", "give both, or a profile")
        if endpoint is not None and api_key is not None:
            self.profile = Profile(api_endpoint=endpoint, api_key=api_key)
        elif isinstance(profile, Profile):
            self.profile = profile
        else:
            self.profile = load_profile(profile)
        self._endpoint = Endpoint(self.profile, on_wait=on_wait)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._endpoint.close()

    def exec(
        self,
        command: str | Sequence[str],
        *,
        image: str | None = None,
        repo: str | None = None,
        branch: str | None = None,
        env: Mapping[str, str] | None = None,
        timeout_seconds: int = wire.DEFAULT_TIMEOUT_SECONDS,
        skip_git: bool = False,
        workdir: str | None = None,
        cpu: int | None = None,
        memory: int | None = None,
        arch: str | None = None,
        request_id: str | None = None,
    ) -> Execution:
        """Start a command; returns as soon as its task is started.

        command: a shell command, or the exact arguments of one. repo: cloned into the working
        directory; without one, say skip_git. branch: a branch, tag or commit. timeout_seconds:
        1800 if left out. cpu (1024 = one vCPU) and memory (MB) go together, in the pairs that
        Fargate takes. arch: x86_64 or arm64. request_id: 8 to 64 letters or digits of your own; a
        repeat with the same one starts nothing new, also from another process. What is left out is
        the stack's default. Raises UsageError for what cannot be, and other MycliErrors.
        """
        with checked():
            request = wire.ExecRequest(
                command=command if isinstance(command, str) else shlex.join(command),
                image=image,
                repo=repo,
                branch=branch,
                env=dict(env or {}),
                timeout_seconds=timeout_seconds,
                skip_git=skip_git,
                workdir=workdir,
                cpu=cpu,
                memory=memory,
                arch=arch,
                request_id=request_id,
            )
        return self.start(request)

    def start(self, request: wire.ExecRequest) -> Execution:
        """What `exec` does with a request that is checked already."""
        if request.request_id is None:
            request = dataclasses.replace(request, request_id=secrets.token_hex(16))
        started = self._endpoint.send(request, wire.ExecResponse)
        return Execution(self._endpoint, started.execution_id, started)

    def execution(self, name: str) -> Execution:
        """A handle on an execution by its short id or its task's ARN. Asks nothing yet."""
        return Execution(self._endpoint, name)

    def status(self, name: str) -> wire.StatusResponse:
        return self.execution(name).status()

    def logs(self, name: str, follow: bool = True) -> Iterator[str]:
        """The lines that the command printed."""
        return self.execution(name).logs(follow)

    def stop(self, name: str, reason: str | None = None) -> str:
        """Ask the task to stop; returns its status."""
        return self.execution(name).stop(reason)

    def list(
        self,
        *,
        limit: int | None = None,
        repo: str | None = None,
        status: str | None = None,
        since: str | None = None,
    ) -> Iterator[wire.StatusResponse]:
        """Executions, newest first; all of them without a limit, page by page as you iterate.

        repo: of this address only. status: one of ECS's words. since: ISO 8601 with its zone.
        """
        left = limit
        token: str | None = None
        while left is None or left > 0:
            with checked():
                request = wire.ListRequest(
                    limit=LIST_PAGE if left is None else min(left, LIST_PAGE),
                    next_token=token,
                    repo=repo,
                    status=status,
                    since=since,
                )
            page = self._endpoint.send(request, wire.ListResponse)
            found: builtins.list[wire.StatusResponse] = [*page.executions][:left]
            yield from found
            left = None if left is None else left - len(found)
            token = page.next_token
            if token is None:
                return

    # --- Images ------------------------------------------------------------------------------

    def task_definitions(
        self, *, include_inactive: bool = False, image: str | None = None
    ) -> Iterator[wire.TaskDefinition]:
        """The stack's task definitions: by family, newest revision first; page by page.

        include_inactive: also those that are deregistered. image: of this image only.
        """
        with checked():
            request = wire.ListTaskDefinitionsRequest(
                limit=DEFINITIONS_PAGE, include_inactive=include_inactive, image=image
            )
        while True:
            page = self._endpoint.send(request, wire.ListTaskDefinitionsResponse)
            yield from page.task_definitions
            if page.next_token is None:
                return
            request = dataclasses.replace(request, next_token=page.next_token)

    def remove_task_definitions(self, arns: Sequence[str]) -> wire.RemoveTaskDefinitionsResponse:
        """Deregister and delete these, ten at most, and say which are kept and why.

        Kept are the template, what is not the stack's, and what a task or an execution uses.
        """
        if not arns:
            return wire.RemoveTaskDefinitionsResponse()
        with checked():
            request = wire.RemoveTaskDefinitionsRequest(arns=tuple(arns))
        return self._endpoint.send(request, wire.RemoveTaskDefinitionsResponse)

    def images(self) -> Iterator[wire.NamedImage]:
        """The images that have a name, page by page."""
        request = wire.ListImagesRequest(limit=LIST_PAGE)
        while True:
            page = self._endpoint.send(request, wire.ListImagesResponse)
            yield from page.images
            if page.next_token is None:
                return
            request = dataclasses.replace(request, next_token=page.next_token)

    def register_image(
        self,
        name: str,
        image: str,
        *,
        cpu: int | None = None,
        memory: int | None = None,
        arch: str | None = None,
        shell: str | None = None,
    ) -> wire.RegisterImageResponse:
        """Let `image=name` mean this image from now on; `replaced` is what it meant before.

        cpu, memory, arch: for executions that do not say them. shell: the absolute path of what
        takes `-c SCRIPT`, where the image has no /bin/sh.
        """
        with checked():
            request = wire.RegisterImageRequest(
                name=name, image=image, cpu=cpu, memory=memory, arch=arch, shell=shell
            )
        return self._endpoint.send(request, wire.RegisterImageResponse)

    def unregister_image(self, name: str) -> None:
        """Take the name away; the image and its task definitions stay. Raises ImageNotFound."""
        with checked():
            request = wire.UnregisterImageRequest(name=name)
        with _images():
            self._endpoint.send(request, wire.UnregisterImageResponse)

    def find_built_image(self, repository: str, tag: str) -> wire.FindBuiltImageResponse:
        """The image of this tag in the stack's own repository. Raises ImageNotFound."""
        with checked():
            request = wire.FindBuiltImageRequest(repository=repository, tag=tag)
        with _images():
            return self._endpoint.send(request, wire.FindBuiltImageResponse)

    def authorize_push(self, repository: str) -> wire.AuthorizePushResponse:
        """Leave to push to the stack's repository of this name, which is made if need be.

        The password is worth as much as the API key, until `expires_at`: for a push to, or a pull
        from, any repository of the stack.
        """
        with checked():
            request = wire.AuthorizePushRequest(repository=repository)
        return self._endpoint.send(request, wire.AuthorizePushResponse)


@contextlib.contextmanager
def _images() -> Generator[None]:
    """What is not found here is an image."""
    try:
        yield
    except ExecutionNotFound as error:
        raise ImageNotFound(error.status, error.message, error.hint) from None
