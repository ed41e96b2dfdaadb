"""Many execs at once, over HTTP, in an account that throttles as AWS does: all run, none twice.

The function runs in as many instances as there are requests; in front of it is a stage that turns
away, and behind it are an ECS and a DynamoDB that do. The first who could get through waits until
somebody is turned away, so that this is so on a slow machine, too.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest
from moto.core.botocore_stubber import BotocoreStubber

from mycli import Client
from orchestrator import handler
from orchestrator.settings import Runtime
from tests.orchestrator.conftest import API_KEY, Account, api_event
from tests.soak import sizes
from tests.task_script import wait_until

RUN_TASKS_A_SECOND = 20
TRANSACTION_SECONDS = 0.01
NEW_ACCOUNT = 10  # Lambda's concurrent executions before AWS raises them
LONGEST_SECONDS = 60


class Bucket:
    """A token bucket, as AWS throttles: so many a second, so many at once."""

    def __init__(self, rate: float, burst: float, left: float) -> None:
        self.rate, self.burst = rate, burst
        self.left, self.at = left, float("inf")  # until it is asked for the first time
        self.lock = threading.Lock()

    def take(self) -> bool:
        with self.lock:
            now = time.monotonic()
            self.left = min(self.burst, self.left + max(now - self.at, 0) * self.rate)
            self.at = now
            if self.left < 1:
                return False
            self.left -= 1
            return True


class Aws:
    """What answers the function: moto, one call after the other, behind AWS's limits."""

    def __init__(self) -> None:
        self.started: list[float] = []
        self.throttled: Counter[str] = Counter()
        self.run_task = Bucket(RUN_TASKS_A_SECOND, burst=1, left=0)
        self._moto = threading.Lock()
        self._transaction = threading.Lock()
        self._met = threading.Event()
        self._answer = BotocoreStubber.process_request

    def process_request(self, stubber: Any, request: AWSPreparedRequest) -> Any:
        target = request.headers.get("X-Amz-Target", b"")
        operation = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
        if operation == "RunTask":
            if not self.run_task.take():
                return self._refuse(operation, "ThrottlingException", message="Rate exceeded")
            self.started.append(time.monotonic())
        if operation != "TransactWriteItems":
            with self._moto:
                return self._answer(stubber, request)
        # Each checks the item `closing`: the second of two that meet there is turned away.
        if not self._transaction.acquire(blocking=False):
            self._met.set()
            reasons = [{"Code": "TransactionConflict"}, {"Code": "None"}, {"Code": "None"}]
            return self._refuse(
                operation, "TransactionCanceledException", CancellationReasons=reasons
            )
        try:
            assert self._met.wait(LONGEST_SECONDS)
            time.sleep(TRANSACTION_SECONDS)
            with self._moto:
                return self._answer(stubber, request)
        finally:
            self._transaction.release()

    def _refuse(self, operation: str, code: str, **fields: Any) -> tuple[int, Any, str]:
        self.throttled[operation] += 1
        return 400, {}, json.dumps({"__type": f"x#{code}", **fields})


class Lambda:
    """The function: one instance for each request that is under way, up to a limit."""

    def __init__(self, runtime: Runtime, concurrent: int) -> None:
        self.runtime = runtime
        self.turned_away = 0
        self._idle: list[Runtime] = []
        self._room = threading.Semaphore(concurrent)
        self._full = threading.Event()
        if concurrent > NEW_ACCOUNT:
            self._full.set()
        self._lock = threading.Lock()

    def invoke(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """The function's answer; None where Lambda has no room."""
        if not self._room.acquire(blocking=False):
            self.turned_away += 1
            self._full.set()
            return None
        try:
            assert self._full.wait(LONGEST_SECONDS)
            instance = self._take()
            answer = handler.handle(instance, event, "a-request")
            self._idle.append(instance)
            return answer
        finally:
            self._room.release()

    def _take(self) -> Runtime:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            return dataclasses.replace(
                self.runtime, verified_keys={}, remembered={}, now=time.time, sleep=time.sleep
            )


class Api(ThreadingHTTPServer):
    """The stage in front of the function."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, function: Lambda) -> None:
        super().__init__(("127.0.0.1", 0), _ApiHandler)
        self.function = function
        self.stage = Bucket(rate=50, burst=100, left=100)  # as mycli/stack/program.py sets them
        self.seen: list[dict[str, Any]] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/prod/execute"


class _ApiHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        api = self.server
        assert isinstance(api, Api)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        api.seen.append(json.loads(body))
        if not api.stage.take():
            return self._send(429, {}, json.dumps({"message": "Too Many Requests"}))
        answer = api.function.invoke(api_event(body, headers=dict(self.headers)))
        if answer is None:  # what API Gateway makes of Lambda's 429
            return self._send(500, {}, json.dumps({"message": "Internal server error"}))
        return self._send(answer["statusCode"], answer["headers"], answer["body"])

    def _send(self, status: int, headers: dict[str, str], body: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body.encode()))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the library
        pass


@pytest.fixture
def aws(account: Account, monkeypatch: pytest.MonkeyPatch) -> Aws:
    account.start()  # the image's family is there
    aws = Aws()

    def process_request(stubber: Any, request: AWSPreparedRequest) -> Any:
        return aws.process_request(stubber, request)

    monkeypatch.setattr(BotocoreStubber, "process_request", process_request)
    return aws


@pytest.fixture
def concurrent() -> int:
    return 1000


@pytest.fixture
def api(account: Account, aws: Aws, concurrent: int) -> Iterator[Api]:
    with Api(Lambda(account.runtime, concurrent)) as api:
        thread = threading.Thread(target=api.serve_forever, args=(0.01,))
        thread.start()
        yield api
        api.shutdown()
        thread.join()


def burst(api: Api, size: int) -> tuple[list[str], list[str]]:
    """So many execs at once, a client each: the executions' ids, and what was said meanwhile."""
    told: list[str] = []
    together = threading.Barrier(size)

    def run(number: int) -> str:
        with Client(endpoint=api.endpoint, api_key=API_KEY, on_wait=told.append) as client:
            together.wait()
            return client.exec(f"echo {number}", skip_git=True).id

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(run, range(size))), told


def assert_each_runs_once(account: Account, api: Api, ids: list[str]) -> None:
    started = Counter(task["startedBy"] for task in account.tasks())
    assert len(set(ids)) == len(ids)
    assert {execution_id: started[execution_id] for execution_id in ids} == dict.fromkeys(ids, 1)
    assert len(started) == len(ids) + 1  # the first one, of the fixture
    requests = {asked["request_id"]: asked["command"] for asked in api.seen}
    assert len(requests) == len(ids)


@sizes(20, 200)
def test_a_burst_of_execs_all_run_and_none_twice(
    account: Account, aws: Aws, api: Api, size: int
) -> None:
    ids, _ = burst(api, size)

    assert_each_runs_once(account, api, ids)
    assert aws.throttled["RunTask"]
    assert aws.throttled["TransactWriteItems"]
    assert len(aws.started) == size


@sizes(15, 200)
@pytest.mark.parametrize("concurrent", [NEW_ACCOUNT])
def test_a_burst_in_a_new_account_all_run_too(account: Account, api: Api, size: int) -> None:
    ids, told = burst(api, size)

    assert_each_runs_once(account, api, ids)
    assert api.function.turned_away
    assert any("HTTP 500 (Internal server error): trying again in" in line for line in told)


def test_the_command_line_says_that_it_waits_and_why(
    account: Account, aws: Aws, api: Api, tmp_path: Path
) -> None:
    aws.run_task.rate = 0
    settings = {"ENDPOINT": api.endpoint, "KEY": API_KEY}
    processes = [
        subprocess.Popen(
            [Path(sys.executable).with_name("mycli"), "exec", "--json", "--skip-git", "true"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=os.environ | {f"MYCLI_API_{name}": value for name, value in settings.items()},
        )
        for _ in range(2)
    ]
    wait_until(lambda: len(api.seen) > len(processes), LONGEST_SECONDS)  # one comes again
    aws.run_task.rate = RUN_TASKS_A_SECOND
    printed = [process.communicate(timeout=LONGEST_SECONDS) for process in processes]

    assert [process.returncode for process in processes] == [0, 0]
    assert_each_runs_once(account, api, [json.loads(out)["execution_id"] for out, _ in printed])
    said = "".join(err.decode() for _, err in printed)
    assert "AWS throttled RunTask: trying again in" in said
