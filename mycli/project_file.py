"""The project file, .mycli.yaml: where it is looked for, and what may stand in it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mycli.building.services import FILE_NAME, parse_build, parse_services
from mycli.config import line_of, read_yaml, refuse_unknown_keys
from mycli.errors import ConfigError, UsageError
from orchestrator import wire

_KINDS: Mapping[str, tuple[type, str]] = {
    "repo": (str, "text"),
    "branch": (str, "text"),
    "image": (str, "text"),
    "env": (dict, "a mapping of names to text"),
    "timeout": (int, "seconds, or a time such as 90s, 5m or 2h, from 1s to 7d"),
    "workdir": (str, "text"),
    "cpu": (int, "a whole number of vCPU units (1024 = one)"),
    "memory": (int, "a whole number of MB"),
    "arch": (str, " or ".join(wire.ARCHITECTURES)),
    "skip_git": (bool, "true or false"),
    "build": (dict, "a mapping, such as {context: ., dockerfile: Dockerfile}"),
    "services": (dict, "a mapping of names to images, such as api: {context: services/api}"),
}
_UNIT_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(name: str, text: str) -> int:
    """The seconds in `90`, `90s`, `5m`, `2h` or `1d`. Raises UsageError, which has this name."""
    found = re.fullmatch(r"([0-9]{1,9})([smhd]?)", text)
    time = int(found[1]) * _UNIT_SECONDS[found[2]] if found else 0
    if not 1 <= time <= wire.MAX_TIMEOUT_SECONDS:
        raise UsageError(f"{name} is {text!r}", f"{name} must be {_KINDS['timeout'][1]}")
    return time


def find_file(folder: Path) -> Path | None:
    """The nearest .mycli.yaml, looked for upwards as far as the root of the repository."""
    folder = folder.resolve()
    looked_in = [folder]
    for above in (folder, *folder.parents):
        if (above / ".git").exists():
            looked_in = [folder, *(p for p in folder.parents if p.is_relative_to(above))]
            break
    return next((p / FILE_NAME for p in looked_in if (p / FILE_NAME).is_file()), None)


def read_file(path: Path) -> dict[str, Any]:
    """The values in a .mycli.yaml; a key without a value counts as absent. Raises ConfigError.

    `build` is answered as `services` with the one service, and as `service`, which is its name.
    """
    document = read_yaml(path)
    for key in document:
        refuse_unknown_keys(f"{path}:{line_of(path, str(key))}", [key], _KINDS)
    values = {key: value for key, value in document.items() if value is not None}
    if isinstance(time := values.get("timeout"), str):
        with contextlib.suppress(UsageError):  # what is no time is told below, with its line
            values["timeout"] = seconds("timeout", time)
    for key, value in values.items():
        kind, allowed = _KINDS[key]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            quote = "; write it in quotes" if kind is str else ""
            where = f"{path}:{line_of(path, key)}"
            # No value of a variable is told.
            told = "none" if key == "env" else _as_written(value)[:80]
            raise ConfigError(f"{where}: {key} is {told}", f"it must be {allowed}{quote}")
    for name, value in values.get("env", {}).items():
        if not isinstance(name, str):  # YAML takes a bare YES or ON for a boolean
            what = f"{path}:{line_of(path, 'env')}: env: the name {_as_written(name)} is not text"
            raise ConfigError(what, "write the name in quotes")
        if not isinstance(value, str):
            line = line_of(path, "env", name)
            # What else stands there, a number for one, may be secret, and errors end up in logs.
            is_told = isinstance(value, bool | None)
            quoted = "" if value is None else _as_written(value) if is_told else "..."
            what = f"{_as_written(value)}, not text" if is_told else "not text"
            raise ConfigError(
                f"{path}:{line}: env: {name} is {what}",
                f'write the value in quotes: {name}: "{quoted}"',
            )
    return _with_services(path, values)


def _with_services(path: Path, values: dict[str, Any]) -> dict[str, Any]:
    for one, other in (("build", "services"), ("image", "build")):
        if one in values and other in values:
            line = max(line_of(path, one) or 0, line_of(path, other) or 0)
            hint = "name the one image among the services" if one == "build" else "keep one of them"
            raise ConfigError(f"{path}:{line}: {one} and {other} exclude each other", hint)
    if "services" in values:
        values["services"] = parse_services(path, values["services"])
    if "build" in values:
        service = parse_build(path, values.pop("build"))
        values |= {"services": {service.name: service}, "service": service.name}
    return values


def _as_written(value: object) -> str:
    words = {True: "true", False: "false", None: "empty"}
    return words[value] if isinstance(value, bool | None) else str(value)
