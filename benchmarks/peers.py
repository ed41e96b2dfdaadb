"""What a user would pick instead: the AWS CLI v2, and from PyPI `modal` and `awslogs`, pinned."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

PINNED = Path(__file__).with_name("peers.txt")
FOLDER = Path(__file__).parents[1] / ".bench"
AWS_CLI = Path("/usr/bin/aws")  # Debian's package; others on PATH may be shims, or version 1


@dataclass
class Peers:
    """Where each is; None for one that is left out, whose reason is in `missing`."""

    aws: Path | None = None
    modal: Path | None = None
    awslogs: Path | None = None
    versions: dict[str, str] = field(default_factory=dict[str, str])
    missing: dict[str, str] = field(default_factory=dict[str, str])


def find() -> Peers:
    """The peers, those from PyPI installed if need be, with compiled bytecode as ours is."""
    peers = Peers()
    _find_aws(peers)
    try:
        programs = _install()
    except (OSError, subprocess.SubprocessError) as error:
        reason = str(getattr(error, "stderr", None) or error).strip().splitlines()[-1]
        peers.missing |= dict.fromkeys(("modal", "awslogs"), f"cannot be installed: {reason}")
        return peers
    peers.modal, peers.awslogs = programs / "modal", programs / "awslogs"
    for line in PINNED.read_text().splitlines():
        name, separator, rest = line.partition("==")
        if separator and name in ("modal", "awslogs"):
            peers.versions[name] = rest.split()[0]
    return peers


def _find_aws(peers: Peers) -> None:
    if not AWS_CLI.exists():
        peers.missing["AWS CLI"] = "not installed (on Debian: apt-get install awscli)"
        return
    told = subprocess.run([AWS_CLI, "--version"], capture_output=True, text=True, check=False)
    version = told.stdout.removeprefix("aws-cli/").partition(" ")[0]
    if version.startswith("2."):
        peers.aws, peers.versions["AWS CLI"] = AWS_CLI, version
    else:
        peers.missing["AWS CLI"] = f"{AWS_CLI} is not version 2"


def _install() -> Path:
    """The folder of their programs, in a virtual environment of their own."""
    place = FOLDER / f"peers-{hashlib.sha256(PINNED.read_bytes()).hexdigest()[:12]}"
    ready, programs = place / "ready", place / "bin"
    if ready.exists():
        return programs
    shutil.rmtree(place, ignore_errors=True)
    environment = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}
    pip = [programs / "python", "-m", "pip", "--disable-pip-version-check", "--quiet"]
    for command in (
        [sys.executable, "-m", "venv", place],
        [*pip, "install", "--no-compile", "--require-hashes", "--requirement", PINNED],
        [programs / "python", "-m", "compileall", "-q", "-j", "0", place / "lib"],
    ):
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    ready.touch()
    return programs
