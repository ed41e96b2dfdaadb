"""bcrypt as the function needs it: built for Lambda's arm64, by its exact version and hash.

pip fetches it, from whatever index the user's pip is set up with. The wheel is kept whole, and its
hash is looked at before each use: a damaged one is fetched anew.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from mycli import config
from mycli.errors import StackError

VERSION = "5.0.0"
# abi3: one wheel serves every Python from 3.9 on. It needs glibc 2.28 or newer; Lambda's
# python3.13 runs on Amazon Linux 2023, which has 2.34:
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
PLATFORM = "manylinux_2_28_aarch64"
NAME = f"bcrypt-{VERSION}-cp39-abi3-{PLATFORM}.whl"
SHA256 = "f0ce778135f60799d89c9693b9b398819d15f1921ba15fe719acb3178215a7db"
FETCH_SECONDS = 300.0

_CHOICE = ["--no-deps", "--only-binary", ":all:", "--platform", PLATFORM]
_BY_HAND = f"pip download {' '.join(_CHOICE)} bcrypt=={VERSION}"

OnEvent = Callable[[str], None]
Fetch = Callable[[Path], None]


def function_bcrypt(cache: Path, on_event: OnEvent, fetch: Fetch | None = None) -> Path:
    """The folder of the package bcrypt for the function's machine; fetched once, kept in `cache`.

    fetch: puts the wheel into the folder it is given; by pip where it is left out. Raises
    StackError where the wheel cannot be had, with how to put it there by hand.
    """
    wheel = cache / NAME
    if not _is_whole(wheel):
        on_event(f"Fetching bcrypt {VERSION} for the function (0.3 MB)")
        _fetch(wheel, fetch or _by_pip)
    folder = cache / f"bcrypt-{VERSION}-{PLATFORM}" / "bcrypt"
    _unpack(wheel, folder)
    return folder


def _is_whole(wheel: Path) -> bool:
    return wheel.is_file() and hashlib.sha256(wheel.read_bytes()).hexdigest() == SHA256


def _fetch(wheel: Path, fetch: Fetch) -> None:
    by_hand = f"or, on any machine: {_BY_HAND}\n  and put {NAME} into {wheel.parent}"
    with tempfile.TemporaryDirectory(prefix="mycli-") as scratch:
        try:
            fetch(Path(scratch))
        except StackError as error:
            raise StackError(error.message, f"{error.hint}\n  {by_hand}") from None
        fetched = Path(scratch, NAME)
        if not _is_whole(fetched):
            raise StackError(
                f"what was fetched is not the {NAME} that mycli knows by its SHA-256",
                f"does your package index, or a proxy, change packages?\n  {by_hand}",
            )
        config.write_private(wheel, fetched.read_bytes())


def _unpack(wheel: Path, folder: Path) -> None:
    """Have in the folder exactly what the wheel has, byte for byte."""
    with zipfile.ZipFile(wheel) as archive:
        content = {
            folder / name.relative_to("bcrypt"): archive.read(str(name))
            for name in map(PurePosixPath, archive.namelist())
            if name.is_relative_to("bcrypt") and name.suffix in (".py", ".so")
        }
    for stray in folder.rglob("*"):
        if stray.is_file() and stray not in content:
            stray.unlink()
    for path, data in content.items():
        if not (path.is_file() and path.read_bytes() == data):
            config.write_private(path, data)


def _by_pip(folder: Path) -> None:
    """Have the user's pip put the wheel into the folder. Raises StackError."""
    requirement = folder / "requirement.txt"
    requirement.write_text(f"bcrypt=={VERSION} --hash=sha256:{SHA256}\n")
    # -P: a folder `pip` where the user happens to stand is not pip.
    pip = [sys.executable, "-P", "-m", "pip", "download", "--disable-pip-version-check"]
    patience = ["--no-input", "--retries", "2", "--dest", str(folder)]
    try:
        ran = subprocess.run(
            [*pip, *_CHOICE, *patience, "--requirement", str(requirement)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=FETCH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        reason = f"the package index did not answer within {FETCH_SECONDS:.0f} s"
        raise StackError(reason, "check the network and `pip config list`") from None
    if ran.returncode != 0:
        raise _refused(ran.stderr)


def _refused(said: str) -> StackError:
    if "No module named pip" in said:
        return StackError("pip is not installed beside mycli", "install mycli anew, or pip")
    if "DO NOT MATCH THE HASHES" in said:
        return StackError(
            f"your package index has another {NAME} than the one that mycli knows by its SHA-256",
            "does the index, or a proxy, change packages? See `pip config list`",
        )
    if broken := re.search(r"connection broken by .*: (.+?)[\"')]*: /", said):
        return StackError(
            f"the package index cannot be reached: {broken[1]}",
            "check the network, a proxy (HTTPS_PROXY) and `pip config list`",
        )
    if "No matching distribution found" in said:
        return StackError(
            f"your package index has no {NAME}", "which index pip asks: `pip config list`"
        )
    last = re.sub(r"//[^/@\s]+@", "//***@", said.strip().rpartition("\n")[2])
    return StackError(f"pip could not fetch {NAME}: {last}", "see `pip config list`")
