"""What a task runs in: a process with scratch folders, or a container of Docker or Podman."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mycli.local import account, containers, pulls
from mycli.local.containers import find_engine
from mycli.local.processes import CannotStart, Launch
from tests.local.conftest import CLUSTER, Running, new_account, prepare, until

ENGINE = find_engine()
BUSYBOX = shutil.which("busybox")


def launch(tmp_path: Path, definition: dict[str, Any]) -> Launch:
    process = containers.runtime(None, tmp_path, "123456789012")
    return process("task-1", definition, {"A": "1"}, pulls.Wanted("unused"))


def test_a_process_gets_scratch_folders_of_its_own(tmp_path: Path) -> None:
    made = launch(tmp_path, {"entryPoint": ["/bin/sh", "-c"], "command": ["true"]})
    assert made.argv == ["/bin/sh", "-c", "true"]
    assert made.cwd == made.env["MYCLI_WORKSPACE"] == str(tmp_path / "task-1" / "workspace")
    assert made.env["HOME"] == str(tmp_path / "task-1" / "home")
    assert {"PATH", "LANG", "TMPDIR", "A"} <= set(made.env)
    assert Path(made.env["HOME"]).stat().st_mode & 0o777 == 0o700


def test_the_working_directory_is_used_where_it_exists(tmp_path: Path) -> None:
    there = launch(tmp_path / "1", {"command": ["true"], "workingDirectory": str(tmp_path)})
    missing = launch(tmp_path / "2", {"command": ["true"], "workingDirectory": "/no/such/folder"})
    assert there.cwd == str(tmp_path)
    assert missing.cwd == missing.env["MYCLI_WORKSPACE"]


def test_a_process_needs_a_command(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="no command"):
        launch(tmp_path, {"image": "ubuntu:22.04"})


# --- Containers, on an image made here of busybox -------------------------------------------------

needs_engine = pytest.mark.skipif(
    ENGINE is None or BUSYBOX is None,
    reason="neither Docker nor Podman answers, or there is no busybox to make an image of",
)


def engine(*words: str) -> str:
    done = subprocess.run(
        [ENGINE or "", *words], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done
    return done.stdout


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[str]:
    file, name = tmp_path_factory.mktemp("image") / "image.tar", f"localhost/mycli-test:{worker_id}"
    with tarfile.open(file, "w") as archive:
        archive.add(os.path.realpath(BUSYBOX or ""), "bin/busybox")
        for program in ("sh", "echo", "sleep", "seq", "id", "pwd", "test"):
            link = tarfile.TarInfo(f"bin/{program}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
        folder = tarfile.TarInfo("work")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        archive.addfile(folder)
    engine("import", str(file), name)
    yield name
    engine("rmi", "--force", name)


@pytest.fixture
def own(ended: None) -> Running:
    return prepare(new_account("container"))


def containers_of(own: Running) -> list[str]:
    label = f"label=mycli.account={own.account.account_id}"
    return engine("ps", "--all", "--quiet", "--filter", label).split()


def start(own: Running, command: str, **container: Any) -> str:
    definition = own.define(command, **container)
    answer = own.clients("ecs").run_task(cluster=CLUSTER, taskDefinition=definition)
    return answer["tasks"][0]["taskArn"]


@needs_engine
def test_a_task_runs_in_its_image_and_leaves_no_container(own: Running, image: str) -> None:
    environment = [{"name": "MYCLI_A", "value": "two\nlines"}, {"name": "B", "value": "é"}]
    command = 'pwd; echo "$MYCLI_A|$B"; seq 3; exit 7'
    arn = start(own, command, image=image, environment=environment)
    assert own.stopped(arn)["containers"][0]["exitCode"] == 7
    assert own.output(arn) == ["/", "two", "lines|é", "1", "2", "3"]
    assert containers_of(own) == []


@needs_engine
def test_folder_and_user_are_the_definitions(own: Running, image: str) -> None:
    arn = start(own, "pwd; id -u", image=image, workingDirectory="/work", user="1234")
    own.stopped(arn)
    assert own.output(arn) == ["/work", "1234"]


@needs_engine
def test_the_owners_files_are_not_there(own: Running, image: str) -> None:
    folder: Path = own.place.folder
    arn = start(own, f"test -e {folder}; echo $?", image=image)
    own.stopped(arn)
    assert own.output(arn) == ["1"]


@needs_engine
def test_an_image_that_is_nowhere_is_told(own: Running) -> None:
    task = own.stopped(start(own, "true", image="localhost:1/no-such-image:1"))
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("CannotPullContainerError: ")
    assert "exitCode" not in task["containers"][0]


@needs_engine
def test_a_program_that_the_image_lacks_is_told(own: Running, image: str) -> None:
    task = own.stopped(start(own, "true", image=image, entryPoint=["/no/such/program"]))
    assert task["containers"][0].get("exitCode") != 0
    assert containers_of(own) == []


@needs_engine
def test_a_task_is_stopped(own: Running, image: str) -> None:
    command = "trap 'echo caught; exit 9' TERM; echo on; while :; do sleep 0.1; done"
    arn = start(own, command, image=image)
    until(lambda: own.describe(arn)["lastStatus"] == "RUNNING")
    until(lambda: own.output(arn))
    own.clients("ecs").stop_task(cluster=CLUSTER, task=arn)
    assert own.stopped(arn)["containers"][0]["exitCode"] == 9
    assert own.output(arn) == ["on", "caught"]


@needs_engine
def test_a_container_ends_with_the_daemon_and_is_removed_by_the_next(
    own: Running, image: str
) -> None:
    arn = start(own, "echo on; exec sleep 300", image=image)
    until(lambda: own.describe(arn)["lastStatus"] == "RUNNING")
    until(lambda: own.output(arn))
    os.kill(account.status()["pid"], signal.SIGKILL)
    label = f"label=mycli.account={own.account.account_id}"
    until(lambda: not engine("ps", "--quiet", "--filter", label).split())
    account.start(own.account)
    assert containers_of(own) == []
    assert own.describe(arn)["lastStatus"] == "STOPPED"
