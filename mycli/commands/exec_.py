"""mycli exec: run a command as a task."""

from __future__ import annotations

import dataclasses
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import click
import typer
from typer.core import TyperCommand

from mycli import output
from mycli.commands import Json, Profile, connect, of_profile
from mycli.errors import EndpointError, ExecutionFailed, MycliError, UsageError

if TYPE_CHECKING:
    from mycli import config
    from mycli.building.images import Image
    from mycli.client import Client
    from mycli.execution import Execution
    from mycli.project import Settings
    from orchestrator.wire import ExecRequest

EXACT = "mycli.exact"


def exec_(
    ctx: typer.Context,
    command: Annotated[list[str], typer.Argument(metavar="COMMAND", show_default=False)],
    *,
    repo: Annotated[str | None, typer.Option(metavar="URL", help="Repository to clone.")] = None,
    branch: Annotated[
        str | None, typer.Option(metavar="REF", help="Branch, tag or commit to clone.")
    ] = None,
    image: Annotated[
        str | None, typer.Option(metavar="IMAGE", help="Docker image to use, or its name.")
    ] = None,
    service: Annotated[
        str | None, typer.Option(metavar="NAME", help="The image of this service in .mycli.yaml.")
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Variable; KEY alone passes yours on. Repeatable."),
    ] = None,
    timeout: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="End it after 90s, 5m, 2h or so. [default: 30m]"),
    ] = None,
    skip_git: Annotated[bool, typer.Option("--skip-git", help="Run without a repository.")] = False,
    workdir: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Run in this folder of the repository.")
    ] = None,
    cpu: Annotated[
        int | None, typer.Option(metavar="UNITS", help="vCPU units, 1024 = one; with --memory.")
    ] = None,
    memory: Annotated[int | None, typer.Option(metavar="MB", help="Memory; with --cpu.")] = None,
    arch: Annotated[
        str | None, typer.Option(metavar="ARCH", help="x86_64 or arm64. [default: the stack's]")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show the output, exit with its exit code.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Exit with its exit code, without the output.")
    ] = False,
    request_id: Annotated[
        str | None,
        typer.Option(metavar="ID", help="A repeat with the same one starts nothing new."),
    ] = None,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Run a command as a task, in any image, on any repository.

    One argument is a shell command. Several are the exact arguments of a program. Flags go before
    it. What is not given comes from MYCLI_* variables, .mycli.yaml and git. An image that
    .mycli.yaml says how to build is built and pushed where the stack does not have it yet.

    \b
    mycli exec "terraform plan"
    mycli exec -f --image python:3.13 --env CI=1 "pip install . && pytest"
    mycli exec --repo https://github.com/user/infra --branch dev "make deploy"
    mycli exec -f --service api "pytest"
    mycli exec -f --skip-git --image alpine:latest -- printf '%s\\n' "it's" exact

    It returns as soon as the task is started. With -f the command's output goes to stdout and all
    else to stderr; Ctrl-C leaves the task running, and again within two seconds stops it. With
    --json, stdout is one document, and what -f shows goes to stderr.
    """
    if skip_git and repo:
        raise UsageError("--repo and --skip-git exclude each other")
    _refuse_flags_behind(ctx, command)
    from mycli import project, project_file, terminal

    given = {
        "repo": repo,
        "branch": branch,
        "image": image,
        "service": service,
        "env": _variables(env or []),
        "timeout": None if timeout is None else project_file.seconds("--timeout", timeout),
        "workdir": workdir,
        "cpu": cpu,
        "memory": memory,
        "arch": arch,
        "skip_git": skip_git or (False if repo else None),
    }
    shell = _utf8("the command", command[0] if len(command) == 1 else shlex.join(command))
    with connect(profile) as client:
        settings = project.resolve(
            given,
            Path.cwd(),
            is_local=client.profile.is_loopback,
            has_images=not _runs_processes(client.profile),
        )
        terminal.tell_settings(settings, shell)
        request = _request(shell, settings, request_id)  # checked before anything is built
        built = _built_image(client, settings)
        if built:
            request = dataclasses.replace(request, image=built.address, arch=built.arch)
        execution = _start(client, request)
        document = dataclasses.asdict(execution.started) if execution.started else {}
        document |= {"built": built.to_json()} if built else {}
        if follow or wait:
            _stay(execution, document, follow, as_json, of_profile(profile))
        terminal.tell_started(execution, beside=as_json, flags=of_profile(profile))
    if as_json:
        output.json_document(document)


class Command(TyperCommand):
    """Its flags end where the command begins. Notes whether `--` was given: the parser drops it."""

    allow_interspersed_args = False

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[EXACT] = "--" in args
        return super().parse_args(ctx, args)


def _refuse_flags_behind(ctx: typer.Context, command: list[str]) -> None:
    """`exec "make all" --branch dev` is a slip, not a program called "make all"."""
    flags = {name for param in ctx.command.params for name in param.opts}
    behind = next((word for word in command[1:] if word.partition("=")[0] in flags), None)
    if behind and " " in command[0] and not ctx.meta[EXACT]:
        raise UsageError(
            f"{behind.partition('=')[0]} stands behind the command",
            "flags go before it; or use -- before exact words",
        )


def _variables(given: list[str]) -> dict[str, str]:
    variables: dict[str, str] = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not separator and name not in os.environ:
            raise UsageError(f"--env {name}: there is no such variable here", "or give KEY=VALUE")
        variables[name] = _utf8(f"--env {name}", value if separator else os.environ[name])
    return variables


def _utf8(what: str, text: str) -> str:
    """The text, unless it has bytes that a request cannot carry. Raises UsageError."""
    try:
        text.encode()
    except UnicodeEncodeError:
        hint = "pass other bytes in a file of the repository, or encoded as with base64"
        raise UsageError(f"{what} is not UTF-8", hint) from None
    return text


def _runs_processes(profile: config.Profile) -> bool:
    """Whether the stack is on this machine, and its tasks are processes."""
    if not profile.is_local:
        return False
    from mycli.local import place

    account = place.read(place.place())
    # Another account's stack may be reached, too: of that nothing is known here.
    if account is None or account.daemon_secret != profile.daemon_secret:
        return False
    return account.runtime == "process"


def _request(command: str, settings: Settings, request_id: str | None) -> ExecRequest:
    from mycli.endpoint import checked
    from orchestrator import wire

    with checked(**_as_given(settings)):
        return wire.ExecRequest(
            command=command,
            image=settings.image,
            repo=settings.repo,
            branch=settings.branch,
            env=settings.env,
            timeout_seconds=settings.timeout,
            skip_git=settings.skip_git,
            workdir=settings.workdir,
            cpu=settings.cpu,
            memory=settings.memory,
            arch=settings.arch,
            request_id=request_id,
        )


def _as_given(settings: Settings) -> dict[str, str]:
    """How the user gave each field of the request: in a flag, unless it came from elsewhere."""
    from mycli.project_file import FILE_NAME

    fields = ("repo", "branch", "image", "workdir", "cpu", "memory", "arch")
    given = {field: field for field in fields} | {"timeout_seconds": "timeout"}
    told = {"": "--{}", FILE_NAME: f"{{}} in {FILE_NAME}", "git": "{} (as git has it)"}
    names = {
        field: told.get(source := settings.sources.get(name, ""), source).format(name)
        for field, name in given.items()
    }
    return names | {"command": "the command", "request_id": "--request-id"}


def _built_image(client: Client, settings: Settings) -> Image | None:
    """The image of the service that was chosen, if one was; built and pushed where it is new."""
    if settings.service is None:
        return None
    from mycli.building import images

    arch = settings.arch or images.DEFAULT_ARCH
    image = images.provide(client, settings.service, arch, beside_clone=settings.repo is not None)
    output.step(f"Image: {image.address} ({image.origin})")
    return image


def _start(client: Client, request: ExecRequest) -> Execution:
    output.step("Starting execution...")
    try:
        return client.start(request)
    except KeyboardInterrupt:
        output.warn("Interrupted before the answer came: it may have started, see `mycli list`")
        raise
    except EndpointError as error:
        if error.may_pass:  # the answer may be what was lost
            output.warn("No answer came: it may have started, see `mycli list`")
        raise


def _stay(
    execution: Execution, document: dict[str, Any], follow: bool, as_json: bool, flags: str
) -> NoReturn:
    """Stay until the command has ended, and end with its exit code."""
    from mycli import terminal

    document.pop("status", None)  # it was "starting"
    try:
        code = terminal.attach(execution, show=follow, beside=as_json, flags=flags)
    except MycliError as error:
        output.error(error.message, error.hint)
        if not isinstance(error, ExecutionFailed):
            terminal.tell_left(execution, flags, f"{execution.id} may still run:")
        code = error.exit_code
        document |= {"error": error.message, "hint": error.hint}
    if as_json:
        output.json_document({**document, "exit_code": execution.exit_code})
    raise typer.Exit(code)
