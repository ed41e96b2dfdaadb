"""How the families of task definitions are named, and what a name tells."""

from __future__ import annotations

import hashlib

_SANITIZED_LENGTH = 50  # a family has 255 characters at most, shared with the stack's name


def short_name(arn: str) -> str:
    """`family:revision`, as people write it."""
    return arn.rpartition("/")[2]


def family_of(arn: str) -> str:
    return short_name(arn).partition(":")[0]


def is_named_as_ours(stack: str, family: str) -> bool:
    """Whether it may be this stack's, going by its name: its tag decides."""
    return family == f"{stack}-task" or family.startswith(f"{stack}-task-")


def sanitized(image: str) -> str:
    """The image as part of a family's name: `python:3.13` is `python-3-13`."""
    name = "".join("-" if character in ":/.@_" else character for character in image.lower())
    return name[:_SANITIZED_LENGTH].rstrip("-")


def family_names(
    stack: str, image: str, *, with_git: bool, arch: str = "x86_64", shell: str | None = None
) -> tuple[str, ...]:
    """The families that this may stand in: the first, and one for when that is another image's.

    With a shell of its own there is only the second sort, so that it is no clash with the image's
    ordinary use, and neither takes turns with the other in one family.
    """
    suffix = ("" if arch == "x86_64" else f"-{arch}") + ("-git" if with_git else "")
    family = f"{stack}-task-{sanitized(image)}"
    told_apart = hashlib.sha256((image if shell is None else f"{image}\n{shell}").encode())
    hashed = f"{family}-{told_apart.hexdigest()[:8]}{suffix}"
    return (f"{family}{suffix}", hashed) if shell is None else (hashed,)
