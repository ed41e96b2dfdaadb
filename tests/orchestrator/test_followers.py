"""Many follow one execution on AWS, where GetLogEvents has a limit for the whole account.

Each follower is a thread, and one of them runs at a time: the one that sleeps the shortest. So the
clock is the account's own, and minutes pass in seconds.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable

import httpx

from mycli.config import Profile
from mycli.endpoint import Endpoint
from mycli.execution import Execution
from orchestrator.wire import begin_marker, end_marker
from tests.soak import sizes

from .conftest import API_KEY, Account, Clock, Hooks, api_event, task_of

GET_LOG_EVENTS_A_SECOND = 25
REQUEST_SECONDS = 0.1


class Sleepers:
    """Lets threads sleep on the clock, which goes on to whoever wakes next."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._asleep: list[tuple[float, int, threading.Event]] = []
        self._numbers = itertools.count()
        self._resting = threading.Semaphore(0)

    def sleep(self, seconds: float) -> None:
        woken = threading.Event()
        entry = (self.clock.seconds + seconds, next(self._numbers), woken)
        heapq.heappush(self._asleep, entry)
        self._resting.release()
        woken.wait()

    def start(self, act: Callable[[], None]) -> None:
        def run() -> None:
            try:
                act()
            finally:
                self._resting.release()

        threading.Thread(target=run).start()
        self._resting.acquire()

    def wake_all(self) -> None:
        """Until every thread has ended."""
        while self._asleep:
            at, _, woken = heapq.heappop(self._asleep)
            self.clock.seconds = max(self.clock.seconds, at)
            woken.set()
            self._resting.acquire()


@sizes(12, 100)
def test_followers_beyond_the_limit_of_the_account(
    account: Account, hooks: Hooks, size: int
) -> None:
    execution_id = account.start()
    task_arn = account.task_arn(execution_id)
    account.write_log(task_arn, begin_marker(execution_id))
    sleepers = Sleepers(account.clock)
    limit = GET_LOG_EVENTS_A_SECOND * size // 100
    looks: list[float] = []
    refused = 0

    def throttle(_: object) -> dict[str, object] | None:
        nonlocal refused
        now = account.clock.seconds
        if sum(1 for look in looks[-limit:] if look > now - 1) >= limit:
            refused += 1
            return {"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}
        looks.append(now)
        return None

    hooks.answer("logs.GetLogEvents", throttle)
    running = task_of(execution_id, task_arn, "RUNNING")  # moto's would end when it is looked at
    hooks.answer("ecs.DescribeTasks", lambda _: {"tasks": [running], "failures": []})

    def send(request: httpx.Request) -> httpx.Response:
        sleepers.sleep(REQUEST_SECONDS)
        answer = account.send(api_event(request.content.decode()))
        return httpx.Response(
            answer["statusCode"], headers=answer["headers"], content=answer["body"]
        )

    profile = Profile(api_endpoint="https://abc.example.com/prod/execute", api_key=API_KEY)
    results: list[list[str]] = []

    def follow() -> None:
        endpoint = Endpoint(
            profile,
            transport=httpx.MockTransport(send),
            sleep=sleepers.sleep,
            clock=account.clock.now,
        )
        results.append(list(Execution(endpoint, execution_id).logs()))

    printed: list[str] = []

    def task() -> None:
        for number in range(40):
            printed.extend(lines := [f"line {number}.{half}" for half in range(25)])
            account.write_log(task_arn, *lines)
            sleepers.sleep(1)
        account.write_log(task_arn, end_marker(execution_id, 0))

    for act in (task, *itertools.repeat(follow, size)):
        sleepers.start(act)
    sleepers.wake_all()

    assert len(printed) == 1000
    assert results == [printed] * size
    assert refused > size
    assert account.clock.seconds - looks[0] < 120
