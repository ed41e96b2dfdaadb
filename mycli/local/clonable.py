"""A repository on this machine that a task in a container is to clone: what it must see of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

_SCHEME = "file://"  # no host: what follows is a path from the root


def mounts(repo: str | None) -> list[str]:
    """Options of Docker's and Podman's `create` for the address that is to be cloned.

    Only git's own folders are seen, read-only and where they are here: what is not committed stays
    apart. Nothing is added for an address elsewhere, nor for a folder that is no repository.
    """
    if not repo or not repo.startswith(f"{_SCHEME}/"):
        return []
    seen = [*dict.fromkeys(_git_places(Path(unquote(repo.removeprefix(_SCHEME)))))]
    if not seen:
        return []
    # SELinux would keep a container from these files. Marking them for it would change the user's.
    argv = ["--security-opt", "label=disable"]
    for place in seen:
        argv += [
            "--mount",
            f"type=bind,{_field('source', place)},{_field('target', place)},readonly",
        ]
    return argv


def _git_places(folder: Path) -> Iterator[Path]:
    """What holds the repository: of a work tree, of a further one, of a submodule, of a bare one.

    git takes an address without its final `.git`, too.
    """
    for place in (folder / ".git", folder, Path(f"{folder}.git")):
        try:
            git = _led_to(place) if place.is_file() else place
            if git is None or not (git / "HEAD").is_file():
                continue
            common = git / "commondir"  # where a further work tree has all but its HEAD
            shared = git / common.read_text().strip() if common.is_file() else git
        except (OSError, UnicodeDecodeError):
            continue
        yield place
        for needed in (git, shared.resolve()):
            if needed != place and (needed / "HEAD").is_file():
                yield needed
        return


def _led_to(file: Path) -> Path | None:
    """What a `.git` that is a file names."""
    said, _, target = file.read_text().strip().partition(": ")
    return file.parent / target if said == "gitdir" else None


def _field(name: str, path: Path) -> str:
    """One field of `--mount`, which is read as CSV: a path may hold a comma."""
    return '"{}={}"'.format(name, str(path).replace('"', '""'))
