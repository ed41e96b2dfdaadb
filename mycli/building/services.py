"""What .mycli.yaml says of images to build: one under `build`, or several under `services`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, cast

from mycli.config import line_of, refuse_unknown_keys
from mycli.errors import ConfigError
from orchestrator import wire

FILE_NAME = ".mycli.yaml"

_KINDS: Mapping[str, tuple[type, str]] = {
    "context": (str, "a folder, from the one of this file"),
    "dockerfile": (str, "a file, from the context"),
    "name": (str, wire.REPOSITORY_NAME_ALLOWED),
    "paths": (list, "a list of files and folders, from the one of this file"),
    "args": (dict, "a mapping of names to text"),
}


@dataclass(frozen=True, kw_only=True)
class Service:
    """An image to build. name: how `mycli build` and --service call it.

    repository: its name in the stack's registry. folder: that of .mycli.yaml, from which context
    and paths are written; dockerfile is written from the context.
    """

    name: str
    repository: str
    folder: Path
    context: str = "."
    dockerfile: str = "Dockerfile"
    paths: tuple[str, ...] = ()
    args: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown_dockerfile(self) -> str:
        """As seen from the folder of .mycli.yaml."""
        return str(PurePosixPath(self.context) / self.dockerfile)


def parse_build(path: Path, table: object) -> Service:
    """The one image of a file with `build`. Raises ConfigError."""
    return _parse(path, ("build",), table, path.parent.name)


def parse_services(path: Path, tables: Mapping[object, object]) -> dict[str, Service]:
    """The images of a file with `services`, by name. Raises ConfigError."""
    services: dict[str, Service] = {}
    for name, table in tables.items():
        if not isinstance(name, str):  # YAML takes a bare 1 or ON for something else
            where = f"{path}:{line_of(path, 'services')}"
            raise ConfigError(f"{where}: services: the name {name} is not text", "quote it")
        service = _parse(path, ("services", name), {} if table is None else table, name)
        for other in services.values():
            if other.repository == service.repository:
                line = line_of(path, "services", name)
                raise ConfigError(
                    f"{path}:{line}: services {other.name} and {name} have one name in the "
                    f"registry, {service.repository}",
                    "give one of them another: name",
                )
        services[name] = service
    if not services:
        raise ConfigError(
            f"{path}:{line_of(path, 'services')}: services is empty",
            "it must be a mapping of names to images, such as api: {context: services/api}",
        )
    return services


def _parse(path: Path, keys: tuple[str, ...], table: object, default: str) -> Service:
    what = ".".join(keys)
    if not isinstance(table, dict):
        where = f"{path}:{line_of(path, *keys)}"
        allowed = ", ".join(_KINDS)
        raise ConfigError(f"{where}: {what} is {table}", f"it must be a mapping of {allowed}")
    values = _checked(path, keys, cast("dict[object, Any]", table))
    repository = values.pop("name", default)
    if not wire.REPOSITORY_NAME.fullmatch(repository):
        named = "name" in table
        line = line_of(path, *keys, "name") if named else line_of(path, *keys)
        told = "is" if named else "is missing, and cannot be"
        raise ConfigError(
            f"{path}:{line}: {what}: name {told} {repository!r}",
            f"a name must be {wire.REPOSITORY_NAME_ALLOWED}",
        )
    return Service(
        name=repository if keys == ("build",) else keys[-1],
        repository=repository,
        folder=path.parent,
        **values,
    )


def _checked(path: Path, keys: tuple[str, ...], table: Mapping[object, Any]) -> dict[str, Any]:
    """The values that are there, each of its kind."""
    what = ".".join(keys)
    values: dict[str, Any] = {}
    for key, value in table.items():
        where = f"{path}:{line_of(path, *keys, str(key))}: {what}"
        refuse_unknown_keys(where, [key], _KINDS)
        if value is None:
            continue
        name = str(key)
        kind, allowed = _KINDS[name]
        if not isinstance(value, kind):
            told = "none" if kind is dict else value
            raise ConfigError(f"{where}.{name} is {told}", f"it must be {allowed}")
        if kind is dict:
            _check_args(path, keys, value)
        elif kind is list:
            values[name] = _check_paths(where, value)
            continue
        else:
            _check_place(f"{where}.{name}", name, value)
        values[name] = value
    return values


def _check_paths(where: str, paths: Iterable[object]) -> tuple[str, ...]:
    checked: list[str] = []
    for item in paths:
        if not isinstance(item, str):
            raise ConfigError(f"{where}.paths: {item} is not text", "write it in quotes")
        _check_place(f"{where}.paths", "paths", item)
        checked.append(item)
    if not checked:
        raise ConfigError(f"{where}.paths is empty", "leave it out, and it is the context")
    return tuple(checked)


def _check_place(where: str, name: str, value: str) -> None:
    if name == "name":
        return
    if not value or value.startswith(("/", "~")) or "\x00" in value:
        start = "the context" if name == "dockerfile" else "the folder of this file"
        raise ConfigError(f"{where} is {value!r}", f"it must be a path from {start}")


def _check_args(path: Path, keys: tuple[str, ...], args: Mapping[object, object]) -> None:
    what = ".".join((*keys, "args"))
    for name, value in args.items():
        line = line_of(path, *keys, "args", str(name))
        if not isinstance(name, str) or not name.isidentifier() or not name.isascii():
            raise ConfigError(
                f"{path}:{line or line_of(path, *keys, 'args')}: {what}: {name!r} is no name",
                "a name has letters, digits and _, and no digit first",
            )
        if not isinstance(value, str):
            quoted = "" if value is None else "..."
            raise ConfigError(
                f"{path}:{line}: {what}: {name} is not text",
                f'write the value in quotes: {name}: "{quoted}"',
            )
