"""Which image of the project's own: the service that was asked for, or the only one."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mycli.building.services import FILE_NAME, Service
from mycli.errors import UsageError


def choose(
    image: str | None,
    name: str | None,
    services: Mapping[str, Service],
    file: Path | None,
    *,
    named_by: str,
    has_images: bool,
) -> tuple[Service | None, tuple[str, ...]]:
    """The service to run in, unless there is an image already; and warnings.

    named_by: where the image is from. has_images: whether tasks run in any. Raises UsageError.
    """
    service = _service(name, services, file) if image is None else None
    warnings = _of_image_tag(image, service, file, named_by)
    if service and not has_images:
        told = f"tasks are processes of this machine, in no image: that of {service.name} is not"
        return None, (*warnings, f"{told} built, nor looked for")
    return service, warnings


def refuse_both(source: str, layer: Mapping[str, Any]) -> None:
    """Raise a UsageError where one place names an image and a service."""
    if "image" in layer and "service" in layer:
        image, service = (
            f"MYCLI_{name}" if source else f"--{name.lower()}" for name in ("IMAGE", "SERVICE")
        )
        raise UsageError(f"{image} and {service} exclude each other", "a service has its own image")


def _service(
    name: str | None, services: Mapping[str, Service], file: Path | None
) -> Service | None:
    known = ", ".join(services)
    if name is None:
        if not services:
            return None
        raise UsageError(
            f"which image? {FILE_NAME} has services: {known}",
            "choose one with --service NAME, or another image with --image",
        )
    return services_named([name], services, file)[0]


def _of_image_tag(
    image: str | None, service: Service | None, file: Path | None, named_by: str
) -> tuple[str, ...]:
    """A pipeline that names its image must not run in another without a word."""
    if service or not os.environ.get("IMAGE_TAG"):
        return ()
    if image is None:
        raise UsageError(
            f"IMAGE_TAG is set, and of no image: {_nothing_to_build(file)}",
            "run it where the project is checked out, name another image with --image, or unset "
            "IMAGE_TAG",
        )
    return (f"IMAGE_TAG is not used: {named_by} names the image",)


def _nothing_to_build(file: Path | None) -> str:
    return f"{file} has neither build nor services" if file else f"there is no {FILE_NAME} here"


def services_named(
    names: Sequence[str], services: Mapping[str, Service], file: Path | None
) -> list[Service]:
    """The services of these names. Raises UsageError."""
    if not services:
        hint = "`mycli init-project` writes a file that shows how"
        raise UsageError(f"there is no image to build: {_nothing_to_build(file)}", hint)
    for name in names:
        if name not in services:
            near = difflib.get_close_matches(name, services, n=1)
            hint = f"did you mean {near[0]}?" if near else "there is: " + ", ".join(services)
            raise UsageError(f"{file} has no service {name!r}", hint)
    return [services[name] for name in names]
