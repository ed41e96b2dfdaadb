from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mycli.stack import package

from .conftest import REPOSITORY, Declare

# What Lambda's own runtime brings: boto3 and what it needs.
BOTO3 = ("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "urllib3", "six")


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A folder of code of its own, with everything in it that does not belong into a zip."""
    folder = tmp_path / "code"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "inner").mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "handler.py").write_text("import os\n")
    (folder / "task.sh").write_text("exit 0\n")
    (folder / "inner" / "more.py").write_text("")
    (folder / "__pycache__" / "handler.cpython-313.pyc").write_bytes(b"compiled")
    (folder / "py.typed").write_text("")
    (folder / ".handler.py.swp").write_text("an editor's")
    (folder / "handler.py~").write_text("an editor's")
    return folder


@pytest.fixture
def bcrypt(tmp_path: Path) -> Path:
    folder = tmp_path / "bcrypt"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "_bcrypt.abi3.so").write_bytes(b"\x7fELF")
    return folder


def test_holds_what_runs_and_nothing_else(tmp_path: Path, code: Path, bcrypt: Path) -> None:
    package.build(tmp_path / "function.zip", bcrypt, code)
    with zipfile.ZipFile(tmp_path / "function.zip") as archive:
        assert archive.namelist() == [
            "bcrypt/__init__.py",
            "bcrypt/_bcrypt.abi3.so",
            "orchestrator/__init__.py",
            "orchestrator/handler.py",
            "orchestrator/inner/more.py",
            "orchestrator/task.sh",
        ]
        assert archive.read("orchestrator/handler.py") == b"import os\n"
        # Lambda unpacks it with these modes, and runs it as another user.
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o100644}
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_same_bytes_from_another_folder_at_another_time(
    tmp_path: Path, code: Path, bcrypt: Path
) -> None:
    one = package.build(tmp_path / "one.zip", bcrypt, code)
    moved = tmp_path / "elsewhere" / "copy"
    # Made in another order, so that the file system may list it in another order.
    for path in sorted((p for p in code.rglob("*") if p.is_file()), reverse=True):
        copy = moved / path.relative_to(code)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        copy.chmod(0o600)
        os.utime(copy, (1, 1_000_000_000))
    other = package.build(tmp_path / "new" / "other.zip", bcrypt, moved)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "new" / "other.zip").read_bytes()
    assert one == other == hashlib.sha256((tmp_path / "one.zip").read_bytes()).hexdigest()


def test_other_code_gives_another_hash(tmp_path: Path, code: Path, bcrypt: Path) -> None:
    one = package.build(tmp_path / "function.zip", bcrypt, code)
    (code / "handler.py").write_text("import sys\n")
    assert package.build(tmp_path / "function.zip", bcrypt, code) != one


def test_the_real_one_is_repeatable_and_small(tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip"):
        package.build(tmp_path / name, package.installed_bcrypt())
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert (tmp_path / "one.zip").stat().st_size < 1_000_000
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        names = set(archive.namelist())
    code = REPOSITORY / "orchestrator"
    modules = {f"orchestrator/{path.relative_to(code).as_posix()}" for path in code.rglob("*.py")}
    assert {n for n in names if not n.startswith("bcrypt/")} == modules | {"orchestrator/task.sh"}


def install(distribution: str, folder: Path) -> None:
    """Copy one installed distribution, and only it, into a folder."""
    for file in importlib.metadata.files(distribution) or []:
        if ".." not in file.parts and file.suffix != ".pyc":
            copy = folder / file
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.symlink_to(file.locate())


def isolated(folder: Path, statement: str) -> subprocess.CompletedProcess[str]:
    """Run a statement with the standard library and what is in the folder, and nothing else."""
    start = f"import sys; sys.path.insert(0, {str(folder)!r}); sys.dont_write_bytecode = True"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"{start}; {statement}"],
        env={"AWS_DEFAULT_REGION": "eu-west-1", "HOME": os.devnull},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_runs_with_nothing_but_boto3_beside_it(tmp_path: Path, declare: Declare) -> None:
    function = declare()["resources"]["Function:orchestrator"]["inputs"]
    module, _, name = function["handler"].rpartition(".")
    package.build(tmp_path / "function.zip", package.installed_bcrypt())
    task = tmp_path / "task"
    with zipfile.ZipFile(tmp_path / "function.zip") as archive:
        archive.extractall(task)
    for distribution in BOTO3:
        install(distribution, task)
    for absent in ("mycli", "pulumi", "httpx"):  # so that a missing module would show
        assert "ModuleNotFoundError" in isolated(task, f"import {absent}").stderr

    modules = sorted(
        f"orchestrator.{path.stem}"
        for path in (task / "orchestrator").glob("*.py")
        if path.stem != "__init__"
    )
    show = f"import inspect; print(list(inspect.signature({module}.{name}).parameters))"
    ran = isolated(task, f"import bcrypt, {', '.join(modules)}; {show}")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "['event', 'context']\n"  # as Lambda calls it
