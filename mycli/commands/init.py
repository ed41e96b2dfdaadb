"""mycli init: make a stack."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import click
import typer

from mycli import output
from mycli.commands import Json, Local, Region, StackName, State, connect
from mycli.errors import MycliError, UsageError

if TYPE_CHECKING:
    from mycli.local.stacks import Options
    from mycli.stack.automation import Settings, Stack
    from orchestrator.wire import NamedImage, RegisterImageRequest

_Secret = Annotated[
    str | None, typer.Option(metavar="FILE", help="Git credential; - reads stdin, empty removes.")
]
_EXAMPLE = "for example: terraform=hashicorp/terraform:1.6"
_Host = Annotated[str | None, typer.Option(metavar="HOST", help="A server of your own.")]


def init(
    *,
    local: Local = False,
    stack_name: StackName = "mycli",
    region: Region = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            click_type=click.Choice(["process", "container"]),
            help="With --local, how tasks run. [default: container with Docker or Podman]",
        ),
    ] = None,
    image: Annotated[str | None, typer.Option(metavar="IMAGE", help="Default image.")] = None,
    register_image: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=IMAGE", help="Give an image a name. Repeatable."),
    ] = None,
    github_token_file: _Secret = None,
    gitlab_token_file: _Secret = None,
    ssh_key_file: _Secret = None,
    github_host: _Host = None,
    gitlab_host: _Host = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME", help="The profile to save it as.")
    ] = None,
    state: State = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show what it would do, and do nothing.")
    ] = False,
    rotate_key: Annotated[
        bool, typer.Option("--rotate-key", help="Make a new API key; the old one ends.")
    ] = False,
    unlock: Annotated[
        bool, typer.Option("--unlock", help="Clear the lock that a crash left.")
    ] = False,
    print_policy: Annotated[
        bool, typer.Option("--print-policy", help="Print the IAM permissions it needs.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Make a stack, or bring the one that is there up to date.

    It is made in your AWS account, or with --local on this machine. Its API key is drawn here and
    saved in ~/.mycli/config.yaml. Running it again changes only what differs and keeps the key; it
    also finishes what was interrupted. AWS's credentials are found as by the AWS CLI: AWS_PROFILE,
    its files, single sign-on.

    \b
    mycli init --region eu-west-1
    mycli init --stack-name dev --github-token-file token.txt
    mycli init --local
    """
    from mycli.stack.telling import read_credentials

    files = {
        "github_token": github_token_file,
        "gitlab_token": gitlab_token_file,
        "ssh_private_key": ssh_key_file,
    }
    in_aws = {
        "--region": region,
        "--state": state,
        "--preview": preview,
        "--unlock": unlock,
        "--print-policy": print_policy,
    }
    _refuse(in_aws if local else {"--runtime": runtime}, local=local)
    wanted: dict[str, Any] = {
        "github_host": github_host,
        "gitlab_host": gitlab_host,
        "credentials": read_credentials(files),
        "rotate_key": rotate_key,
    }
    images = [_named(text) for text in register_image or []]
    if local:
        from mycli.local.stacks import Options

        options = Options(
            stack_name=stack_name, profile=profile, runtime=runtime, image=image, **wanted
        )
        _on_this_machine(options, images, force=force, as_json=as_json)
        return
    from mycli.stack import dialogue, setup
    from mycli.stack.telling import interruptible

    stack, name = setup.find(stack_name, profile, region, state)
    settings = setup.Settings(default_image=image, **wanted)
    if print_policy:
        output.json_document(setup.operator_policy(stack))
        output.story(
            f"For {stack.name} in {stack.region}. It fits an inline policy of a role; of managed "
            "policies, which take 6,144 characters, share its statements between two."
        )
        return
    if unlock:
        dialogue.unlock(stack, force=force)
    if preview:
        _preview(stack, settings, as_json=as_json)
        return
    settings = dialogue.ask_before_making(stack, settings, force=force)
    with interruptible():
        made = setup.up(stack, settings, name, output.step)
    if as_json:
        _finish_in_json(dialogue.made_document(made), images, name)
    else:
        dialogue.tell_made(made)
        _finish(images, name, ask=made.new_key and not force)


def _preview(stack: Stack, settings: Settings, *, as_json: bool) -> None:
    from mycli.stack import dialogue

    found = stack.preview(settings, output.step)
    if as_json:
        output.json_document(dialogue.preview_document(stack, found))
    else:
        dialogue.tell_preview(found)


def _refuse(flags: Mapping[str, object], *, local: bool) -> None:
    """Raise UsageError for a flag that has no meaning where the stack is to be."""
    if given := [name for name, value in flags.items() if value]:
        goes = "does not go with" if local else "goes only with"
        raise UsageError(f"{given[0]} {goes} --local")


def _on_this_machine(
    options: Options, images: Sequence[RegisterImageRequest], *, force: bool, as_json: bool
) -> None:
    from mycli.local import stacks, telling
    from mycli.stack.telling import interruptible

    stacks.check(options)
    if not force and not stacks.exists(options.stack_name):
        telling.ask_before_making(options)
    with interruptible():
        made = stacks.up(options, output.step)
    if as_json:
        _finish_in_json(telling.made_document(made), images, made.profile_name)
    else:
        telling.tell_made(made)
        _finish(images, made.profile_name, ask=made.new_key and not force)


# --- Names of images: the stack's own API keeps them, so it is asked once the stack is up ---------


def _named(text: str) -> RegisterImageRequest:
    """Of NAME=IMAGE. Raises UsageError."""
    from mycli.endpoint import checked
    from orchestrator.wire import RegisterImageRequest

    name, separator, image = text.partition("=")
    if not separator:
        raise UsageError(f"--register-image: {text} is not NAME=IMAGE", _EXAMPLE)
    try:
        with checked():
            return RegisterImageRequest(name=name.strip(), image=image.strip())
    except UsageError as error:
        raise UsageError(f"--register-image: {error.message}", error.hint) from None


def _finish(images: Sequence[RegisterImageRequest], profile_name: str, *, ask: bool) -> None:
    """Name the images; a person who has just made the stack is asked for some."""
    from mycli.stack import telling

    if ask and not images and telling.can_ask():
        images = _ask_for_images()
    for named in _register(images, profile_name):
        output.done(f"`--image {named.name}` now means {named.image}")


def _finish_in_json(
    document: Mapping[str, Any], images: Sequence[RegisterImageRequest], profile_name: str
) -> None:
    """One document, which has the key also where an image could not be named."""
    try:
        named = [dataclasses.asdict(image) for image in _register(images, profile_name)]
    except MycliError as error:
        output.json_document({**document, "error": error.message, "hint": error.hint})
        raise typer.Exit(error.exit_code) from None
    output.json_document({**document, "images": named})


def _register(images: Sequence[RegisterImageRequest], profile_name: str) -> list[NamedImage]:
    if not images:
        return []
    with connect(profile_name) as client:
        return [client.register_image(given.name, given.image).image for given in images]


def _ask_for_images() -> list[RegisterImageRequest]:
    from mycli import prompts

    output.story("\nImages can have names, for --image. They can be given later: register-image.")
    while answer := prompts.ask("NAME=IMAGE, several with commas (Enter: none): "):
        try:
            return [_named(text) for text in answer.split(",") if text.strip()]
        except UsageError as error:
            output.error(error.message, error.hint)
    return []
