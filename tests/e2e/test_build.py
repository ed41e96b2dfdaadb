"""Images built by the real builder, pushed to the account on this machine, and run there."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.git_project import Project, new_project

from .conftest import Machine
from .containers import ENGINE, IMAGE, NEEDED, container_machine, engine

pytestmark = [*NEEDED, pytest.mark.usefixtures("no_git_settings")]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with container_machine(tmp_path_factory.mktemp("machine")) as machine:
        yield machine


@pytest.fixture
def base(stack: Machine) -> Iterator[str]:
    """How a Dockerfile begins; whatever is built on it goes with the test."""
    label = f"mycli.test={time.time_ns()}"
    yield f"FROM {IMAGE}\nLABEL {label}\n"
    for image in labelled(label):
        engine("rmi", "--force", image)


def labelled(label: str) -> set[str]:
    """Podman cannot list while another worker removes an image."""
    deadline = time.monotonic() + 30
    while True:
        try:
            found = engine("images", "--quiet", "--no-trunc", "--filter", f"label={label}")
            return set(found.split())
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@pytest.fixture
def project(no_git_settings: None, base: str, tmp_path: Path) -> Project:
    """Two images with a shared folder; each test's are called as nobody else's."""
    project = new_project(tmp_path / "project")
    one = "{{name: {}, dockerfile: {}/Dockerfile, paths: [{}, shared]}}"
    services = {name: f"{name}-{time.time_ns()}" for name in ("api", "web")}
    listed = "".join(f"  {n}: {one.format(own, n, n)}\n" for n, own in services.items())
    project.write(".mycli.yaml", f"skip_git: true\nservices:\n{listed}")
    project.write("shared/lib", "shared\n")
    for name in services:
        project.write(f"{name}/Dockerfile", f"{base}COPY . /app\n")
        project.write(f"{name}/run.sh", f"#!/bin/sh\necho {name}\n", program=True)
    project.commit()
    return project


@pytest.fixture
def machine(stack: Machine, project: Project, tmp_path: Path) -> Iterator[Machine]:
    """The machine, at the project, with a folder of its own for what is temporary."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    yield dataclasses.replace(stack, folder=project.folder, env={"TMPDIR": str(temporary)})
    assert list(temporary.iterdir()) == []


def test_what_is_here_is_built_once_and_run(machine: Machine, project: Project) -> None:
    project.write("untracked")
    (project.folder / "shared" / "link").symlink_to("/etc/passwd")
    project.write(".dockerignore", "**/ignored\n")
    project.write("shared/ignored")
    project.commit()
    project.write("api/new file")
    listing = "cd /app && find . ! -type d | sort && /app/api/run.sh && readlink shared/link"
    ran = machine.run("exec", "-f", "--service", "api", listing)
    assert (ran.code, ran.out.splitlines()) == (
        0,
        [
            "./.dockerignore",
            "./api/Dockerfile",
            "./api/run.sh",
            "./shared/lib",
            "./shared/link",
            "api",
            "/etc/passwd",
        ],
    ), ran
    assert "! api: not tracked by git, so not in the image: api/new file\n" in ran.err
    assert "(built from api/Dockerfile, just pushed)\n" in ran.err
    again = machine.run("exec", "--wait", "--service", "api", "true")
    assert (again.code, "Building" in again.err) == (0, False), again
    assert "(built from api/Dockerfile, unchanged)\n" in again.err


def test_what_a_pipeline_has_built_is_run_by_its_tag_with_the_key_alone(
    machine: Machine, project: Project, tmp_path: Path
) -> None:
    commit = project.git("rev-parse", "HEAD")
    built = machine.run("build", "--push", "--tag", commit, "--json")
    assert built.code == 0, built
    assert [item["state"] for item in json.loads(built.out)["services"]] == ["pushed", "pushed"]
    project.write("web/run.sh", "#!/bin/sh\necho newer\n", program=True)
    project.commit()
    newer = project.git("rev-parse", "HEAD")
    again = machine.run("build", "--push", "--tag", newer)
    assert [line.split()[2] for line in again.out.splitlines()] == ["unchanged", "pushed"], again
    # A machine without the stack's profile, without a builder and without AWS credentials.
    bare = {**machine.env, **machine.reached_by(), "PATH": str(tmp_path), "IMAGE_TAG": commit}
    elsewhere = dataclasses.replace(machine, home=tmp_path / "no-home", env=bare)
    ran = elsewhere.run("exec", "-f", "--service", "web", "/app/web/run.sh")
    assert (ran.code, ran.out) == (0, "web\n"), ran
    newest = dataclasses.replace(elsewhere, env={**bare, "IMAGE_TAG": newer})
    assert newest.run("exec", "-f", "--service", "web", "/app/web/run.sh").out == "newer\n"
    unknown = dataclasses.replace(elsewhere, env={**bare, "IMAGE_TAG": "v0"})
    ran = unknown.run("exec", "--service", "web", "true")
    assert ran.code == 125
    assert "IMAGE_TAG is v0, and the stack has no image web-" in ran.err


def test_two_pipelines_at_once(machine: Machine) -> None:
    both = [machine.start("build", "--push", "--tag", "v1") for _ in range(2)]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err.decode()
        assert {line.split()[2] for line in out.decode().splitlines()} <= {"pushed", "unchanged"}


def test_a_tag_never_moves(machine: Machine, project: Project) -> None:
    assert machine.run("build", "api", "--push", "--tag", "v1").code == 0
    project.write("api/run.sh", "changed", program=True)
    ran = machine.run("build", "api", "--push", "--tag", "v1")
    assert ran.code == 125
    assert ":v1 is there already, and is another image than" in ran.err
    assert "-dirty" in ran.err


def test_a_build_that_fails_says_so_and_starts_nothing(
    machine: Machine, project: Project, base: str
) -> None:
    project.write("api/Dockerfile", f"{base}RUN echo because >&2; exit 3\n")
    before = machine.json("list")["executions"]
    ran = machine.run("exec", "--service", "api", "true")
    assert (ran.code, ran.out) == (125, "")
    assert "because\n" in ran.err
    assert "✗ api: the build failed (" in ran.err
    assert machine.json("list")["executions"] == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_nothing(
    number: signal.Signals, machine: Machine, project: Project, base: str
) -> None:
    words = f"sleep 3{time.time_ns() % 10**8}"
    project.write("api/Dockerfile", f"{base}RUN {words}\n")
    process = machine.start("exec", "--service", "api", "true")
    deadline = time.monotonic() + 60
    while not running(words):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (128 + number, b""), err
    assert err.decode().endswith("✗ interrupted: api was not built; run it again\n"), err
    assert running(words) == []
    if ENGINE == "podman":  # which builds in containers that only this shows
        assert IMAGE not in engine("ps", "--all", "--external", "--format", "{{.Image}}")


def running(words: str) -> list[str]:
    """The processes of this machine that were called so."""
    if not Path("/proc/self").exists():
        pytest.skip("processes are looked for as on Linux")
    wanted = words.replace(" ", "\0") + "\0"
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.fsdecode((process / "cmdline").read_bytes()) == wanted:
                found.append(process.name)
        except OSError:
            continue
    return found
