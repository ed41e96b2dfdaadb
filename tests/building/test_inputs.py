"""What goes into an image, and the tag: a hash of that, and of nothing else."""

from __future__ import annotations

import os
import shutil
import string
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mycli import UsageError
from mycli.building.inputs import Entry, Inputs, changed_since
from mycli.building.services import Service
from mycli.building.tracked import Repository
from tests.git_project import Project, new_project
from tests.soak import sizes

# --- Which files ---------------------------------------------------------------------------------


def test_what_git_tracks_goes_in_as_it_is_in_the_work_tree(project: Project) -> None:
    project.write(".gitignore", "ignored\n")
    project.write("run.sh", program=True)
    (project.folder / "link").symlink_to("main.py")
    project.commit()
    project.write("ignored")
    project.write("new")
    project.write("added")
    project.git("add", "added")
    assert project.files() == {
        ".gitignore": "file",
        "Dockerfile": "file",
        "added": "file",
        "link": "link",
        "main.py": "file",
        "run.sh": "program",
    }
    assert project.inputs().untracked == ("new",)


def test_only_what_is_under_the_paths_and_what_the_builder_reads(project: Project) -> None:
    for path in ("api/main.py", "shared/a", "web/main.js", "docker/api", ".dockerignore", "api-b"):
        project.write(path)
    project.write("docker/api.dockerignore")
    project.commit()
    project.write("web/new")
    project.write("api/new/file")
    inputs = project.inputs(dockerfile="docker/api", paths=("api", "shared/a"))
    assert [entry.path for entry in inputs.entries] == [
        ".dockerignore",
        "api/main.py",
        "docker/api",
        "docker/api.dockerignore",
        "shared/a",
    ]
    assert inputs.untracked == ("api/new",)


def test_a_dockerfile_may_stand_outside_of_the_context(project: Project) -> None:
    project.write("api/main.py")
    project.write("docker/api")
    project.write("docker/other")
    project.commit()
    inputs = project.inputs(context="api", dockerfile="../docker/api")
    assert inputs.dockerfile == "../docker/api"
    assert {entry.path for entry in inputs.entries} == {"main.py", "../docker/api"}


@pytest.mark.parametrize(
    "name",
    [b"two\nlines", b'quo"te', b"it's $HOME", b"\xff\xfe", b" ", b"*", b":(glob)x", b"-n", b"a\tb"],
)
def test_any_name(name: bytes, project: Project) -> None:
    file = project.folder / "sub" / os.fsdecode(name)
    project.write("sub/other")
    file.write_text("content")
    before = project.inputs().tag
    project.commit()
    assert f"sub/{os.fsdecode(name)}" in project.files()
    assert f"sub/{os.fsdecode(name)}" in project.files(paths=(f"sub/{os.fsdecode(name)}",))
    project.write("sub/untracked")
    only = project.inputs(paths=(f"sub/{os.fsdecode(name)}",))
    assert "sub/other" not in {entry.path for entry in only.entries}
    assert only.untracked == ()
    assert project.inputs().tag != before


def test_a_link_is_what_it_says_and_never_followed(project: Project, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("one")
    (project.folder / "folder").symlink_to(outside)
    (project.folder / "file").symlink_to(outside / "secret")
    (project.folder / "nowhere").symlink_to("/no/such/place")
    project.commit()
    before = project.inputs()
    kinds = {entry.path: entry.kind for entry in before.entries}
    assert kinds["folder"] == kinds["file"] == kinds["nowhere"] == "link"
    assert not any(path.startswith("folder/") for path in kinds)
    (outside / "secret").write_text("two")
    assert project.inputs().tag == before.tag
    (project.folder / "file").unlink()
    (project.folder / "file").symlink_to("main.py")
    assert project.inputs().tag != before.tag


def test_what_is_tracked_and_missing_is_left_out_and_dirty(
    project: Project, tmp_path: Path
) -> None:
    for path in ("gone", "a/file", "b/file", "c", "d"):
        project.write(path)
    project.commit()
    (project.folder / "gone").unlink()
    shutil.rmtree(project.folder / "a")
    # A link to a folder with a file of this name: git does not look behind it.
    (project.folder / "b" / "file").unlink()
    (project.folder / "b").rmdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "file").write_text("secret")
    (project.folder / "b").symlink_to(tmp_path / "b")
    (project.folder / "c").unlink()
    (project.folder / "c").mkdir()
    (project.folder / "d").unlink()
    os.mkfifo(project.folder / "d")
    inputs = project.inputs()
    assert {entry.path for entry in inputs.entries} == {"Dockerfile", "main.py"}
    assert inputs.dirty == ("a/file", "b/file", "c", "d", "gone")
    assert inputs.tag.endswith("-dirty")


def test_a_sparse_checkout_is_dirty_for_what_it_lacks(project: Project) -> None:
    project.write("in/file")
    project.write("out/file")
    project.commit()
    project.git("sparse-checkout", "set", "in")
    assert project.inputs().dirty == ("out/file",)
    assert project.inputs(paths=("in",)).dirty == ()


def test_submodules_go_in(project: Project, tmp_path: Path) -> None:
    other = new_project(tmp_path / "other")
    other.write("lib/code", program=True)
    other.commit()
    add = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add")
    project.git(*add, str(other.folder), "vendor/other")
    project.commit()
    files = project.files()
    assert files["vendor/other/lib/code"] == "program"
    project.write("vendor/other/untracked")
    assert project.inputs().dirty == ()
    assert set(project.files(paths=("vendor/other/lib",))) == {
        "Dockerfile",
        "vendor/other/lib/code",
    }
    project.git("config", "diff.ignoreSubmodules", "all")
    project.write("vendor/other/lib/code", "changed", program=True)
    for paths in ((), ("vendor",), ("vendor/other/lib",)):
        assert project.inputs(paths=paths).dirty == ("vendor/other",)
    assert project.inputs(paths=("main.py",)).dirty == ()
    project.git("submodule", "--quiet", "deinit", "--force", "vendor/other")
    without = project.inputs()
    assert not any(entry.path.startswith("vendor/") for entry in without.entries)
    assert without.dirty == ("vendor/other",)


def test_line_ends_are_those_of_the_disk_and_do_not_make_it_dirty(project: Project) -> None:
    project.git("config", "core.autocrlf", "true")
    project.write("text", "one\r\ntwo\r\n")
    project.commit()
    inputs = project.inputs()
    [text] = [entry for entry in inputs.entries if entry.path == "text"]
    assert (text.size, inputs.dirty) == (10, ())


def test_on_a_disk_without_executable_bits_those_of_git_count(project: Project) -> None:
    project.write("run.sh", program=True)
    project.commit()
    before = project.inputs()
    project.git("config", "core.fileMode", "false")
    for name in ("run.sh", "main.py"):
        (project.folder / name).chmod(0o777)
    assert project.files()["main.py"] == "file"
    (project.folder / "run.sh").chmod(0o666)
    assert project.inputs() == before


def test_a_conflict_has_its_file_once(project: Project) -> None:
    project.git("checkout", "--quiet", "-b", "other")
    project.write("main.py", "theirs\n")
    project.commit()
    project.git("checkout", "--quiet", "main")
    project.write("main.py", "ours\n")
    project.commit()
    with pytest.raises(AssertionError):
        project.git("merge", "--quiet", "other")
    inputs = project.inputs()
    assert [entry.path for entry in inputs.entries] == ["Dockerfile", "main.py"]
    assert inputs.dirty == ("main.py",)


def test_in_a_hook_of_git_the_repository_is_the_one_around(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = project.inputs()
    other = new_project(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other.folder / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.folder / ".git" / "index"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.folder))
    assert project.inputs() == before


# --- What cannot be ------------------------------------------------------------------------------


def refused(project: Project, **said: object) -> UsageError:
    with pytest.raises(UsageError) as caught:
        project.inputs(**said)  # pyright: ignore[reportArgumentType]
    return caught.value


def test_a_dockerfile_that_cannot_be(project: Project, tmp_path: Path) -> None:
    project.write("sub/file")
    project.commit()
    assert refused(project, context="sub").message == "api: there is no sub/Dockerfile"
    project.write("sub/Dockerfile")
    error = refused(project, context="sub")
    assert (error.message, error.hint) == (
        "api: git does not track sub/Dockerfile",
        "git add sub/Dockerfile",
    )
    (tmp_path / "Dockerfile").write_text("FROM secret\n")
    (project.folder / "sub" / "Dockerfile").unlink()
    (project.folder / "sub" / "Dockerfile").symlink_to(tmp_path / "Dockerfile")
    project.commit()
    assert "is a symbolic link" in refused(project, context="sub").message
    assert "is outside of the repository" in refused(project, dockerfile="../Dockerfile").message
    (project.folder / ".dockerignore").symlink_to(tmp_path / "Dockerfile")
    project.commit()
    assert ".dockerignore is a symbolic link" in refused(project).message


def test_places_that_cannot_be(project: Project, tmp_path: Path) -> None:
    project.write("a/Dockerfile")
    project.write("b/file")
    (project.folder / "out").symlink_to(tmp_path)
    project.commit()
    assert "there is no folder x" in refused(project, context="x").message
    assert "is outside of the repository" in refused(project, context="..").message
    assert "context out is outside of the repo" in refused(project, context="out").message
    assert "is outside of the repository" in refused(project, paths=("out/x",)).message
    error = refused(project, context="a", paths=("a", "b"))
    assert error.message.startswith("api: b is outside of the context, a")
    assert "context: ." in error.hint
    hint = "paths count from the folder of .mycli.yaml: did you mean a/Dockerfile?"
    assert refused(project, context="a", paths=("Dockerfile",)).hint == hint
    assert "git tracks nothing at c" in refused(project, paths=("a", "c")).message


def test_outside_of_a_repository_and_without_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    error = refused(Project(tmp_path))
    assert error.message.startswith(f"{tmp_path} is in no work tree of git")
    assert error.hint.startswith("git says: fatal: not a git repository")
    monkeypatch.setenv("PATH", "")
    assert "git cannot be run: No such file" in refused(Project(tmp_path)).hint


def test_a_file_that_cannot_be_read(project: Project) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read all")
    (project.folder / "main.py").chmod(0)
    assert "main.py cannot be read: Permission denied" in refused(project).message


# --- The tag -------------------------------------------------------------------------------------


def test_the_tag_of_known_files_never_changes(project: Project) -> None:
    """Another one would build every image anew: then the format's number has to change."""
    project.write("run.sh", "echo\n", program=True)
    (project.folder / "link").symlink_to("run.sh")
    project.commit()
    assert project.inputs(args={"A": "1"}).tag == "5baeefe62de991a2"


def test_a_commit_takes_the_dirt_off_the_tag(project: Project) -> None:
    clean = project.inputs().tag
    project.write("main.py", "changed")
    dirty = project.inputs()
    assert dirty.dirty == ("main.py",)
    assert dirty.tag.removesuffix("-dirty") not in (dirty.tag, clean)
    project.commit()
    assert project.inputs().tag == dirty.tag.removesuffix("-dirty")
    project.write("main.py", "print()\n")
    assert project.inputs().tag == f"{clean}-dirty"


def test_without_a_commit_all_is_dirty(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.git("init", "--quiet")
    project.write("Dockerfile")
    project.git("add", ".")
    assert project.inputs().dirty == ("Dockerfile",)


def test_what_is_not_in_the_image_is_not_in_the_tag(project: Project, tmp_path: Path) -> None:
    before = project.inputs()
    os.utime(project.folder / "main.py", (1, 1))
    (project.folder / "main.py").chmod(0o664)
    project.git("config", "diff.autoRefreshIndex", "false")
    assert project.inputs().tag == before.tag
    project.write("untracked")
    assert project.inputs().tag == before.tag
    clone = Project(tmp_path / "elsewhere" / "a clone")
    project.git("clone", "--quiet", str(project.folder), str(clone.folder))
    assert clone.inputs().tag == before.tag
    project.git("commit", "--quiet", "--amend", "--message", "another")
    assert project.inputs().tag == before.tag


NAMES = st.text(st.sampled_from(string.ascii_letters + "é\n' "), min_size=1, max_size=4)
ENTRIES = st.dictionaries(
    NAMES.filter(lambda name: name.strip()),
    st.tuples(st.sampled_from(["file", "program", "link"]), st.binary(max_size=4)),
    min_size=1,
    max_size=4,
)
ARGS = st.dictionaries(st.sampled_from("ABC"), st.text(max_size=3), max_size=2)
WHOLE = st.tuples(
    ENTRIES, ARGS, st.sampled_from(["x86_64", "arm64"]), st.sampled_from(["Dockerfile", "../d"])
)


Whole = tuple[dict[str, tuple[str, bytes]], dict[str, str], str, str]


def hashed(whole: Whole) -> str:
    entries, args, arch, dockerfile = whole
    folder = Path(tempfile.gettempdir())
    return Inputs(
        service=Service(name="x", repository="x", folder=folder, args=args),
        arch=arch,
        dockerfile=dockerfile,
        entries=tuple(
            Entry(path, kind, content, len(content), folder)
            for path, (kind, content) in entries.items()
        ),
        dirty=(),
        untracked=(),
    ).tag


@given(one=WHOLE, drawn=WHOLE, part=st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_two_tags_are_the_same_where_all_that_goes_in_is(
    one: Whole, drawn: Whole, part: int
) -> None:
    other = *one[:part], drawn[part], *one[part + 1 :]
    assert (hashed(one) == hashed(other)) == (one == other)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (({}, {"A": "BC"}, "arm64", "x"), ({}, {"AB": "C"}, "arm64", "x")),
        (({}, {"A": "B"}, "arm64", "x1"), ({}, {"1A": "B"}, "arm64", "x")),
        (
            ({}, {"a": "file", "b": "p", "link": "d"}, "arm64", "x"),
            ({"a": ("file", b"b"), "p": ("link", b"d")}, {}, "arm64", "x"),
        ),
        (({"a": ("file", b"b")}, {}, "arm64", "x"), ({"afile": ("", b"b")}, {}, "arm64", "x")),
    ],
)
def test_where_one_part_ends_and_the_next_begins_is_hashed(one: Whole, other: Whole) -> None:
    assert hashed(one) != hashed(other)


@given(one=WHOLE)
@settings(max_examples=100, deadline=None)
def test_the_order_is_not_hashed(one: Whole) -> None:
    entries, args, arch, dockerfile = one
    turned = dict(reversed(entries.items())), dict(reversed(args.items())), arch, dockerfile
    assert hashed(turned) == hashed(one)


Change = Callable[[Project, str], object]
CHANGES: dict[str, Change] = {
    "a byte": lambda project, name: project.write(name, b"other bytes"),
    "a mode": lambda project, name: (project.folder / name).chmod(0o755),
    "a name": lambda project, name: project.git("mv", name, f"{name}2"),
    "gone": lambda project, name: (project.folder / name).unlink(),
    "removed": lambda project, name: project.git("rm", "--quiet", "--force", name),
    "a link": lambda project, name: (
        (project.folder / name).unlink(),
        (project.folder / name).symlink_to("main.py"),
    ),
    "one more": lambda project, name: (
        project.write(f"{name}-more"),
        project.git("add", "--all"),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
@sizes(3, 60)
def test_every_change_of_what_goes_in_is_another_tag(
    change: str, size: int, tmp_path: Path
) -> None:
    counter = iter(range(10_000))

    @given(names=st.sets(NAMES.filter(lambda name: name.strip()), min_size=1, max_size=3))
    @settings(
        max_examples=size,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        database=None,
    )
    def holds(names: set[str]) -> None:
        project = new_project(tmp_path / f"{next(counter)}")
        for name in names:
            project.write(f"files/{name}", f"content of {name}")
        project.commit()
        before = project.inputs().tag
        CHANGES[change](project, f"files/{min(names)}")
        assert project.inputs().tag.removesuffix("-dirty") != before

    holds()


# --- What changed since --------------------------------------------------------------------------


def changed(service: Service, ref: str) -> bool:
    """Whether it is another image than where `ref` forked off."""
    return changed_since(service, Repository.around(service.folder).fork_point(ref))


def test_changed_since_a_commit(project: Project) -> None:
    service = project.service(paths=("api",))
    project.write("api/a")
    project.write("web/a")
    project.write(".mycli.yaml")
    project.commit()
    project.git("tag", "before")
    project.git("checkout", "--quiet", "-b", "mine")
    assert not changed(service, "before")
    project.write("web/a", "changed")
    project.commit()
    assert not changed(service, "before")
    for path in ("api/a", "Dockerfile", ".mycli.yaml"):
        project.write(path, "changed")
        assert changed(service, "before"), path
        project.git("checkout", path)
        assert not changed(service, "before")
    project.write("api/untracked")
    assert not changed(service, "before")
    project.git("rm", "--quiet", "api/a")
    assert changed(service, "before")
    project.commit()
    assert changed(service, "before")


def test_a_file_that_was_moved_away_is_a_change(project: Project) -> None:
    project.write("api/a", "the same content\n" * 20)
    project.commit()
    (project.folder / "web").mkdir()
    project.git("mv", "api/a", "web/a")
    assert changed(project.service(paths=("api",)), "HEAD")
    project.write("api/b")
    project.commit()
    assert changed(project.service(paths=("api",)), "HEAD~1")


def test_what_changed_on_the_other_side_is_no_change(project: Project) -> None:
    project.git("checkout", "--quiet", "-b", "mine")
    project.git("checkout", "--quiet", "main")
    project.write("main.py", "changed on main")
    project.commit()
    project.git("checkout", "--quiet", "mine")
    assert not changed(project.service(), "main")


@pytest.mark.parametrize("ref", ["nonsense", "--all", "--since=now", "-x", "", "HEAD~5", "0" * 40])
def test_a_commit_that_git_does_not_know(ref: str, project: Project) -> None:
    with pytest.raises(UsageError, match="git knows no commit") as caught:
        changed(project.service(), ref)
    assert "fetch-depth" in caught.value.hint
