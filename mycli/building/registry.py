"""The way into the stack's registry, with a token that is left nowhere."""

from __future__ import annotations

import contextlib
import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING

from mycli.building import logins
from mycli.errors import BuildError
from orchestrator import wire

if TYPE_CHECKING:
    import httpx

_TIMEOUT_SECONDS = 30.0
_MANIFESTS = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.manifest.v1",
        "oci.image.index.v1",
        "docker.distribution.manifest.v2",
        "docker.distribution.manifest.list.v2",
    )
)


def host_of(leave: wire.AuthorizePushResponse) -> str:
    return leave.repository_uri.partition("/")[0]


def is_in_clear(leave: wire.AuthorizePushResponse) -> bool:
    """Whether the registry is this machine's own, which speaks plain HTTP."""
    try:
        return ipaddress.ip_address(host_of(leave).rpartition(":")[0]).is_loopback
    except ValueError:
        return False


def login(
    leave: wire.AuthorizePushResponse, *, for_podman: bool
) -> contextlib.AbstractContextManager[Path]:
    """What the builder reads the token from: a file for Podman, a folder for Docker."""
    return logins.held(host_of(leave), leave.username, leave.password, for_podman=for_podman)


def add_tag(leave: wire.AuthorizePushResponse, tag: str, name: str) -> None:
    """Give the image of this tag a second one, without a pull. Raises BuildError.

    A tag never moves: where the name is there, it must be this image's.
    """
    import httpx

    host, _, repository = leave.repository_uri.partition("/")
    in_clear = is_in_clear(leave)
    try:
        with httpx.Client(
            base_url=f"{'http' if in_clear else 'https'}://{host}/v2/{repository}/manifests/",
            auth=(leave.username, leave.password),
            headers={"Accept": _MANIFESTS, "User-Agent": "mycli"},
            timeout=_TIMEOUT_SECONDS,
            trust_env=not in_clear,
        ) as registry:
            _add_tag(registry, leave.repository_uri, tag, name)
    except httpx.HTTPError as error:
        raise BuildError(
            f"the registry {host} cannot be reached: {error or type(error).__name__}",
            "check the network and a proxy (HTTPS_PROXY), and run it again",
        ) from None


def _add_tag(registry: httpx.Client, repository: str, tag: str, name: str) -> None:
    wanted = registry.get(tag)
    if wanted.status_code != 200:
        raise _refused(wanted, f"{repository}:{tag} cannot be read")
    there = registry.get(name)
    if there.status_code == 404:
        kind = wanted.headers["Content-Type"]
        put = registry.put(name, content=wanted.content, headers={"Content-Type": kind})
        if put.is_success:
            return
        there = registry.get(name)  # another pipeline may have been quicker
        if there.status_code == 404:
            raise _refused(put, f"{repository}:{name} cannot be written")
    if there.status_code != 200:
        raise _refused(there, f"{repository}:{name} cannot be read")
    if there.content != wanted.content:
        raise BuildError(
            f"{repository}:{name} is there already, and is another image than {tag}",
            "tags of the stack never move: choose another, such as the commit's id",
        )


def _refused(answer: httpx.Response, what: str) -> BuildError:
    try:
        said = str(answer.json()["errors"][0]["message"])
    except (ValueError, LookupError, TypeError):
        said = answer.reason_phrase
    hint = "run it again: leave to push lasts some hours" if answer.status_code == 401 else ""
    return BuildError(f"{what}: HTTP {answer.status_code} ({said})", hint)
