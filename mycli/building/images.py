"""The image of a service: found in the stack's registry, or built and pushed."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mycli import output
from mycli.building import registry
from mycli.building.builder import Builder, build, find_builder, push
from mycli.building.inputs import PLATFORMS, Inputs, read_inputs
from mycli.building.running import ending_cleanly
from mycli.building.services import Service
from mycli.building.staging import LARGE_BYTES, largest, staged
from mycli.errors import BuildError, ImageNotFound, UsageError
from orchestrator import wire

if TYPE_CHECKING:
    from mycli.client import Client

State = Literal["prebuilt", "unchanged", "built", "pushed", "skipped", "failed"]
DEFAULT_ARCH = "x86_64"  # as the stack's own tasks
TOLD_NAMES = 5


@dataclass(frozen=True, kw_only=True)
class Image:
    """What came of a service. state: unchanged, if the registry had it; prebuilt: by IMAGE_TAG.

    tag: the hash, but for a prebuilt one. address: what an execution can be started in, or the name
    in the builder's own store; empty where there is none. name: a second tag that it has.
    """

    service: Service
    tag: str
    arch: str
    state: State
    address: str = ""
    name: str = ""
    dirty: bool = False

    @property
    def origin(self) -> str:
        """Where it is from, for whoever reads its address."""
        if self.state == "prebuilt":
            return f"service {self.service.name}, by IMAGE_TAG"
        now = "just pushed" if self.state == "pushed" else self.state
        return f"built from {output.escaped(self.service.shown_dockerfile)}, {now}"

    @property
    def named_address(self) -> str:
        """The address by its second tag, if it has one."""
        return f"{self.address.rpartition(':')[0]}:{self.name}" if self.name else self.address

    def to_json(self) -> dict[str, Any]:
        return {
            "service": self.service.name,
            "repository": self.service.repository,
            "dockerfile": self.service.shown_dockerfile,
            "tag": self.tag,
            "arch": self.arch,
            "dirty": self.dirty,
            "state": self.state,
            "image": self.address or None,
            "tags": [name for name in (self.tag, self.name) if name and self.address],
        }


def provide(client: Client, service: Service, arch: str, *, beside_clone: bool) -> Image:
    """The image to run in: the one of IMAGE_TAG; where that is not set, of what is here now.

    beside_clone: a repository is cloned, and what of it is not committed was told.
    """
    if tag := os.environ.get("IMAGE_TAG", ""):
        return _prebuilt(client, service, tag, arch)
    inputs = read_inputs(service, arch)
    tell(inputs, beside_clone=beside_clone)
    return build_and_push(client, inputs)


def _prebuilt(client: Client, service: Service, tag: str, arch: str) -> Image:
    if not wire.IMAGE_TAG.fullmatch(tag):
        raise UsageError(f"IMAGE_TAG is {tag[:80]!r}", f"it must be {wire.IMAGE_TAG_ALLOWED}")
    try:
        found = client.find_built_image(service.repository, tag)
    except ImageNotFound as error:
        raise ImageNotFound(
            error.status,
            f"IMAGE_TAG is {tag}, and the stack has no image {service.repository}:{tag}",
            f"`mycli build {service.name} --push --tag {tag}`, where its commit is checked out, "
            "makes it; without IMAGE_TAG, the image is built from what is here",
        ) from None
    return Image(service=service, tag=tag, arch=arch, state="prebuilt", address=found.image)


def tell(inputs: Inputs, *, beside_clone: bool = False) -> None:
    """Say what a reader of the tag may not expect of what goes in."""
    service = inputs.service
    if inputs.dirty and beside_clone:
        output.step(f"{service.name}: not committed, and in the image: {_names(inputs.dirty)}")
    elif inputs.dirty:
        output.warn(
            f"{service.name}: not as in the last commit: {_names(inputs.dirty)}. "
            "The image has what is here now, and its tag ends with -dirty"
        )
    if inputs.untracked:
        output.warn(
            f"{service.name}: not tracked by git, so not in the image: {_names(inputs.untracked)}"
        )


def build_here(inputs: Inputs) -> Image:
    """Build it into the builder's own store. Raises BuildError, and says what it does."""
    return _build(inputs)[0]


def _build(inputs: Inputs) -> tuple[Image, Builder]:
    """The image, and in whose store it is."""
    service, tag = inputs.service, inputs.tag
    _warn_of_size(inputs)
    builder = find_builder()
    name = f"localhost/mycli/{service.repository}:{tag}"
    dockerfile = output.escaped(service.shown_dockerfile)
    output.step(
        f"Building {service.name}:{tag} from {dockerfile} for {inputs.platform} ({builder})"
    )
    interrupted = f"interrupted: {service.name} was not built; run it again"
    with _last_words(interrupted), ending_cleanly(), staged(inputs) as folder:
        code = build(builder, folder, image=name, platform=inputs.platform, args=service.args)
    if code:
        raise BuildError(
            f"{service.name}: the build failed ({builder}: exit code {code})",
            "what it said stands above; only files that git tracks are there during the build",
        )
    return _image(inputs, "built", name), builder


def build_and_push(client: Client, inputs: Inputs) -> Image:
    """Unless the registry has it: build it, and push it."""
    if found := find(client, inputs):
        return found
    built, builder = _build(inputs)
    service = inputs.service
    leave = client.authorize_push(service.repository)
    address = f"{leave.repository_uri}:{inputs.tag}"
    output.step(f"Pushing {address}")
    interrupted = f"interrupted: the push of {service.name} may not be complete; run it again"
    logged_in = registry.login(leave, for_podman=builder.is_podman)
    with _last_words(interrupted), ending_cleanly(), logged_in as login:
        in_clear = registry.is_in_clear(leave)
        code = push(builder, built.address, address, login, in_clear=in_clear)
    if code:
        # Tags never move: where another pipeline was quicker, ours is refused, and nothing is lost.
        if found := find(client, inputs):
            output.step(f"{service.name}: the registry has it already, from somebody quicker")
            return found
        raise BuildError(
            f"{service.name}: the push failed ({builder}: exit code {code})",
            "what it said stands above; running it again goes on where it broke off",
        )
    return _image(inputs, "pushed", address)


def find(client: Client, inputs: Inputs) -> Image | None:
    """The image of these inputs, if the registry has it."""
    try:
        found = client.find_built_image(inputs.service.repository, inputs.tag)
    except ImageNotFound:
        return None
    return _image(inputs, "unchanged", found.image)


def add_name(client: Client, image: Image, name: str) -> Image:
    """Let the tag `name` mean the image, too. Raises BuildError where it means another."""
    if name != image.tag:
        registry.add_tag(client.authorize_push(image.service.repository), image.tag, name)
    return dataclasses.replace(image, name=name)


def skipped(client: Client | None, inputs: Inputs) -> Image:
    """One that is not looked at; with its address, if a client is given and the registry has it."""
    found = find(client, inputs) if client else None
    return _image(inputs, "skipped", found.address if found else "")


def failed(service: Service, arch: str, inputs: Inputs | None) -> Image:
    """inputs: where it was known what would go in."""
    if inputs:
        return _image(inputs, "failed", "")
    return Image(service=service, tag="", arch=arch, state="failed")


def check(arch: str, tag: str | None) -> None:
    """Raise a UsageError for what cannot be."""
    if arch not in PLATFORMS:
        raise UsageError(f"arch is {arch!r}", f"it must be {' or '.join(PLATFORMS)}")
    if tag is not None and not wire.IMAGE_TAG.fullmatch(tag):
        raise UsageError(f"--tag is {tag[:80]!r}", f"it must be {wire.IMAGE_TAG_ALLOWED}")


def _image(inputs: Inputs, state: State, address: str) -> Image:
    return Image(
        service=inputs.service,
        tag=inputs.tag,
        arch=inputs.arch,
        state=state,
        address=address,
        dirty=bool(inputs.dirty),
    )


@contextlib.contextmanager
def _last_words(interrupted: str) -> Generator[None]:
    """Say it where we are: after all that the builder has said to that."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        output.failed(interrupted)
        raise


def _names(paths: Sequence[str]) -> str:
    told = ", ".join(output.escaped(path) for path in paths[:TOLD_NAMES])
    more = len(paths) - TOLD_NAMES
    return f"{told} and {more} more" if more > 0 else told


def _warn_of_size(inputs: Inputs) -> None:
    if inputs.size <= LARGE_BYTES:
        return
    parts = ", ".join(f"{output.escaped(name)} {_size(size)}" for name, size in largest(inputs))
    output.warn(
        f"{inputs.service.name}: {_size(inputs.size)} of files are copied for the build, most of "
        f"it {parts}. Name what is needed in `paths`, or what is not in .dockerignore"
    )


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
