"""bcrypt for the function: fetched by the real pip, from a folder, an index or nothing."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mycli.errors import StackError
from mycli.stack import package, wheel

from .conftest import REPOSITORY

AARCH64 = 183  # e_machine in an ELF header: EM_AARCH64
Index = Callable[..., None]


@pytest.fixture
def pip_has(monkeypatch: pytest.MonkeyPatch) -> Index:
    """pip_has(*folders, index=None): these folders and this index are all that pip knows of."""

    def only(*folders: Path, index: str | None = None) -> None:
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_FIND_LINKS", " ".join(map(str, folders)))
        if index:
            monkeypatch.setenv("PIP_INDEX_URL", index)
        else:
            monkeypatch.setenv("PIP_NO_INDEX", "1")

    return only


def refusal(cache: Path) -> StackError:
    """What it says; nothing is left in the cache."""
    with pytest.raises(StackError) as refused:
        package.function_bcrypt(cache, lambda _: None)
    assert not list(cache.rglob("*"))
    assert wheel.NAME in refused.value.hint  # how to go on by hand
    assert str(cache) in refused.value.hint
    return refused.value


def test_it_is_built_for_the_function_and_checked(bcrypt_wheel: Path, tmp_path: Path) -> None:
    folder = package.function_bcrypt(bcrypt_wheel.parent, pytest.fail)
    assert hashlib.sha256(bcrypt_wheel.read_bytes()).hexdigest() == wheel.SHA256
    header = (folder / "_bcrypt.abi3.so").read_bytes()[:20]
    assert header[:4] == b"\x7fELF"
    assert int.from_bytes(header[18:20], "little") == AARCH64
    package.build(tmp_path / "one.zip", folder)
    package.build(tmp_path / "two.zip", folder)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert (tmp_path / "one.zip").stat().st_size < 1_000_000
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        bcrypt = [name for name in archive.namelist() if name.startswith("bcrypt/")]
    assert bcrypt == ["bcrypt/__init__.py", "bcrypt/_bcrypt.abi3.so"]


def test_it_is_the_one_that_is_locked() -> None:
    locked = (REPOSITORY / "constraints.txt").read_text()
    hashes = locked.partition(f"\nbcrypt=={wheel.VERSION} ")[2].partition("==")[0]
    assert f"sha256:{wheel.SHA256}" in hashes


def test_pip_is_a_dependency() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert any(item.startswith("pip>=") for item in project["dependencies"])


def test_it_is_fetched_once(bcrypt_wheel: Path, tmp_path: Path, pip_has: Index) -> None:
    pip_has(bcrypt_wheel.parent)
    said: list[str] = []
    first = package.function_bcrypt(tmp_path / "new" / "cache", said.append)
    assert said == ["Fetching bcrypt 5.0.0 for the function (0.3 MB)"]
    pip_has()
    assert package.function_bcrypt(tmp_path / "new" / "cache", pytest.fail) == first
    assert (tmp_path / "new" / "cache" / wheel.NAME).stat().st_mode & 0o777 == 0o600


def test_a_damaged_cache_is_noticed_and_mended(bcrypt_wheel: Path, tmp_path: Path) -> None:
    def copy(folder: Path) -> None:
        (folder / wheel.NAME).write_bytes(bcrypt_wheel.read_bytes())

    folder = wheel.function_bcrypt(tmp_path, lambda _: None, copy)
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    (tmp_path / wheel.NAME).write_bytes(bcrypt_wheel.read_bytes()[:-1])
    (folder / "_bcrypt.abi3.so").write_bytes(b"broken")
    (folder / "__init__.py").unlink()
    (folder / "more.py").write_text("")
    said: list[str] = []
    wheel.function_bcrypt(tmp_path, said.append, copy)
    assert len(said) == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole
    assert (tmp_path / wheel.NAME).read_bytes() == bcrypt_wheel.read_bytes()


def test_another_wheel_under_its_name_is_refused(
    bcrypt_wheel: Path, tmp_path: Path, pip_has: Index
) -> None:
    (tmp_path / "index").mkdir()
    other = tmp_path / "index" / wheel.NAME
    other.write_bytes(bcrypt_wheel.read_bytes())
    with zipfile.ZipFile(other, "a") as archive:
        archive.writestr("bcrypt/more.py", "")
    pip_has(other.parent)
    assert "SHA-256" in refusal(tmp_path / "cache").message

    def not_by_pip(folder: Path) -> None:
        (folder / wheel.NAME).write_bytes(other.read_bytes())

    with pytest.raises(StackError, match="SHA-256"):
        wheel.function_bcrypt(tmp_path / "cache", lambda _: None, not_by_pip)
    assert not list((tmp_path / "cache").rglob("*"))


def test_an_index_without_it(tmp_path: Path, pip_has: Index) -> None:
    pip_has()
    assert f"has no {wheel.NAME}" in refusal(tmp_path / "cache").message


def test_offline(tmp_path: Path, pip_has: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with socket.socket() as nobody:  # bound, and not listening
        nobody.bind(("127.0.0.1", 0))
        pip_has(index=f"http://user:secret@127.0.0.1:{nobody.getsockname()[1]}/simple")
        refused = refusal(tmp_path / "cache")
    assert refused.message == (
        "the package index cannot be reached: [Errno 111] Connection refused"
    )
    assert "HTTPS_PROXY" in refused.hint
    assert "secret" not in str(refused) + refused.hint


def test_what_else_pip_says_is_said(
    tmp_path: Path, pip_has: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip_has()
    (tmp_path / "pip.conf").write_text("index-url = https://user:secret@127.0.0.1/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    refused = refusal(tmp_path / "cache")
    assert "https://***@127.0.0.1/simple" in refused.message
    assert "secret" not in str(refused) + refused.hint


def test_put_there_by_hand(bcrypt_wheel: Path, tmp_path: Path, pip_has: Index) -> None:
    """By the very command that the hint has."""
    pip_has()
    command = refusal(tmp_path / "cache").hint.partition("pip download ")[2].splitlines()[0]
    pip_has(bcrypt_wheel.parent)
    subprocess.run(
        [sys.executable, "-m", "pip", "download", *command.split(), "--quiet"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    (tmp_path / "cache").mkdir()
    (tmp_path / wheel.NAME).rename(tmp_path / "cache" / wheel.NAME)
    assert package.function_bcrypt(tmp_path / "cache", pytest.fail).is_dir()
