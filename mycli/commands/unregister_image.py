"""mycli unregister-image: take an image's name away."""

from __future__ import annotations

from typing import Annotated

import typer

from mycli import output
from mycli.commands import Json, Profile, connect


def unregister_image(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `mycli list-images` shows it.")],
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Take an image's name away.

    The image can be used as before, by what it is really called. Its task definitions stay until
    `mycli cleanup-task-definitions`.

    \b
    mycli unregister-image terraform
    """
    from mycli.endpoint import checked

    with connect(profile) as client, checked(name="NAME"):
        client.unregister_image(name)
    if as_json:
        output.json_document({"name": name})
        return
    output.done(f"The name {name} is gone: `--image {name}` now means the image {name}:latest")
