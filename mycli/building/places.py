"""Where in the work tree a service's context, Dockerfile and paths are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mycli.building.services import Service
from mycli.building.tracked import Repository
from mycli.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Places:
    """Absolute paths without links on the way. paths: at least one."""

    service: Service
    repository: Repository
    context: Path
    dockerfile: Path
    paths: Sequence[Path]

    @property
    def ignore_files(self) -> list[Path]:
        """What a builder reads where it is there: the Dockerfile's own, and the context's."""
        own = self.dockerfile.with_name(self.dockerfile.name + ".dockerignore")
        return [own, self.context / ".dockerignore"]

    @property
    def all(self) -> list[Path]:
        """Every place whose change can change the image."""
        return [*self.paths, self.dockerfile, *self.ignore_files]


def find_places(service: Service) -> Places:
    """Raises UsageError for what is outside of the repository, and a path the context lacks."""
    repository = Repository.around(service.folder)
    folder = service.folder.resolve()
    context = _place(service, repository, folder, "context", service.context).resolve()
    if not context.is_dir():
        raise UsageError(
            f"{service.name}: there is no folder {service.context}",
            "`context` names it, from the folder of .mycli.yaml",
        )
    dockerfile = _place(service, repository, context, "dockerfile", service.dockerfile)
    paths = [_place(service, repository, folder, "paths", path) for path in service.paths]
    for path, written in zip(paths, service.paths, strict=True):
        if not path.is_relative_to(context):
            raise _outside(service, context, written)
    return Places(
        service=service,
        repository=repository,
        context=context,
        dockerfile=dockerfile,
        paths=paths or [context],
    )


def _outside(service: Service, context: Path, path: str) -> UsageError:
    meant = os.path.normpath(context / path)
    if os.path.lexists(meant) and Path(meant).is_relative_to(context):
        written = os.path.relpath(meant, service.folder.resolve())
        hint = f"paths count from the folder of .mycli.yaml: did you mean {written}?"
    else:
        hint = "give a context that holds both, such as `context: .`, and the Dockerfile from it"
    return UsageError(
        f"{service.name}: {path} is outside of the context, {service.context}: the build could "
        "not see it",
        hint,
    )


def _place(service: Service, repository: Repository, start: Path, key: str, path: str) -> Path:
    """Links on the way are followed, one at its end is not: it may be what is tracked."""
    wanted = Path(os.path.normpath(start / path))
    place = wanted.parent.resolve() / wanted.name
    inside = place.resolve() if key == "context" else place
    if not inside.is_relative_to(repository.top):
        raise UsageError(
            f"{service.name}: {key} {path} is outside of the repository",
            f"it must be in {repository.top}",
        )
    return place
