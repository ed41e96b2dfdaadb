"""What to run: the priority between flags, variables, .mycli.yaml and git; and what git says."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from mycli import ConfigError, UsageError
from mycli.checkout import same_repository
from mycli.project import Settings, repo_address, resolve, shareable_repository
from mycli.project_file import find_file

URL = "https://github.com/user/infra"


pytestmark = pytest.mark.usefixtures("no_git_settings")


def git(folder: Path, *args: str) -> str:
    ran = subprocess.run(["git", "-C", folder, *args], capture_output=True, text=True, check=True)
    return ran.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone on branch `dev`, all of it pushed; its origin is then called URL."""
    bare, folder = tmp_path / "origin.git", tmp_path / "checkout"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=trunk", str(bare))
    git(tmp_path, "clone", "--quiet", str(bare), str(folder))
    git(folder, "checkout", "--quiet", "-b", "dev")
    commit(folder, "first")
    git(folder, "push", "--quiet", "--set-upstream", "origin", "dev")
    git(folder, "remote", "set-url", "origin", URL)
    return folder


def commit(folder: Path, name: str) -> None:
    (folder / name).write_text(name)
    git(folder, "add", name)
    git(folder, "commit", "--quiet", "--message", name)


def settings(folder: Path, *, is_local: bool = False, **flags: Any) -> Settings:
    return resolve(flags, folder, is_local=is_local)


def write(folder: Path, text: str) -> Path:
    path = folder / ".mycli.yaml"
    path.write_text(text)
    return path


def error_of(text: str, folder: Path) -> ConfigError:
    write(folder, text)
    with pytest.raises(ConfigError) as caught:
        settings(folder, repo=URL)
    return caught.value


# --- Priority ------------------------------------------------------------------------------------


def test_flags_before_variables_before_the_file_before_git(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = settings(checkout)
    assert (found.repo, found.branch) == (URL, "dev")
    assert found.sources == {"repo": "git", "branch": "git"}

    write(checkout, "repo: https://x.y/file\nbranch: of-file\nimage: of-file\ntimeout: 60\n")
    found = settings(checkout)
    assert (found.repo, found.branch, found.image) == ("https://x.y/file", "of-file", "of-file")
    assert found.timeout == 60
    assert found.sources["repo"] == ".mycli.yaml"
    assert found.file == checkout / ".mycli.yaml"

    monkeypatch.setenv("MYCLI_REPO", "https://x.y/variable")
    monkeypatch.setenv("MYCLI_IMAGE", "of-variable")
    monkeypatch.setenv("MYCLI_TIMEOUT", "61")
    monkeypatch.setenv("MYCLI_ARCH", "arm64")
    found = settings(checkout)
    assert (found.arch, found.sources["arch"]) == ("arm64", "MYCLI_ARCH")
    assert (found.repo, found.branch) == ("https://x.y/variable", "of-file")
    assert (found.image, found.timeout) == ("of-variable", 61)
    assert found.sources["repo"] == "MYCLI_REPO"

    found = settings(checkout, repo="https://x.y/flag", timeout=62, branch=None)
    assert (found.repo, found.image, found.timeout) == ("https://x.y/flag", "of-variable", 62)
    assert found.sources["repo"] == ""


def test_variables_of_the_command_are_merged_by_name(tmp_path: Path) -> None:
    write(tmp_path, "env: {A: file, B: file}")
    found = settings(tmp_path, repo=URL, env={"B": "flag", "C": "flag"})
    assert found.env == {"A": "file", "B": "flag", "C": "flag"}


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("2h", 7200), ("1d", 86_400)]
)
def test_a_timeout_may_have_a_unit(
    text: str, seconds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, f"repo: {URL}\ntimeout: {text}\n")
    assert settings(tmp_path).timeout == seconds
    write(tmp_path, f"repo: {URL}\ntimeout: 1\n")
    monkeypatch.setenv("MYCLI_TIMEOUT", text)
    assert settings(tmp_path).timeout == seconds


def test_every_key_of_the_file(tmp_path: Path) -> None:
    write(
        tmp_path,
        f"repo: {URL}\nbranch: main\nimage: a:1\nenv:\n  A: '1'\ntimeout: 5\n"
        "workdir: infra\ncpu: 512\nmemory: 1024\narch: arm64\nskip_git: false\n",
    )
    found = settings(tmp_path)
    assert (found.repo, found.branch, found.image, found.env) == (URL, "main", "a:1", {"A": "1"})
    assert (found.timeout, found.workdir, found.cpu, found.memory) == (5, "infra", 512, 1024)
    assert (found.arch, found.skip_git) == ("arm64", False)


def test_a_file_without_repo_gets_it_from_git(checkout: Path) -> None:
    write(checkout, "image: python:3.13")
    found = settings(checkout)
    assert (found.repo, found.branch, found.image) == (URL, "dev", "python:3.13")


def test_the_branch_comes_from_git_only_with_the_repository(checkout: Path) -> None:
    assert settings(checkout, repo="https://x.y/other").branch is None
    assert settings(checkout, repo=URL).branch is None
    assert settings(checkout, branch="prod").branch == "prod"


def test_without_a_repository_nothing_is_asked_of_git(tmp_path: Path) -> None:
    write(tmp_path, f"repo: {URL}\nbranch: main")
    found = settings(tmp_path, skip_git=True)
    assert (found.repo, found.branch, found.skip_git) == (None, None, True)
    write(tmp_path, "skip_git: true")
    assert settings(tmp_path).skip_git
    assert settings(tmp_path, repo=URL, skip_git=False).repo == URL


def test_nothing_named(tmp_path: Path, checkout: Path) -> None:
    with pytest.raises(UsageError, match="which repository") as caught:
        settings(tmp_path)
    assert "--skip-git" in caught.value.hint
    git(checkout, "remote", "remove", "origin")
    with pytest.raises(UsageError, match="no remote named origin") as caught:
        settings(checkout, is_local=True)
    assert f"--repo file://{checkout}" in caught.value.hint


def test_a_bare_repository_is_one(tmp_path: Path, checkout: Path) -> None:
    bare = tmp_path / "origin.git"
    with pytest.raises(UsageError, match=r"origin\.git has no remote named origin") as caught:
        settings(bare, is_local=True)
    assert f"--repo {bare.as_uri()}" in caught.value.hint
    git(bare, "remote", "add", "origin", URL)
    found = settings(bare)
    assert (found.repo, found.branch, found.warnings) == (URL, None, ())


def test_without_git_on_the_machine(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="which repository"):
        settings(checkout)
    assert settings(checkout, repo=URL).repo == URL


@pytest.mark.parametrize(
    ("name", "value"),
    [("TIMEOUT", "soon"), ("TIMEOUT", "-1"), ("CPU", "1.5"), ("SKIP_GIT", "perhaps")],
)
def test_a_variable_that_cannot_be(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"MYCLI_{name}", value)
    with pytest.raises(UsageError, match=f"MYCLI_{name}"):
        settings(tmp_path, repo=URL)


def test_skip_git_by_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYCLI_SKIP_GIT", "1")
    assert settings(tmp_path).skip_git


# --- .mycli.yaml ---------------------------------------------------------------------------------


def test_the_file_is_looked_for_up_to_the_root_of_the_repository(
    tmp_path: Path, checkout: Path
) -> None:
    below = checkout / "a" / "b"
    below.mkdir(parents=True)
    write(tmp_path, "image: outside")
    assert find_file(below) is None
    top = write(checkout, "image: top")
    assert find_file(below) == top
    near = write(checkout / "a", "image: near")
    assert find_file(below) == near


def test_outside_of_a_repository_only_this_folder_counts(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    here = write(tmp_path, "image: here")
    assert find_file(tmp_path) == here
    assert find_file(below) is None


def test_an_unknown_key_is_named_with_the_nearest_right_one(tmp_path: Path) -> None:
    error = error_of(f"repo: {URL}\n\nimgae: x\n", tmp_path)
    assert error.message == f"{tmp_path}/.mycli.yaml:3: unknown key 'imgae'"
    assert error.hint == "did you mean image?"
    assert error.exit_code == 2


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("branch: 1.0", ":1: branch is 1.0", "quotes"),
        ("branch: 2024-02-01", ":1: branch is 2024-02-01", "quotes"),
        ("branch: 2024-02-30", "day is out of range", "quotes"),
        ("image: x\ntimeout: soon", ":2: timeout is soon", "seconds"),
        ("timeout: 5 m", ":1: timeout is 5 m", "5m"),
        ("timeout: true", ":1: timeout is true", "seconds"),
        ("skip_git: 'yes'", ":1: skip_git is yes", "true or false"),
        ("env: [A=1]", ":1: env is none", "mapping"),
        ("env:\n  A: x\n  PIN: 1", ":3: env: PIN is not text", 'PIN: "..."'),
        ("env:\n  Y: yes", ":2: env: Y is true, not text", "quotes"),
        ("env:\n  YES: 'x'", ":1: env: the name true is not text", "quotes"),
        ("env:\n  NONE:", ":2: env: NONE is empty, not text", 'NONE: ""'),
        ("- a\n- b", "must be a mapping", ""),
        ("a: b: c", "line 1", ""),
        ("image: 'x", "line", ""),
        ("image: \x07", "", ""),
    ],
)
def test_a_file_that_cannot_be(text: str, message: str, hint: str, tmp_path: Path) -> None:
    error = error_of(text, tmp_path)
    assert ".mycli.yaml" in error.message
    assert message in error.message
    assert hint in error.hint


@pytest.mark.parametrize("text", ["", "# nothing\n", "branch:\nimage:\nenv:\n"])
def test_keys_without_a_value_are_absent(text: str, tmp_path: Path) -> None:
    write(tmp_path, text)
    found = settings(tmp_path, repo=URL)
    assert (found.branch, found.image, found.env) == (None, None, {})


# --- Addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "repo",
    [URL, "ssh://git@host.example/repo", "git@github.com:user/repo.git", "host:repo"],
)
def test_addresses_pass_as_they_are(repo: str, tmp_path: Path) -> None:
    assert repo_address(repo, tmp_path, is_local=False) == repo
    assert repo_address(repo, tmp_path, is_local=True) == repo


@pytest.mark.parametrize("repo", ["./here", "../there", "/over/there", "~/home", "file:///x", "."])
def test_a_path_is_for_a_stack_on_this_machine(repo: str, tmp_path: Path) -> None:
    address = repo_address(repo, tmp_path, is_local=True)
    assert address.startswith("file:///")
    with pytest.raises(UsageError, match="only this machine can reach it"):
        repo_address(repo, tmp_path, is_local=False)


def test_plain_http_is_for_a_stack_on_this_machine(tmp_path: Path) -> None:
    repo = "http://127.0.0.1:8080/x"
    assert repo_address(repo, tmp_path, is_local=True) == repo
    with pytest.raises(UsageError, match="not encrypted"):
        repo_address(repo, tmp_path, is_local=False)


@pytest.mark.parametrize("repo", ["ext::sh -c x", "-x", "nonsense", "ftp://host/x", "git://h/x"])
def test_what_git_would_take_as_something_else_is_refused(repo: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="repo"):
        repo_address(repo, tmp_path, is_local=True)


def test_a_path_with_a_space_can_be_cloned(tmp_path: Path, checkout: Path) -> None:
    odd = tmp_path / "a b%20ü"
    checkout.rename(odd)
    address = repo_address(".", odd, is_local=True)
    assert " " not in address
    git(tmp_path, "clone", "--quiet", address, str(tmp_path / "clone"))
    assert (tmp_path / "clone" / "first").is_file()
    odd.rename(tmp_path / "a b")
    assert repo_address(f"file://{tmp_path}/a b", tmp_path, is_local=True) == (
        (tmp_path / "a b").as_uri()
    )


@pytest.mark.parametrize("source", ["flag", "variable", "file", "git"])
def test_credentials_in_an_address_are_left_out_with_a_warning(
    source: str, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "https://user:TOKEN@github.com/user/infra"
    flags: dict[str, Any] = {}
    if source == "flag":
        flags = {"repo": told}
    elif source == "variable":
        monkeypatch.setenv("MYCLI_REPO", told)
    elif source == "file":
        write(checkout, f"repo: {told}")
    else:
        git(checkout, "remote", "set-url", "origin", told)
    found = settings(checkout, **flags)
    assert found.repo == URL
    assert "TOKEN" not in repr(found)
    assert any("left out" in warning for warning in found.warnings)


def test_relative_paths_are_taken_from_where_they_were_written(
    tmp_path: Path, checkout: Path
) -> None:
    below = checkout / "below"
    below.mkdir()
    git(checkout, "remote", "set-url", "origin", "../origin.git")
    assert settings(below, is_local=True).repo == f"file://{tmp_path}/origin.git"
    assert settings(below, is_local=True, repo="./x").repo == f"file://{below}/x"
    write(checkout, "repo: ./y")
    assert settings(below, is_local=True).repo == f"file://{checkout}/y"


def test_what_a_project_file_can_share(checkout: Path, tmp_path: Path) -> None:
    assert shareable_repository(None, checkout) == URL
    assert shareable_repository("git@host:x", checkout) == "git@host:x"
    git(checkout, "remote", "set-url", "origin", "../origin.git")
    assert shareable_repository(None, checkout) is None
    assert shareable_repository(None, tmp_path) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (URL, "git@github.com:user/infra.git", True),
        (URL, "ssh://git@GitHub.com/user/infra/", True),
        (URL, "https://token@github.com/user/infra.git", True),
        (URL, "https://github.com/user/other", False),
        (URL, "https://gitlab.com/user/infra", False),
        ("file:///a/b", "file:///a/b.git", True),
    ],
)
def test_one_repository_has_many_addresses(one: str, other: str, same: bool) -> None:
    assert same_repository(one, other) is same


# --- What of the checkout will not run -----------------------------------------------------------


def test_all_is_pushed(checkout: Path) -> None:
    assert settings(checkout).warnings == ()
    assert settings(checkout, repo="git@github.com:user/infra.git").warnings == ()


def test_files_that_are_not_committed(checkout: Path) -> None:
    (checkout / "new").write_text("new")
    assert settings(checkout).warnings == (
        "1 file is not committed: what is not committed will not run",
    )
    (checkout / "first").write_text("changed")
    assert settings(checkout).warnings[0].startswith("2 files are not committed")
    by_name = settings(checkout, repo="git@github.com:user/infra.git").warnings
    assert by_name[0].startswith("2 files are not committed")


def test_commits_that_are_not_pushed(checkout: Path) -> None:
    commit(checkout, "second")
    assert settings(checkout).warnings == (
        "1 commit is not pushed: what is not pushed will not run",
    )
    commit(checkout, "third")
    assert settings(checkout).warnings[0].startswith("2 commits are not pushed")


def test_a_branch_that_is_not_on_the_server(checkout: Path) -> None:
    git(checkout, "checkout", "--quiet", "-b", "mine")
    assert "branch mine is not on origin" in settings(checkout).warnings[0]
    git(checkout, "branch", "--quiet", "--set-upstream-to", "origin/dev")
    assert "branch mine is not on origin" in settings(checkout).warnings[0]


def test_a_branch_that_was_pushed_without_being_followed(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "checkout", "--quiet", "-b", "mine")
    git(checkout, "push", "--quiet", str(tmp_path / "origin.git"), "mine")
    git(checkout, "update-ref", "refs/remotes/origin/mine", "HEAD")  # as a push to origin does
    assert settings(checkout).warnings == ()
    commit(checkout, "second")
    assert settings(checkout).warnings[0].startswith("1 commit is not pushed")


def test_a_detached_head_is_its_commit(checkout: Path) -> None:
    git(checkout, "checkout", "--quiet", "--detach")
    found = settings(checkout)
    assert found.branch == git(checkout, "rev-parse", "HEAD")
    assert found.warnings == ()
    commit(checkout, "second")
    assert "is on no branch of the remote" in settings(checkout).warnings[0]


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(folder))
    git(folder, "remote", "add", "origin", URL)
    found = settings(folder)
    assert (found.repo, found.branch) == (URL, "main")
    assert "not on origin" in found.warnings[0]


def test_of_another_repository_or_branch_the_checkout_says_nothing(checkout: Path) -> None:
    (checkout / "new").write_text("new")
    assert settings(checkout, repo="https://x.y/other").warnings == ()
    assert settings(checkout, branch="prod").warnings == ()


# --- An image of its own -------------------------------------------------------------------------

SERVICES = "services: {api: {}, web: {}}\n"


def image_or_service(folder: Path, **flags: Any) -> tuple[str | None, str | None, str | None]:
    found = settings(folder, skip_git=True, **flags)
    name = found.service.name if found.service else None
    return found.image, name, found.sources.get("image" if found.image else "service")


def test_an_image_and_a_service_go_before_each_other_by_where_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "build: {name: tool}")
    assert image_or_service(tmp_path) == (None, "tool", ".mycli.yaml")
    assert image_or_service(tmp_path, image="x") == ("x", None, "")
    write(tmp_path, SERVICES + "image: y\n")
    assert image_or_service(tmp_path) == ("y", None, ".mycli.yaml")
    assert image_or_service(tmp_path, service="web") == (None, "web", "")
    monkeypatch.setenv("MYCLI_SERVICE", "api")
    assert image_or_service(tmp_path) == (None, "api", "MYCLI_SERVICE")
    assert image_or_service(tmp_path, service="web") == (None, "web", "")
    assert image_or_service(tmp_path, image="x") == ("x", None, "")
    monkeypatch.delenv("MYCLI_SERVICE")
    monkeypatch.setenv("MYCLI_IMAGE", "z")
    assert image_or_service(tmp_path) == ("z", None, "MYCLI_IMAGE")
    assert image_or_service(tmp_path, service="web") == (None, "web", "")


def test_services_want_a_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, SERVICES)
    with pytest.raises(UsageError, match=r"which image\? .*services: api, web") as caught:
        image_or_service(tmp_path)
    assert "--service NAME" in caught.value.hint
    with pytest.raises(UsageError, match="has no service 'wbe'") as caught:
        image_or_service(tmp_path, service="wbe")
    assert caught.value.hint == "did you mean web?"
    with pytest.raises(UsageError, match="--image and --service exclude each other"):
        image_or_service(tmp_path, service="api", image="x")
    monkeypatch.setenv("MYCLI_SERVICE", "api")
    monkeypatch.setenv("MYCLI_IMAGE", "z")
    with pytest.raises(UsageError, match="MYCLI_IMAGE and MYCLI_SERVICE exclude each other"):
        image_or_service(tmp_path)


def test_a_service_without_any(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no \.mycli\.yaml here"):
        image_or_service(tmp_path, service="api")
    write(tmp_path, "image: x")
    with pytest.raises(UsageError, match="has neither build nor services"):
        image_or_service(tmp_path, service="api")


def test_image_tag_is_of_what_is_built_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGE_TAG", "v1")
    with pytest.raises(UsageError, match=r"IMAGE_TAG is set, .* no \.mycli\.yaml here") as caught:
        settings(tmp_path, skip_git=True)
    assert "checked out" in caught.value.hint
    by_flag = settings(tmp_path, skip_git=True, image="x").warnings
    assert by_flag == ("IMAGE_TAG is not used: --image names the image",)
    write(tmp_path, "image: x")
    by_file = settings(tmp_path, repo=URL).warnings
    assert by_file == ("IMAGE_TAG is not used: .mycli.yaml names the image",)
    write(tmp_path, "timeout: 60")
    with pytest.raises(UsageError, match="has neither build nor services"):
        settings(tmp_path, skip_git=True)
    write(tmp_path, "build: {name: tool}")
    assert settings(tmp_path, skip_git=True).warnings == ()
    monkeypatch.setenv("IMAGE_TAG", "")
    write(tmp_path, "timeout: 60")
    assert settings(tmp_path, skip_git=True).image is None


def test_an_image_of_what_is_here_beside_a_clone_of_something_else(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(checkout, "build: {name: tool}")
    git(checkout, "add", ".mycli.yaml")
    git(checkout, "commit", "--quiet", "--message", "second")
    git(checkout, "update-ref", "refs/remotes/origin/dev", "HEAD")
    here = "the image is of what is checked out here (dev), and "
    at = here + "the repository is cloned at "
    folder = checkout.as_uri()
    told = {
        (): (),
        ("branch", "prod"): (at + "prod",),
        ("repo", URL): (at + "its default branch",),
        ("repo", "https://x.y/z"): (here + "another repository is cloned: https://x.y/z",),
        ("repo", folder): (),
        ("skip_git", True): (),
        ("image", "x"): (),
    }
    for given, warnings in told.items():
        flags = {str(given[0]): given[1]} if given else {}
        assert settings(checkout, is_local=True, **flags).warnings == warnings, given
    both = settings(checkout, is_local=True, repo=folder, branch="prod").warnings
    assert both == (at + "prod",)
    monkeypatch.setenv("IMAGE_TAG", "v1")
    assert settings(checkout, branch="prod").warnings == ()
    monkeypatch.delenv("IMAGE_TAG")
    git(checkout, "checkout", "--quiet", "--detach")
    short = git(checkout, "rev-parse", "HEAD")[:12]
    assert f"checked out here ({short})" in settings(checkout, branch="prod").warnings[0]


def test_another_repository_that_stands_beside_the_image_is_meant_to_be(checkout: Path) -> None:
    text = "build: {name: tool}\nrepo: "
    write(checkout, text + "https://x.y/z\n")
    assert settings(checkout).warnings == ()
    write(checkout, text + f"{URL}\nbranch: main\n")
    assert settings(checkout).warnings == (
        "the image is of what is checked out here (dev), and the repository is cloned at main",
    )


def test_what_is_not_committed_is_in_the_image_and_not_in_the_clone(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(checkout, "build: {name: tool}")
    [told] = settings(checkout).warnings
    assert told == (
        "1 file is not committed: the clone has none of it, the image has what goes into it"
    )
    monkeypatch.setenv("IMAGE_TAG", "v1")
    assert "will not run" in settings(checkout).warnings[0]


def test_tasks_without_images_have_none_built(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(checkout, "build: {name: tool}")
    found = resolve({}, checkout, is_local=True, has_images=False)
    assert (found.service, found.image) == (None, None)
    assert found.warnings == (
        "tasks are processes of this machine, in no image: that of tool is not built, nor looked "
        "for",
        "1 file is not committed: what is not committed will not run",
    )
    monkeypatch.setenv("IMAGE_TAG", "v1")
    assert resolve({}, checkout, is_local=True, has_images=False).service is None
    named = resolve({"image": "x"}, checkout, is_local=True, has_images=False)
    assert (named.image, len(named.warnings)) == ("x", 2)
