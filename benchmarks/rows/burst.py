"""Many execs at once in an account that throttles RunTask as AWS does."""

from __future__ import annotations

import contextlib
import copy
import io
import threading
import time
from collections import Counter
from collections.abc import Generator
from typing import Any

import bcrypt
from moto.core.botocore_stubber import BotocoreStubber
from moto.dynamodb.models.table import Table

from benchmarks.bench import Bench
from benchmarks.figures import Figure, Row, Target
from tests.orchestrator.conftest import API_KEY, Account, new_account, new_clients
from tests.orchestrator.test_burst import RUN_TASKS_A_SECOND, Api, Aws, Lambda, burst

ALLOWED = 1.5


def measured(bench: Bench) -> Row:
    size = bench.pick(200, 40)
    row = Row(
        "burst",
        "Burst",
        f"{size} clients start an execution at the same moment, over HTTP, in an emulated"
        f" account that takes {RUN_TASKS_A_SECOND} RunTask a second, and whose table and API turn"
        " some away, too. Measured from the first call to AWS; the limit alone lets the last one"
        f" start after {size / RUN_TASKS_A_SECOND:g} s.",
    )
    hashed = bcrypt.hashpw(API_KEY.encode(), bcrypt.gensalt(4)).decode()
    with new_account(new_clients(), hashed) as account, _throttled(account) as throttled:
        aws, api, asked = throttled
        with contextlib.redirect_stdout(io.StringIO()):
            ids, told = burst(api, size)
        last = max(aws.started) - asked[0]
        # By its ARN, as one that ends meanwhile is listed as running, and as stopped.
        tasks = {task["taskArn"]: task["startedBy"] for task in account.tasks()}
    started = Counter(tasks.values())
    wrong = sum(started[execution_id] != 1 for execution_id in set(ids)) + size - len(set(ids))
    row.figures += [
        Figure("until the last one was started", "s", [last]),
        Figure("what the limit allows", "s", [size / RUN_TASKS_A_SECOND], "floor"),
        Figure("RunTask, turned away", "calls", [aws.throttled["RunTask"]]),
    ]
    row.targets += [
        Target("executions that ran twice or not at all", wrong, 0, unit=""),
        Target(
            "the last start, of what the limit allows", last * RUN_TASKS_A_SECOND / size, ALLOWED
        ),
    ]
    row.notes.append(f"The clients said {len(told):,} times that and why they waited.")
    return row


@contextlib.contextmanager
def _throttled(account: Account) -> Generator[tuple[Aws, Api, list[float]]]:
    """The API of an account that throttles, and when it was asked."""
    with contextlib.redirect_stdout(io.StringIO()):
        account.start()  # the image's family is there
    answering, copying = "process_request", "__deepcopy__"
    aws, plain = Aws(), getattr(BotocoreStubber, answering)
    asked: list[float] = []

    def process_request(stubber: Any, request: Any) -> Any:
        asked.append(time.monotonic())
        return aws.process_request(stubber, request)

    setattr(BotocoreStubber, answering, process_request)
    # moto copies the table, item by item, in case that a transaction fails half-way. None does
    # here, and it would be the emulator that is measured, and not the limit.
    setattr(Table, copying, _as_it_is)
    try:
        with Api(Lambda(account.runtime, 1000)) as api:
            thread = threading.Thread(target=api.serve_forever, args=(0.01,))
            thread.start()
            yield aws, api, asked
            api.shutdown()
            thread.join()
    finally:
        setattr(BotocoreStubber, answering, plain)
        delattr(Table, copying)


def _as_it_is(table: Table, _memo: object) -> Table:
    return copy.copy(table)
