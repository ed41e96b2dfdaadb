"""The image of a task, in the engine's store: what is there already, or is pulled.

As on Fargate it must be of the platform that the task asks for, its own registry is asked as the
task's execution role, and another one with the login that the definition names. An image that is
there is used, whoever made it, but of the account's own registry: a tag there may have moved.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from mycli.building import logins
from mycli.local.processes import CannotStart

_PLATFORMS = {"X86_64": "linux/amd64", "ARM64": "linux/arm64"}
_DOCKER_HUB = "docker.io"
_one_at_a_time: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


@dataclass(frozen=True)
class Login:
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Wanted:
    """An image for a task. architecture: as ECS names it.

    login: what its registry is asked with, called when it is; it may raise CannotStart. always:
    whether the registry is asked also where the image is there.
    """

    image: str
    architecture: str = "X86_64"
    login: Callable[[], Login | None] = lambda: None
    always: bool = False

    @property
    def platform(self) -> str:
        return _PLATFORMS.get(self.architecture, self.architecture)

    @property
    def host(self) -> str:
        """Of its registry."""
        return registry_of(self.image)


def registry_of(image: str) -> str:
    """The host in an image's name; docker.io where it names none."""
    first, slash, _ = image.partition("/")
    is_host = slash and ("." in first or ":" in first or first == "localhost")
    return first if is_host and first != "index.docker.io" else _DOCKER_HUB


def have(engine: str, wanted: Wanted) -> str:
    """The image's id in the engine's store. Raises CannotStart."""
    with _one_at_a_time[wanted.image]:
        there = _inspect(engine, wanted.image)
        if there and there[1] == wanted.platform and not wanted.always:
            return there[0]
        failure = _pull(engine, wanted)
        now = _inspect(engine, wanted.image)
        if failure and there and there[1] != wanted.platform:
            raise _of_another_platform(wanted, there[1])
        if failure or now is None:
            raise CannotStart(f"CannotPullContainerError: {failure}")
        if now[1] != wanted.platform:
            raise _of_another_platform(wanted, now[1])
        return now[0]


def _of_another_platform(wanted: Wanted, found: str) -> CannotStart:
    return CannotStart(
        "CannotPullContainerError: image Manifest does not contain descriptor matching platform "
        f"'{wanted.platform}': {wanted.image} is for {found}"
    )


def _inspect(engine: str, image: str) -> tuple[str, str] | None:
    """Id and platform of an image that is there. (Docker has variants of arm64, too.)"""
    asked = _run(engine, "image", "inspect", "--format", "{{.Id}} {{.Os}}/{{.Architecture}}", image)
    if asked.returncode != 0:
        return None
    image_id, _, platform = asked.stdout.strip().partition(" ")
    return image_id, platform


def _pull(engine: str, wanted: Wanted) -> str:
    """Pull the image; why it could not be, or nothing."""
    if wanted.host == "localhost":  # what Podman calls an image that was made here
        return f"{wanted.image} was not found on this machine"
    is_podman = "podman" in _run(engine, "--version").stdout.lower()
    login = wanted.login()
    options = ["--quiet", "--platform", wanted.platform]
    if is_podman and wanted.host.partition(":")[0] in ("127.0.0.1", "localhost"):
        options.append("--tls-verify=false")  # as Docker does for this machine
    with contextlib.ExitStack() as held:
        before: list[str] = []
        if login:
            place = held.enter_context(
                logins.held(wanted.host, login.username, login.password, for_podman=is_podman)
            )
            if is_podman:
                options += ["--authfile", str(place)]
            else:
                before = ["--config", str(place)]
        pulled = _run(engine, *before, "pull", *options, wanted.image)
    if pulled.returncode == 0:
        return ""
    return (pulled.stderr.strip().splitlines() or ["no reason given"])[-1]


def forget_soon(engine: str | None, repository: str) -> None:
    """Take the images of this repository, which is gone, out of the engine's store.

    What a container still uses stays. It is done in the background, and before the daemon ends.
    """
    if engine:
        threading.Thread(target=_forget, args=(engine, repository)).start()


def _forget(engine: str, repository: str) -> None:
    listed = _run(engine, "images", "--format", "{{.Repository}}\t{{.Tag}}\t{{.ID}}").stdout
    for line in listed.splitlines():
        name, tag, image_id = line.split("\t")
        if name == repository:
            _run(engine, "rmi", image_id if tag == "<none>" else f"{name}:{tag}")


def _run(engine: str, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [engine, *argv],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        stdin=subprocess.DEVNULL,
        env=os.environ,
    )
