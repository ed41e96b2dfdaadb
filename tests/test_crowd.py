"""A crowd of clients that is turned away comes back spread out, and nobody gives up.

Time is simulated: it passes only while everybody sleeps. `tests/orchestrator/test_burst.py` has the
same with the real function, over HTTP.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Sequence

import httpx
import pytest

from mycli.config import Profile
from mycli.endpoint import Endpoint
from orchestrator import refusals
from orchestrator.wire import ExecRequest, ExecResponse
from tests.fake_endpoint import KEY, STARTED

CROWD = 200
RUN_TASKS_A_SECOND = 20
FUNCTION_SECONDS = 0.15
AWS = Profile(
    api_endpoint="https://abc.execute-api.us-east-1.amazonaws.com/prod/execute", api_key=KEY
)


class Turns:
    """A clock for many threads, of which one runs at a time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._order = itertools.count()
        self._asleep: list[tuple[float, int, threading.Event]] = []
        self._paused = threading.Semaphore(0)

    def sleep(self, seconds: float) -> None:
        awake = threading.Event()
        heapq.heappush(self._asleep, (self.now + seconds, next(self._order), awake))
        self._paused.release()
        awake.wait()

    def run(self, jobs: Sequence[Callable[[], None]]) -> None:
        """Run them all, beginning at once, until the last has ended."""

        def begin(job: Callable[[], None]) -> None:
            self.sleep(0)
            try:
                job()
            finally:
                self._paused.release()

        threads = [threading.Thread(target=begin, args=(job,)) for job in jobs]
        for thread in threads:
            thread.start()
            self._paused.acquire()
        while self._asleep:
            self.now, _, awake = heapq.heappop(self._asleep)
            awake.set()
            self._paused.acquire()
        for thread in threads:
            thread.join()


class Cloud:
    """API Gateway, a function with so much room, and an ECS that starts 20 tasks a second."""

    def __init__(self, turns: Turns, room: int) -> None:
        self.turns, self.room = turns, room
        self.started: list[tuple[float, bytes]] = []
        self.turned_away = 0
        self._allowance, self._at = float(RUN_TASKS_A_SECOND), 0.0

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.room == 0:
            self.turned_away += 1
            return httpx.Response(500, json={"message": "Internal server error"})
        self.room -= 1
        self.turns.sleep(FUNCTION_SECONDS)
        self.room += 1
        if not self._may_start():
            after = {"Retry-After": str(refusals.RETRY_SECONDS)}
            return httpx.Response(429, json={"error": "AWS throttled RunTask"}, headers=after)
        self.started.append((self.turns.now, request.content))
        return httpx.Response(200, json=dict(STARTED))

    def _may_start(self) -> bool:
        earned = (self.turns.now - self._at) * RUN_TASKS_A_SECOND
        self._allowance = min(self._allowance + earned, RUN_TASKS_A_SECOND)
        self._at = self.turns.now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True


def let_a_crowd_in(room: int) -> tuple[Cloud, list[str]]:
    turns = Turns()
    cloud = Cloud(turns, room)
    told: list[str] = []
    endpoints = [
        Endpoint(
            AWS,
            transport=httpx.MockTransport(cloud.answer),
            sleep=turns.sleep,
            clock=lambda: turns.now,
            on_wait=told.append,
        )
        for _ in range(CROWD)
    ]

    def job(number: int, endpoint: Endpoint) -> Callable[[], None]:
        request = ExecRequest(command="true", skip_git=True, request_id=f"request-{number}")
        return lambda: (endpoint.send(request, ExecResponse), endpoint.close())[1]

    turns.run([job(number, endpoint) for number, endpoint in enumerate(endpoints)])
    return cloud, told


def test_a_throttled_crowd_starts_nearly_as_fast_as_it_may() -> None:
    cloud, told = let_a_crowd_in(room=1000)

    assert len({body for _, body in cloud.started}) == len(cloud.started) == CROWD
    assert max(at for at, _ in cloud.started) <= 1.5 * CROWD / RUN_TASKS_A_SECOND
    assert any(line.startswith("AWS throttled RunTask: trying again in") for line in told)


@pytest.mark.parametrize("room", [10, 2])
def test_nobody_gives_up_where_the_function_has_little_room(room: int) -> None:
    cloud, told = let_a_crowd_in(room)

    assert len({body for _, body in cloud.started}) == len(cloud.started) == CROWD
    assert cloud.turned_away
    assert any("HTTP 500 (Internal server error): trying again in" in line for line in told)
