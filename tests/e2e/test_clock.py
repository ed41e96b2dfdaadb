"""The machine's clock jumps, under a running account and between two of its lives."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local.conftest import until

from .conftest import Machine, new_machine

HOUR = 3600
DAY = 24 * HOUR
YEAR = 365 * DAY

# Loaded into every process of the account: the seconds in a file are added to the time of day,
# and to nothing else. A file that all have mapped, as a clock jumps for all at once.
LIBRARY = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static volatile long *seconds;

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("CLOCK_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) seconds = mmap(0, sizeof *seconds, PROT_READ, MAP_SHARED, file, 0);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(clock, now);
    if (!failed && seconds && clock == CLOCK_REALTIME) now->tv_sec += *seconds;
    return failed;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}
"""


@dataclasses.dataclass(frozen=True)
class Clock:
    """A machine whose clock can be set. Its tasks' processes keep the real time."""

    machine: Machine
    file: Path

    def jump(self, seconds: int) -> None:
        with self.file.open("r+b") as file:
            file.write(struct.pack("l", seconds))

    def start(self) -> None:
        """`mycli local start` gives the daemon none of the variables that set its clock."""
        daemon = [sys.executable, "-P", "-m", "mycli.local.daemon", self.machine.home / "local"]
        subprocess.run(daemon, check=True, env=self.machine.environ(), timeout=60)

    def stop(self) -> None:
        assert self.machine.run("local", "stop").code == 0

    def listed(self) -> set[str]:
        rows = self.machine.json("list", "--limit", "100")["executions"]
        return {row["execution_id"] for row in rows}


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clock]:
    if sys.platform != "linux" or not (compiler := shutil.which("cc")):
        pytest.skip("only Linux, with a C compiler, lets a clock be set for some processes")
    root = tmp_path_factory.mktemp("clock")
    source, library, file = root / "clock.c", root / "clock.so", root / "clock"
    source.write_text(LIBRARY)
    file.write_bytes(bytes(8))
    built = [compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"]
    if subprocess.run(built, check=False, timeout=60).returncode:
        pytest.skip("the C compiler does not work here")
    variables = {"LD_PRELOAD": str(library), "CLOCK_FILE": str(file)}
    clock = Clock(dataclasses.replace(new_machine(root), env=variables), file)
    made = clock.machine.run("init", "--local", "--force", "--runtime", "process")
    assert made.code == 0, made
    clock.stop()
    clock.start()
    yield clock
    assert clock.machine.run("local", "reset", "--force").code == 0


def test_it_jumps_while_a_task_is_followed(clock: Clock, tmp_path: Path) -> None:
    machine, followed = clock.machine, list[str]()
    for seconds in (-HOUR, 60 * DAY, -YEAR):  # records are kept for 90 days, by any clock
        go = tmp_path / str(seconds)
        waiting = f"seq 50; while ! [ -e {go} ]; do sleep 0.05; done; seq 51 100; exit 7"
        running = machine.json("exec", "--skip-git", waiting)["execution_id"]
        with machine.start("logs", "-f", running) as follower:
            assert follower.stdout
            early = list(itertools.islice(follower.stdout, 50))
            clock.jump(seconds)
            assert machine.json("status", running)["status"] == "RUNNING"
            assert machine.follow("exit 5").code == 5
            go.touch()
            seen = [
                line.decode().rpartition("| ")[2].strip() for line in (*early, *follower.stdout)
            ]
            assert follower.wait(60) == 7
        assert [line for line in seen if line.isdecimal()] == [str(n) for n in range(1, 101)]
        followed.append(running)
    until(lambda: {machine.json("status", each)["exit_code"] for each in followed} == {7})


@pytest.mark.parametrize("seconds", [-HOUR, HOUR])
def test_it_jumps_while_the_account_is_stopped(clock: Clock, seconds: int) -> None:
    machine = clock.machine
    clock.jump(0)
    first = machine.json("exec", "--skip-git", "echo kept; exit 3")["execution_id"]
    assert machine.run("logs", "-f", first).code == 3
    running = machine.json("exec", "--skip-git", "sleep 300")["execution_id"]
    clock.stop()
    clock.jump(seconds)
    clock.start()
    lost = machine.json("status", running)
    assert (lost["status"], lost["exit_code"]) == ("STOPPED", None)
    assert machine.run("logs", "-f", running).code == 125
    assert machine.run("logs", first).out.endswith("| kept\n")
    later = machine.json("exec", "--skip-git", "true")["execution_id"]
    assert {first, running, later} <= clock.listed()
