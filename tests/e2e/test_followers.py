"""Many follow one execution: each gets every line, and nobody else waits for them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from tests.soak import sizes

from .conftest import Machine

LINES = [f"line {number}" for number in range(1, 2001)]
COMMAND = (
    "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo line $i; [ $((i % 20)) != 0 ] || sleep 0.02; "
    "done; exit 7"
)
QUIET = "echo up; while [ ! -e {} ]; do sleep 0.1; done; exit 7"


@sizes(15, 100)
def test_each_follower_gets_every_line_once_and_in_order(machine: Machine, size: int) -> None:
    with machine.client() as client:
        followed = client.exec(COMMAND, skip_git=True).id

    def follow(_: int) -> tuple[list[str], int]:
        with machine.client() as client:
            run = client.execution(followed)
            return list(run.logs()), run.wait()

    with ThreadPoolExecutor(size) as followers:
        results = list(followers.map(follow, range(size)))
    assert [code for _, code in results] == [7] * size
    assert all(lines == LINES for lines, _ in results)


@sizes(15, 100)
def test_nobody_waits_for_the_followers_of_a_silent_one(machine: Machine, size: int) -> None:
    gate = machine.folder / f"gate-{size}"
    with machine.client() as client, ThreadPoolExecutor(size) as followers:
        followed = client.exec(QUIET.format(gate), skip_git=True).id

        def follow(number: int) -> int:
            with machine.client() as mine:
                run = mine.execution(followed)
                return len(list(run.logs())) if number % 3 else run.wait()

        results = [followers.submit(follow, number) for number in range(size)]
        began = time.monotonic()
        try:
            for _ in range(3):
                beside = client.exec("echo beside", skip_git=True)
                assert list(beside.logs()) == ["beside"]
                assert beside.wait() == 0
            took = time.monotonic() - began
            assert not any(result.done() for result in results)
        finally:
            gate.touch()
        assert {result.result() for result in results} == {1, 7}
    # Where each follower kept a process of the function, the first of the three took 28 s.
    assert took < 20, took
