"""The disk under MYCLI_HOME is full: it is told, nothing that was answered is lost, all goes on."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.local.conftest import until
from tests.local.registry_client import Registry, digest_of, manifest
from tests.soak import sizes

from .conftest import MYCLI, Machine, Ran

INIT = ("init", "--local", "--force", "--runtime", "process")


@dataclasses.dataclass(frozen=True)
class SmallDisk:
    """A machine whose home is a disk of its own, which only its own commands see."""

    machine: Machine
    holder: int  # a process in the mount namespace

    def run(self, *words: str) -> Ran:
        return self._inside(str(MYCLI), *words)

    def _inside(self, *argv: str) -> Ran:
        done = subprocess.run(
            ["nsenter", "--mount", f"--target={self.holder}", *argv],
            capture_output=True,
            check=False,
            env=self.machine.environ(),
            timeout=120,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    @property
    def mounted(self) -> Path:
        return Path(f"/proc/{self.holder}/root{self.machine.home.parent}")

    def resize(self, kilobytes: int) -> None:
        point = str(self.machine.home.parent)
        resized = self._inside("mount", "-o", f"remount,size={kilobytes}k", point)
        assert resized.code == 0, resized

    def fill(self) -> None:
        """To the last byte, from the outside."""
        filler = os.open(self.mounted / "filler", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            while os.write(filler, bytes(65_536)):
                pass
        except OSError:
            pass
        finally:
            os.close(filler)

    def make_room(self) -> None:
        (self.mounted / "filler").unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], SmallDisk]]:
    """Makes a disk of so many kilobytes."""
    if os.geteuid() != 0 or not shutil.which("nsenter"):
        pytest.skip("only root can mount a small disk")
    with ExitStack() as ending:

        def make(kilobytes: int) -> SmallDisk:
            point = tmp_path / str(kilobytes)
            point.mkdir()
            mount = f"mount -t tmpfs -o size={kilobytes}k none {point} && echo mounted && cat"
            holder = subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", mount],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            ending.enter_context(holder)  # closes its stdin, which ends it
            assert holder.stdout
            if holder.stdout.readline() != b"mounted\n":
                pytest.skip("a small disk cannot be mounted here")
            disk = SmallDisk(Machine(home=point / "home", folder=tmp_path), holder.pid)
            ending.callback(disk.run, "local", "reset", "--force")
            return disk

        yield make


def is_told(ran: Ran, disk: SmallDisk) -> None:
    assert ran.code == 125, ran
    assert "disk is full" in ran.err or "No space left on device" in ran.err, ran
    assert str(disk.machine.home) in ran.err, ran
    assert "Traceback" not in ran.err, ran
    assert "bug in mycli" not in ran.err, ran


def executions(disk: SmallDisk) -> list[list[str]]:
    """Of each its id, status and exit code."""
    listed = disk.run("list")
    assert listed.code == 0, listed
    return [line.split("\t")[:3] for line in listed.out.splitlines()[1:]]


def exit_codes(disk: SmallDisk) -> dict[str, str]:
    """By the id, of those that have one. One that was refused may be there as never started."""
    return {execution: code for execution, _, code in executions(disk) if code not in ("", "none")}


def test_all_goes_on_once_there_is_room_again(small_disk: Callable[[int], SmallDisk]) -> None:
    disk = small_disk(16_384)
    assert disk.run(*INIT).code == 0
    assert disk.run("exec", "-f", "--skip-git", "echo kept").out == "kept\n"
    [first] = exit_codes(disk)

    # A task fills the disk with its output: it ends as it would, and the records have room.
    filling = "yes 0123456789012345678901234567890123456789 | head -c 9000000; exit 7"
    filled = disk.run("exec", "-f", "--skip-git", filling)
    assert filled.code == 7
    *_, last = filled.out.splitlines()
    assert last.startswith("[mycli] the disk is full: lines missing here: ")
    assert sorted(exit_codes(disk).values()) == ["0", "7"]
    disk.resize(24_576)

    # Others fill it. What runs is seen, and is stopped; nothing starts that nobody would know of.
    assert disk.run("exec", "--skip-git", "sleep 300").code == 0
    [running] = until(lambda: [row[0] for row in executions(disk) if row[1] == "RUNNING"])
    disk.fill()
    assert [running, "RUNNING", ""] in executions(disk)
    is_told(disk.run("exec", "--skip-git", "true"), disk)
    stopped = disk.run("stop", running)
    if stopped.code:  # its record has no room, unless something has just freed a little
        is_told(stopped, disk)
    disk.make_room()
    assert disk.run("logs", "-f", running).code == 143
    before = exit_codes(disk)
    assert sorted(before.values()) == ["0", "143", "7"]

    # The account is stopped and started. Now there may be no room for its function.
    disk.fill()
    assert disk.run("local", "stop").code == 0
    disk.fill()
    assert disk.run("local", "start").code == 0
    disk.fill()
    is_told(disk.run("exec", "--skip-git", "true"), disk)
    for verb in ("list", "status", "logs"):
        ran = disk.run(verb, *[running] * (verb != "list"))
        if ran.code:
            is_told(ran, disk)

    disk.make_room()
    assert exit_codes(disk) == before
    assert disk.run("logs", first).out.endswith("| kept\n")
    assert disk.run("exec", "-f", "--skip-git", "exit 5").code == 5

    disk.fill()
    gone = disk.run("destroy", "--force")
    assert gone.code == 0, gone
    assert "Left behind" not in gone.out + gone.err
    assert [path.name for path in disk.mounted.iterdir()] == ["filler"]


@sizes(1, 24)
def test_an_init_that_has_no_room_is_finished_by_the_next(
    small_disk: Callable[[int], SmallDisk], size: int
) -> None:
    for number in range(size):
        disk = small_disk(64 + 1300 * (number + 1) // size)
        is_told(disk.run(*INIT), disk)
        disk.resize(16_384)
        made = disk.run(*INIT)
        assert made.code == 0, made
        assert disk.run("exec", "-f", "--skip-git", "exit 5").code == 5
        assert disk.run("destroy", "--force").code == 0
        assert list(disk.mounted.iterdir()) == []


def test_an_image_that_does_not_fit_is_refused_and_harms_nobody(
    small_disk: Callable[[int], SmallDisk],
) -> None:
    disk = small_disk(24_576)
    assert disk.run(*INIT).code == 0
    inside = dataclasses.replace(disk.machine, home=disk.mounted / "home")
    with inside.client() as client:
        leave = client.authorize_push("api")
    host, _, name = leave.repository_uri.partition("/")
    auth = (leave.username, leave.password)
    with httpx.Client(base_url=f"http://{host}", auth=auth, trust_env=False, timeout=60) as http:
        registry = Registry(http, name)
        kept = registry.push("1", b"small")
        left = os.statvfs(disk.mounted).f_bavail * os.statvfs(disk.mounted).f_bsize
        # More than there is; and so much that the records of an execution would have no room.
        for size in (64 * 1024 * 1024, left - 128 * 1024):
            answer = http.patch(registry.begin(), content=bytes(size))
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, "DENIED")
            assert "the disk is full" in answer.text
            assert str(disk.machine.home) in answer.text
            ran = disk.run("exec", "-f", "--skip-git", "echo goes on")
            assert (ran.code, ran.out) == (0, "goes on\n"), ran
        assert registry.ask("GET", "manifests/1").headers["docker-content-digest"] == kept
        registry.push("2", b"small, too")
        disk.fill()
        third = manifest(digest_of(json.dumps({"tag": "2"}).encode()), [])
        full = registry.put_manifest("3", third)
        assert (full.status_code, "the disk is full" in full.text) == (403, True), full.text
        disk.make_room()
        assert (registry.status("manifests/2"), registry.status("manifests/3")) == (200, 404)
        assert registry.put_manifest("3", third).status_code == 201
