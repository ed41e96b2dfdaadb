"""Phase 1 of task.sh: the clone, from a real git server."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.git_server import Repository, git, make_repository, serve
from tests.task_script import (
    Container,
    every_shell,
    exports,
    write_program,
)

WHERE = "cat where.txt; git rev-parse HEAD; git branch --show-current"


@pytest.fixture(scope="module")
def old_server(repository: Repository) -> Iterator[str]:
    with serve(repository.path.parent, any_commit=False) as url:
        yield url


@every_shell
def test_without_a_branch_it_is_the_repositorys_default_branch(
    shell: str, container: Container, server: str, repository: Repository
) -> None:
    ended = container.run(shell, f"{WHERE}; pwd; ./hello.sh", MYCLI_REPO=f"{server}/sample.git")
    assert ended.output.splitlines() == [
        "third",
        repository.third,
        "trunk",
        str(container.workspace),
        "hello from the repository",
    ]
    assert f"mycli: cloned:      {repository.third} into {container.workspace}\n" in ended.setup
    assert list(container.tmp.iterdir()) == []


@every_shell
@pytest.mark.parametrize(
    ("ref", "where"), [("trunk", "third"), ("feature/one", "feature"), ("v1", "first")]
)
def test_a_branch_or_a_tag_is_cloned_shallow(
    shell: str, container: Container, server: str, ref: str, where: str
) -> None:
    command = "cat where.txt; git rev-list --count HEAD"
    ended = container.run(shell, command, MYCLI_REPO=f"{server}/sample.git", MYCLI_BRANCH=ref)
    assert ended.output == f"{where}\n1\n"


@every_shell
@pytest.mark.parametrize("length", [7, 40])
@pytest.mark.parametrize("old", [False, True])
def test_a_commit_is_cloned_from_any_server(
    shell: str,
    container: Container,
    server: str,
    old_server: str,
    repository: Repository,
    length: int,
    old: bool,
) -> None:
    ended = container.run(
        shell,
        "cat where.txt; git rev-parse HEAD; git remote get-url origin",
        MYCLI_REPO=f"{old_server if old else server}/sample.git",
        MYCLI_BRANCH=repository.second[:length],
    )
    url = f"{old_server if old else server}/sample.git"
    assert ended.output == f"second\n{repository.second}\n{url}\n"


@every_shell
def test_a_commit_that_only_a_tag_leads_to(
    shell: str, container: Container, tmp_path: Path
) -> None:
    sample = make_repository(tmp_path / "git" / "tagged.git")
    git(sample.path, "tag", "kept", sample.feature)
    git(sample.path, "update-ref", "-d", "refs/heads/feature/one")
    ended = container.run(
        shell, "cat where.txt", MYCLI_REPO=f"file://{sample.path}", MYCLI_BRANCH=sample.feature[:9]
    )
    assert ended.output == "feature\n"


def test_a_full_commit_is_fetched_alone(
    container: Container, server: str, repository: Repository
) -> None:
    ended = container.run(
        "bash",
        "git rev-list --count --all",
        MYCLI_REPO=f"{server}/sample.git",
        MYCLI_BRANCH=repository.third,
    )
    assert ended.output == "1\n"


@every_shell
def test_the_workdir_is_in_the_repository(
    shell: str, container: Container, repository: Repository
) -> None:
    repo = f"file://{repository.path}"
    ended = container.run(shell, "cat here.txt", MYCLI_REPO=repo, MYCLI_WORKDIR="sub/folder")
    assert ended.output == "in the folder\n"


@every_shell
def test_submodules_are_not_cloned(shell: str, container: Container, server: str) -> None:
    ended = container.run(shell, "ls -A library", MYCLI_REPO=f"{server}/sample.git")
    assert (ended.output, ended.exit_code) == ("", 0)


@every_shell
def test_the_images_git_settings_and_hooks_are_not_used(
    shell: str, container: Container, server: str
) -> None:
    home = container.folder / "home"
    home.mkdir()
    template = home / "template"
    (template / "hooks").mkdir(parents=True)
    write_program(template / "hooks" / "post-checkout", "echo >../hooked")
    (home / ".gitconfig").write_text(
        f'[init]\n\ttemplateDir = {template}\n[url "file:///nowhere/"]\n\tinsteadOf = {server}/\n'
        '[filter "unknown"]\n\tsmudge = false\n\trequired = true\n[submodule]\n\trecurse = true\n'
    )
    command = "git config --show-origin --get init.templateDir; cat where.txt"
    ended = container.run(shell, command, MYCLI_REPO=f"{server}/sample.git")
    # The command has them again.
    assert ended.output == f"file:{home}/.gitconfig\t{template}\nthird\n"
    assert not (container.workspace.parent / "hooked").exists()


@every_shell
def test_the_images_git_variables_are_not_used(
    shell: str, container: Container, server: str
) -> None:
    settings = container.folder / "gitconfig"
    settings.write_text(f'[url "file:///nowhere/"]\n\tinsteadOf = {server}/\n')
    spied = container.folder / "spied"
    programs = container.programs(git=f'env >>"{spied}"; exec {shutil.which("git")} "$@"')
    ended = container.run(
        shell,
        "cat where.txt",
        PATH=f"{programs}:{os.environ['PATH']}",
        GIT_CONFIG_SYSTEM=str(settings),
        GIT_CONFIG_GLOBAL=str(settings),
        XDG_CONFIG_HOME="/image/config",
        LC_ALL="C.UTF-8",
        MYCLI_REPO=f"{server}/sample.git",
    )
    assert ended.output == "third\n"
    seen = spied.read_text().splitlines()
    assert "LC_ALL=C" in seen  # git's words are looked into
    assert "XDG_CONFIG_HOME=/image/config" not in seen


@every_shell
def test_git_sees_nothing_of_the_users_variables(
    shell: str, container: Container, server: str
) -> None:
    spied = container.folder / "spied"
    real_git = shutil.which("git")
    programs = container.programs(git=f'env >>"{spied}"; exec {real_git} "$@"')
    mine = {"GIT_TRACE_CURL": "1", "LD_PRELOAD": "/nowhere/x.so", "GIT_DIR": "/nowhere"}
    ended = container.run(
        shell,
        "echo $GIT_TRACE_CURL $GIT_DIR",
        PATH=f"{programs}:{os.environ['PATH']}",
        MYCLI_REPO=f"{server}/sample.git",
        MYCLI_ENV=exports(mine),
    )
    assert ended.output.endswith("1 /nowhere\n")
    names = {line.partition("=")[0] for line in spied.read_text().splitlines()}
    assert "GIT_TERMINAL_PROMPT" in names
    assert not names & set(mine)


@every_shell
def test_what_git_was_told_is_not_passed_on(shell: str, container: Container, server: str) -> None:
    ended = container.run(shell, "env", MYCLI_REPO=f"{server}/sample.git", MYCLI_BRANCH="v1")
    names = {line.partition("=")[0] for line in ended.output.splitlines()}
    assert not [name for name in names if name.startswith("GIT_") or name in ("LC_ALL", "branch")]
    assert {name for name in names if name.startswith("MYCLI_")} == {"MYCLI_EXECUTION_ID"}


@every_shell
def test_a_workspace_that_is_in_use_is_left_alone(
    shell: str, container: Container, server: str
) -> None:
    container.workspace.mkdir(parents=True)
    (container.workspace / "precious").write_text("mine")
    ended = container.run(shell, "pwd; cat where.txt", MYCLI_REPO=f"{server}/sample.git")
    folder, where = ended.output.splitlines()
    assert Path(folder).parent == container.tmp
    assert where == "third"
    assert f"mycli: {container.workspace} cannot be written, or is not empty" in ended.setup
    assert [path.name for path in container.workspace.iterdir()] == ["precious"]


@every_shell
def test_an_empty_workspace_that_exists_is_used(
    shell: str, container: Container, server: str
) -> None:
    container.workspace.mkdir(parents=True)
    ended = container.run(shell, "pwd", MYCLI_REPO=f"{server}/sample.git")
    assert ended.output == f"{container.workspace}\n"


@every_shell
def test_a_workspace_that_cannot_be_made(shell: str, container: Container, server: str) -> None:
    ended = container.run(
        shell, "cat where.txt", MYCLI_REPO=f"{server}/sample.git", MYCLI_WORKSPACE="/proc/x/repo"
    )
    assert ended.output == "third\n"
    assert "mycli: /proc/x/repo cannot be written" in ended.setup


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
@every_shell
def test_as_a_user_who_is_not_root(shell: str, server: str) -> None:
    # Not under tmp_path, which only its owner can enter.
    made = subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True)
    container = Container(Path(made.stdout.strip()))
    try:
        for folder in (container.folder, container.tmp, container.folder / "home"):
            folder.mkdir(exist_ok=True)
            os.chown(folder, 65534, 65534)
        container.sh(shell)
        become = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        ended = container.start(
            shell,
            "cat where.txt; id -u; exit 5",
            prefix=become,
            MYCLI_REPO=f"{server}/sample.git",
            MYCLI_WORKSPACE="/root/workspace/repo",
        ).end()
        assert ended.output == "third\n65534\n"
        assert ended.exit_code == 5
    finally:
        shutil.rmtree(container.folder)


@every_shell
def test_an_empty_repository(shell: str, container: Container, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", str(tmp_path / "empty.git"))
    ended = container.run(shell, "ls", MYCLI_REPO=f"file://{tmp_path}/empty.git")
    assert (ended.output, ended.exit_code) == ("", 0)
    assert "mycli: cloned:      an empty repository into" in ended.setup
