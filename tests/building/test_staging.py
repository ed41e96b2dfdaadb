"""The folder that a build sees: exactly what was hashed, for a while."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from mycli.building import staging
from mycli.building.inputs import read_inputs
from mycli.building.staging import largest, staged
from mycli.errors import BuildError
from tests.git_project import Project, new_project


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the copies are made, and nothing else."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything below, with its mode, its time, and its content or what it says."""
    found: dict[str, tuple[int, int, bytes]] = {}
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        link, file = path.is_symlink(), path.is_file()
        says = os.readlink(os.fsencode(path)) if link else b""  # noqa: PTH115 - to the byte
        content = path.read_bytes() if file and not link else says
        mode = 0 if link else facts.st_mode & 0o7777
        found[str(path.relative_to(folder))] = mode, int(facts.st_mtime), content
    return found


def test_it_is_what_was_hashed_and_nothing_else(project: Project, temporary: Path) -> None:
    project.write("sub/run.sh", "run\n", program=True)
    os.symlink("/etc//./passwd", project.folder / "link")  # noqa: PTH211
    (project.folder / "main.py").chmod(0o600)
    project.commit()
    project.write("untracked")
    before = os.umask(0o077)
    try:
        with staged(project.inputs()) as folder:
            at = 946_684_800
            assert tree(folder.context) == {
                "Dockerfile": (0o644, at, b"FROM scratch\nCOPY . /\n"),
                "link": (0, at, b"/etc//./passwd"),
                "main.py": (0o644, at, b"print()\n"),
                "sub": (0o755, at, b""),
                "sub/run.sh": (0o755, at, b"run\n"),
            }
            assert folder.dockerfile == folder.context / "Dockerfile"
            [outer] = temporary.iterdir()
            assert outer.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)
    assert list(temporary.iterdir()) == []


def test_a_dockerfile_from_outside_is_no_part_of_the_context(project: Project) -> None:
    project.write("api/main.py")
    project.write("docker/api", "FROM scratch\n")
    project.write("docker/api.dockerignore")
    project.commit()
    with staged(project.inputs(context="api", dockerfile="../docker/api")) as folder:
        assert list(tree(folder.context)) == ["main.py"]
        assert folder.dockerfile.read_text() == "FROM scratch\n"
        assert folder.dockerfile.with_name("api.dockerignore").is_file()
        assert not folder.dockerfile.is_relative_to(folder.context)


@pytest.mark.parametrize("kind", ["content", "link"])
def test_what_changes_meanwhile_is_not_built(kind: str, project: Project, temporary: Path) -> None:
    (project.folder / "link").symlink_to("main.py")
    project.commit()
    inputs = project.inputs()
    if kind == "content":
        project.write("main.py", "print(1)")
    else:
        (project.folder / "link").unlink()
        (project.folder / "link").symlink_to("Dockerfile")
    with pytest.raises(BuildError, match="changed while it was read"), staged(inputs):
        pass
    assert list(temporary.iterdir()) == []


def test_a_file_that_a_link_has_replaced_is_not_followed(project: Project, tmp_path: Path) -> None:
    inputs = project.inputs()
    (tmp_path / "secret").write_text("print()\n")  # even with the very content
    (project.folder / "main.py").unlink()
    (project.folder / "main.py").symlink_to(tmp_path / "secret")
    with pytest.raises(BuildError, match="cannot be copied"), staged(inputs):
        pass


def test_a_disk_that_is_full(
    project: Project, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(staging.shutil, "copyfileobj", full)
    with pytest.raises(BuildError, match="No space left") as caught, staged(project.inputs()):
        pass
    assert "TMPDIR" in caught.value.hint
    assert list(temporary.iterdir()) == []


def test_the_same_commit_is_the_same_folder_everywhere(tmp_path: Path) -> None:
    trees: list[object] = []
    for name in ("one", "other place"):
        project = new_project(tmp_path / name)
        project.write("a/b/c")
        project.commit()
        with staged(read_inputs(project.service(), "arm64")) as folder:
            trees.append(tree(folder.context))
    assert trees[0] == trees[1]


def test_what_weighs_most(project: Project) -> None:
    project.write("media/one", b"x" * 300)
    project.write("media/two", b"x" * 300)
    project.write("large", b"x" * 500)
    project.write("small", b"x")
    project.commit()
    assert largest(project.inputs(), 2) == [("media/", 600), ("large", 500)]
