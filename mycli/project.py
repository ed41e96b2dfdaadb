"""What to run: flags, then MYCLI_* variables, then .mycli.yaml, then git, then an error.

Each value is taken from the first of these that has it. git gives the address of `origin` and,
where that is used, the branch of the checkout.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mycli.building.choice import choose, refuse_both
from mycli.building.services import Service
from mycli.checkout import Checkout, read_checkout, same_repository
from mycli.errors import UsageError
from mycli.project_file import FILE_NAME, find_file, read_file, seconds
from orchestrator import wire


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What to run, and where each value came from: "MYCLI_IMAGE", ".mycli.yaml", "git".

    None means that the stack's default is used; a value from a flag has no source. service: the one
    whose image is to be built and used; then there is no image. warnings are sentences for the
    user.
    """

    repo: str | None = None
    branch: str | None = None
    image: str | None = None
    service: Service | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: int = wire.DEFAULT_TIMEOUT_SECONDS
    workdir: str | None = None
    cpu: int | None = None
    memory: int | None = None
    arch: str | None = None
    skip_git: bool = False
    file: Path | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def builds(self) -> bool:
        """Whether the image is of what is here, and not one that was built before."""
        return self.service is not None and not os.environ.get("IMAGE_TAG")


def resolve(
    flags: Mapping[str, Any], folder: Path, *, is_local: bool, has_images: bool = True
) -> Settings:
    """Settings from the flags (None = not given) and what stands around `folder`.

    is_local: the stack is on this machine, so that a path can be cloned. has_images: its tasks run
    in images. Raises UsageError and ConfigError.
    """
    file = find_file(folder)
    layers = (
        ("", {name: value for name, value in flags.items() if value is not None}),
        ("MYCLI_", _from_environment(os.environ)),
        (FILE_NAME, read_file(file) if file else {}),
    )
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, layer in reversed(layers):
        refuse_both(source, layer)
        if layer.keys() & {"image", "service"}:  # one goes before the other by where it stands
            values |= {"image": None, "service": None}
        for name, value in layer.items():
            values[name] = {**values.get("env", {}), **value} if name == "env" else value
            sources[name] = f"{source}{name.upper()}" if source == "MYCLI_" else source
    values["service"], warnings = choose(
        values.get("image"),
        values.get("service"),
        values.pop("services", {}),
        file,
        named_by=sources.get("image") or "--image",
        has_images=has_images,
    )
    settings = Settings(**values, file=file, sources=sources, warnings=warnings)
    for name in settings.env:
        if not (name.isascii() and name.isidentifier()):
            raise UsageError(
                f"env: {name!r} is not a name for a variable",
                "a name has letters, digits and _, and no digit first",
            )
    if settings.skip_git:
        return dataclasses.replace(settings, repo=None, branch=None)
    return _with_repository(settings, folder, is_local)


def _with_repository(settings: Settings, folder: Path, is_local: bool) -> Settings:
    """The settings with what git tells: the repository and its branch, and what will not run."""
    checkout = read_checkout(folder)
    given, branch, base = settings.repo, settings.branch, folder
    sources = dict(settings.sources)
    if given is None:
        if checkout is None or checkout.origin is None:
            raise _no_repository(checkout, is_local)
        given, base, sources["repo"] = checkout.origin, checkout.root, "git"
        if branch is None and checkout.head:
            branch, sources["branch"] = checkout.head, "git"
    elif sources["repo"] == FILE_NAME and settings.file:
        base = settings.file.parent
    repo = repo_address(given, base, is_local=is_local)
    told = [*settings.warnings, *_warnings(given, branch, checkout, in_image=settings.builds)]
    if settings.builds and checkout:
        in_file = sources["repo"] == FILE_NAME
        told += _another_source(repo, branch, checkout, in_file=in_file)
    return dataclasses.replace(
        settings, repo=repo, branch=branch, sources=sources, warnings=tuple(told)
    )


def _warnings(
    repo: str, branch: str | None, checkout: Checkout | None, *, in_image: bool
) -> list[str]:
    told: list[str] = []
    if wire.strip_credentials(repo) != repo:
        told.append(
            "the address of the repository has a user name or token in it, which was left out: "
            "git credentials are kept in the stack"
        )
    if checkout and checkout.origin and same_repository(checkout.origin, repo):
        # Of another branch than the one checked out, the checkout says nothing.
        same = branch in (None, checkout.head)
        told += checkout.not_running(in_image=in_image) if same else []
    return told


def _another_source(
    repo: str, branch: str | None, checkout: Checkout, *, in_file: bool
) -> list[str]:
    """That what is cloned is not what the image is built of. repo: as a task clones it.

    in_file: it stands beside the image, so that another one is meant to be.
    """
    head = checkout.head or ""
    is_folder = same_repository(repo, checkout.root.as_uri())
    if is_folder or (checkout.origin and same_repository(repo, checkout.origin)):
        if branch == head or (is_folder and branch is None):
            return []
        runs = f"the repository is cloned at {branch or 'its default branch'}"
    elif in_file:
        return []
    else:
        runs = f"another repository is cloned: {repo}"
    here = head[:12] if checkout.detached else head
    return [f"the image is of what is checked out here ({here}), and {runs}"]


def _no_repository(checkout: Checkout | None, is_local: bool) -> UsageError:
    if checkout is None:
        return UsageError(
            "which repository? This folder is in none, and none is named",
            "give --repo, set repo in .mycli.yaml, or run without one: --skip-git",
        )
    here = f"--repo {checkout.root.as_uri()}" if is_local else "--repo"
    return UsageError(
        f"which repository? {checkout.root} has no remote named origin",
        f"give {here}, add the remote, or run without a repository: --skip-git",
    )


def repo_address(repo: str, folder: Path, *, is_local: bool) -> str:
    """The address as a task can clone it, without credentials. Paths are taken from `folder`.

    Raises UsageError where it cannot be cloned from where the stack is.
    """
    if re.match(r"[.~]{0,2}/", repo) or repo in (".", ".."):
        repo = (folder / Path(repo).expanduser()).resolve().as_uri()
    if repo.startswith("file://"):  # git decodes it, and takes a bare space as well
        repo = repo.replace(" ", "%20")
    address = wire.strip_credentials(repo)
    try:
        protocol = wire.repo_protocol(address)
    except wire.WireError as error:
        raise UsageError(error.error.removeprefix("invalid request: "), error.hint) from None
    if protocol in ("file", "http") and not is_local:
        why = "only this machine can reach it" if protocol == "file" else "it is not encrypted"
        raise UsageError(
            f"a task on AWS cannot clone {address}: {why}",
            "give an https or ssh address with --repo, or run without a repository: --skip-git",
        )
    return address


def shareable_repository(repo: str | None, folder: Path) -> str | None:
    """The address to write into a .mycli.yaml: this one, else origin where others can reach it."""
    if repo is not None:
        return repo_address(repo, folder, is_local=True)
    checkout = read_checkout(folder)
    if checkout is None or checkout.origin is None:
        return None
    try:
        return repo_address(checkout.origin, checkout.root, is_local=False)
    except UsageError:
        return None


# --- MYCLI_* variables and .mycli.yaml -----------------------------------------------------------


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    read: dict[str, Callable[[str, str], Any]] = {
        "repo": _text,
        "branch": _text,
        "image": _text,
        "service": _text,
        "timeout": seconds,
        "workdir": _text,
        "cpu": _whole,
        "memory": _whole,
        "arch": _text,
        "skip_git": _boolean,
    }
    given = {name: environ.get(f"MYCLI_{name.upper()}", "") for name in read}
    return {name: read[name](f"MYCLI_{name.upper()}", text) for name, text in given.items() if text}


def _text(_: str, text: str) -> str:
    return text


def _whole(name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise UsageError(f"{name} is {text!r}", f"{name} must be a whole number")
    return int(text)


def _boolean(name: str, text: str) -> bool:
    known = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if text.lower() not in known:
        raise UsageError(f"{name} is {text!r}", f"{name} must be true or false")
    return known[text.lower()]
