"""A login for a registry, as one command of Docker or Podman reads it, and left nowhere.

It is never in an argv and never in the user's own settings: the command reads it from a file of
this user alone, which is gone with the command.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

_DOCKER_HUB = "docker.io"
_DOCKER_HUBS_KEY = "https://index.docker.io/v1/"  # under which Docker looks for it


@contextlib.contextmanager
def held(host: str, username: str, password: str, *, for_podman: bool) -> Generator[Path]:
    """An auth file for Podman, a config folder for Docker.

    The folder is the user's own, by links, so that contexts and plugins are there; in its
    config.json is no credential of another registry.
    """
    key = _DOCKER_HUBS_KEY if host == _DOCKER_HUB and not for_podman else host
    pair = base64.b64encode(f"{username}:{password}".encode()).decode()
    with tempfile.TemporaryDirectory(prefix="mycli-login-") as name:  # 0700
        folder = Path(name)
        settings: dict[str, Any] = {}
        if not for_podman:
            own = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
            settings = _settings(own / "config.json")
            for entry in own.iterdir() if own.is_dir() else ():
                if entry.name != "config.json":
                    (folder / entry.name).symlink_to(entry.resolve())
        file = folder / "config.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps({**settings, "auths": {key: {"auth": pair}}}))
        yield file if for_podman else folder


def _settings(file: Path) -> dict[str, Any]:
    """Docker's settings without credentials: a helper would be asked instead of what we give."""
    try:
        settings: object = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(settings, dict):
        return {}
    theirs = ("auths", "credsStore", "credHelpers")
    found = cast("dict[str, Any]", settings)
    return {key: value for key, value in found.items() if key not in theirs}
