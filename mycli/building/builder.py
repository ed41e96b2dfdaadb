"""Docker or Podman: what builds an image here, and pushes it.

Their output is the story, so it goes to stderr as it comes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mycli.building.running import run
from mycli.building.staging import Staged
from mycli.errors import BuildError, UsageError

INTERRUPTED = 143  # as a shell has it for TERM
_COMMANDS = ("docker", "podman")
_ANSWER_SECONDS = 20.0  # a daemon may be behind ssh


@dataclass(frozen=True)
class Builder:
    """command: as it is called. is_podman: what it is, which is not always what it is called."""

    command: str
    is_podman: bool
    with_buildx: bool

    def __str__(self) -> str:
        return "docker buildx" if self.with_buildx else self.command


def wanted_builder() -> str:
    """What MYCLI_BUILDER says; empty where it says nothing. Raises UsageError."""
    wanted = os.environ.get("MYCLI_BUILDER", "")
    if wanted and wanted not in _COMMANDS:
        raise UsageError(f"MYCLI_BUILDER is {wanted!r}", "it must be docker or podman")
    return wanted


def find_builder() -> Builder:
    """The one that MYCLI_BUILDER names, else Docker, else Podman. Raises BuildError."""
    wanted = wanted_builder()
    why: list[str] = []
    for command in (wanted,) if wanted else _COMMANDS:
        if shutil.which(command) is None:
            why.append(f"{command} is not on PATH")
        elif _answers(command, "version", "--format", "{{.Server.Version}}") is None:
            why.append(f"{command} does not answer (`{command} version` says why)")
        else:
            # Where Podman is called docker, it still reads its own files.
            is_podman = "podman" in (_answers(command, "--version") or "").lower()
            with_buildx = not is_podman and _answers(command, "buildx", "version") is not None
            return Builder(command, is_podman, with_buildx)
    if wanted:
        raise BuildError(
            f"MYCLI_BUILDER says {wanted}, and {why[0]}",
            "start or install it, or unset MYCLI_BUILDER: then Docker or Podman is taken, "
            "whichever answers",
        )
    raise BuildError(
        f"nothing here can build an image: {', '.join(why)}",
        "install or start Docker or Podman; or run in an image that is there: IMAGE_TAG=TAG for "
        "one that a pipeline has built, --image for any other",
    )


def _answers(*argv: str) -> str | None:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        asked = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=_ANSWER_SECONDS,
        )
        if asked.returncode == 0:
            return asked.stdout
    return None


def build(
    builder: Builder, staged: Staged, *, image: str, platform: str, args: Mapping[str, str]
) -> int:
    """Build the image under this name; returns the builder's exit code."""
    argv = [builder.command, *(["buildx"] if builder.with_buildx else []), "build"]
    if builder.with_buildx:
        argv.append("--load")  # into the store that `push` reads
    if builder.is_podman:
        argv += ["--format", "docker"]  # in its own format it leaves SHELL out
    argv += ["--platform", platform, "--file", str(staged.dockerfile), "--tag", image]
    for name, value in sorted(args.items()):
        argv += ["--build-arg", f"{name}={value}"]
    written = staged.context.with_name("image-id")
    argv += ["--iidfile", str(written), str(staged.context)]
    # An attestation would make an index of the one image, for nobody.
    code = run(argv, {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}, alone=builder.is_podman)
    return _believed(code, written)


def push(builder: Builder, image: str, destination: str, login: Path, *, in_clear: bool) -> int:
    """Push the image to its address; returns the builder's exit code.

    login: what registry.py wrote for this builder. in_clear: over plain HTTP, on this machine.
    """
    if builder.is_podman:
        written = login.with_name("digest")
        argv = [builder.command, "push", "--authfile", str(login), "--digestfile", str(written)]
        argv += ["--tls-verify=false"] if in_clear else []
        return _believed(run([*argv, image, f"docker://{destination}"], alone=True), written)
    named = _answers(builder.command, "tag", image, destination)
    if named is None:
        return 1
    try:
        return run([builder.command, "--config", str(login), "push", destination])
    finally:
        _answers(builder.command, "rmi", destination)  # the name only: `image` is left


def _believed(code: int, written: Path) -> int:
    """Podman says 0 when somebody ends it: it is done when it has written what came of it."""
    return code or (0 if written.is_file() and written.stat().st_size else INTERRUPTED)
