"""What a container sees of a repository on this machine; tests/e2e/test_container.py clones it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mycli.local.clonable import mounts
from tests.git_server import git, make_repository


def seen(repo: str | None) -> list[str]:
    """The folders and files; each is at its own path, and read-only."""
    options = mounts(repo)[2:]
    assert options[::2] == ["--mount"] * (len(options) // 2)
    places: list[str] = []
    for option in options[1::2]:
        source = option.partition('"source=')[2].partition('"')[0]
        assert option == f'type=bind,"source={source}","target={source}",readonly'
        places.append(source)
    return places


def test_of_each_kind_of_repository_what_git_keeps(tmp_path: Path) -> None:
    bare = make_repository(tmp_path / "sample.git").path
    work, other, library = bare.with_suffix(".work"), tmp_path / "other", tmp_path / "library"
    git(work, "worktree", "add", "--quiet", str(other), "feature/one")
    (work / ".git" / "modules").mkdir()
    git(tmp_path, "init", "--quiet", "--separate-git-dir", f"{work}/.git/modules/x", str(library))
    assert seen(bare.as_uri()) == seen(f"file://{tmp_path}/sample") == [str(bare)]
    assert seen(work.as_uri()) == [f"{work}/.git"]
    assert seen(other.as_uri()) == [
        f"{other}/.git",
        f"{work}/.git/worktrees/other",
        f"{work}/.git",
    ]
    assert seen(library.as_uri()) == [f"{library}/.git", f"{work}/.git/modules/x"]


@pytest.mark.parametrize("repo", [None, "https://x.y/z", "file:///", "file:///no/such", "file://"])
def test_nothing_of_what_is_no_repository_here(repo: str | None) -> None:
    assert mounts(repo) == []


def test_a_git_file_that_leads_elsewhere_shows_nothing(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: /etc\n")
    assert mounts(tmp_path.as_uri()) == []
