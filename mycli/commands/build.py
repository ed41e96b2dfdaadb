"""mycli build: build the images of a project, and push those that the stack does not have."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mycli import output
from mycli.commands import Json, Profile, connect
from mycli.errors import MycliError, UsageError

if TYPE_CHECKING:
    from mycli.building.images import Image
    from mycli.building.inputs import Inputs
    from mycli.building.services import Service
    from mycli.client import Client


def build(
    services: Annotated[
        list[str] | None,
        typer.Argument(metavar="SERVICE", help="All of them where none is named."),
    ] = None,
    *,
    push: Annotated[
        bool, typer.Option("--push", help="Push what the stack's registry does not have.")
    ] = False,
    tag: Annotated[
        str | None,
        typer.Option(metavar="TAG", help="Name each image TAG, too, as IMAGE_TAG will; --push."),
    ] = None,
    changed_since: Annotated[
        str | None,
        typer.Option(metavar="REF", help="Skip a service that is as it was where REF forked off."),
    ] = None,
    arch: Annotated[
        str | None, typer.Option(metavar="ARCH", help="x86_64 or arm64. [default: x86_64]")
    ] = None,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Build the images of .mycli.yaml, and push those that are new.

    What goes into an image is what git tracks under its `paths`, as it is in the work tree; its tag
    is a hash of that. With --push, an image that the stack's registry has is neither built nor
    pushed. It takes Docker or Podman, the API key, and no AWS credentials.

    \b
    mycli build                                     here only, to see that it works
    mycli build api --push
    mycli build --push --tag "$GITHUB_SHA"          in a pipeline; then:
    IMAGE_TAG="$GITHUB_SHA" mycli exec --service api "./migrate"

    On stdout is one line a service: its name, the tag, what was done (built, pushed, unchanged,
    skipped, failed), and the image. The exit code is 125 where one has failed (2 where what is
    asked for cannot be); the others are done all the same.
    """
    if tag and not push:
        raise UsageError("--tag goes with --push", "it is a name in the stack's registry")
    from mycli import project_file
    from mycli.building import builder, images
    from mycli.building.choice import services_named
    from mycli.building.inputs import read_inputs
    from mycli.building.tracked import Repository

    file = project_file.find_file(Path.cwd())
    settings = project_file.read_file(file) if file else {}
    known: dict[str, Service] = settings.get("services", {})
    chosen = services_named(list(dict.fromkeys(services or known)), known, file)
    platform = arch or os.environ.get("MYCLI_ARCH") or settings.get("arch") or images.DEFAULT_ARCH
    images.check(platform, tag)
    # What is wrong for all of them is told once.
    builder.wanted_builder()
    repository = Repository.around(chosen[0].folder)
    fork = repository.fork_point(changed_since) if changed_since else None
    if os.environ.get("IMAGE_TAG"):
        output.warn("IMAGE_TAG is for `mycli exec`; the tag for what is built here is --tag")
    results: list[dict[str, Any]] = []
    codes: set[int] = set()
    with connect(profile) if push else contextlib.nullcontext() as client:
        for service in chosen:
            inputs = None
            try:
                inputs = read_inputs(service, platform)
                image = _do(client, inputs, tag, fork)
            except MycliError as error:
                output.error(error.message, error.hint)
                image = images.failed(service, platform, inputs)
                results.append({**image.to_json(), "error": error.message, "hint": error.hint})
                codes.add(error.exit_code)
            else:
                results.append(image.to_json())
            if not as_json:
                _print(image, max(len(service.name) for service in chosen))
    if as_json:
        output.json_document({"services": results})
    if codes:
        raise typer.Exit(max(codes))  # what has failed goes before what cannot be


def _do(client: Client | None, inputs: Inputs, tag: str | None, fork: str | None) -> Image:
    """One service: built, pushed, named, or whatever of it is needed."""
    from mycli.building import images
    from mycli.building.inputs import changed_since

    service = inputs.service
    image = None
    if fork and not changed_since(service, fork):
        image = images.skipped(client if tag else None, inputs)
        if tag and not image.address:
            output.step(f"{service.name} has not changed, but the registry does not have it")
            image = None
    if image is None:
        images.tell(inputs)
        image = images.build_and_push(client, inputs) if client else images.build_here(inputs)
    if client and tag and image.address:
        return images.add_name(client, image, tag)
    return image


def _print(image: Image, width: int) -> None:
    words = f"{image.service.name:<{width}}", f"{image.tag or '-':<22}", f"{image.state:<9}"
    output.result("  ".join((*words, image.named_address or "-")))
