"""The function's zip: the folder `orchestrator` and the package `bcrypt`, and nothing else.

The same files give the same bytes, whenever and wherever it is built: an `up` that changes no
code uploads none. Nothing is compressed, since versions of zlib differ in what they make of it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.resources
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

from mycli.stack.wheel import function_bcrypt

__all__ = ["build", "function_bcrypt", "installed_bcrypt"]

# What runs, and no droppings of editors, compilers and type checkers.
_SUFFIXES = {".py", ".sh", ".so"}
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can say


def build(target: Path, bcrypt: Path, orchestrator: Path | None = None) -> str:
    """Write the zip to `target` and return the SHA-256 of its bytes, in hex.

    bcrypt: the folder of the package, built for the machine that runs the function: that of
    function_bcrypt for Lambda, of installed_bcrypt for this machine. orchestrator: the folder of
    the code; the installed one where it is left out.
    """
    code = orchestrator or Path(str(importlib.resources.files("orchestrator")))
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, path in sorted([*_files("orchestrator", code), *_files("bcrypt", bcrypt)]):
            archive.writestr(_entry(name), path.read_bytes())
    return hashlib.sha256(target.read_bytes()).hexdigest()


def installed_bcrypt() -> Path:
    """The folder of the bcrypt that mycli itself uses: built for this machine."""
    return Path(str(importlib.metadata.distribution("bcrypt").locate_file("bcrypt")))


def _files(package: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """Each file's name in the zip, and where it is."""
    for path in folder.rglob("*"):
        if path.suffix in _SUFFIXES and path.is_file():
            yield f"{package}/{path.relative_to(folder).as_posix()}", path


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.create_system = 3  # Unix, also where it is built on something else
    entry.external_attr = (stat.S_IFREG | 0o644) << 16  # Lambda's user must be able to read it
    return entry
