"""mycli register-image: give an image a name."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from mycli import output
from mycli.commands import Json, Profile, connect

if TYPE_CHECKING:
    from orchestrator.wire import NamedImage


# How the command line calls what a request has.
_AS_GIVEN = {
    "name": "NAME",
    "image": "IMAGE",
    "cpu": "--cpu",
    "memory": "--memory",
    "arch": "--arch",
    "shell": "--entrypoint",
}


def register_image(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as terraform.")],
    image: Annotated[str, typer.Argument(metavar="IMAGE", help="hashicorp/terraform:1.6")],
    *,
    cpu: Annotated[
        int | None, typer.Option(metavar="UNITS", help="vCPU units, 1024 = one; with --memory.")
    ] = None,
    memory: Annotated[int | None, typer.Option(metavar="MB", help="Memory; with --cpu.")] = None,
    arch: Annotated[
        str | None, typer.Option(metavar="ARCH", help="x86_64 or arm64. [default: the stack's]")
    ] = None,
    entrypoint: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="The image's shell. [default: /bin/sh]"),
    ] = None,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Give an image a name.

    From now on `--image NAME` means this image for everybody who uses the stack, with this size
    and architecture where the execution says no other. A name that is there is replaced.

    \b
    mycli register-image terraform hashicorp/terraform:1.6
    mycli register-image build python:3.13 --cpu 1024 --memory 2048 --arch arm64
    """
    from mycli.endpoint import checked

    with connect(profile) as client, checked(**_AS_GIVEN):
        answer = client.register_image(
            name, image, cpu=cpu, memory=memory, arch=arch, shell=entrypoint
        )
    if as_json:
        output.json_document(dataclasses.asdict(answer))
        return
    found = answer.image
    output.done(f"`--image {found.name}` now means {found.image}")
    output.fields(
        {
            "Name": found.name,
            "Image": found.image,
            "CPU": found.cpu,
            "Memory": found.memory,
            "Architecture": found.arch,
            "Shell": found.shell,
        }
    )
    if answer.replaced:
        output.story(f"  it replaces {_summary(answer.replaced)}")
    output.story(f"  an image that is really called {found.name} is `--image {found.name}:latest`")


def _summary(image: NamedImage) -> str:
    more = {
        "cpu": image.cpu,
        "memory": image.memory,
        "arch": image.arch,
        "entrypoint": image.shell,
    }
    told = [f"{name} {value}" for name, value in more.items() if value is not None]
    return ", ".join([image.image, *told])
