"""The Lambda function: its own time, how it starts, how large it is, what it asks of AWS."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bcrypt

from benchmarks import measure
from benchmarks.bench import PYTHON, ROOT, Bench
from benchmarks.figures import Figure, Row, Target, ratio
from mycli.errors import StackError
from mycli.stack import package
from orchestrator import handler
from tests.orchestrator.conftest import (
    API_KEY,
    Account,
    api_event,
    new_account,
    new_clients,
    task_event,
)

WARM_MS, COLD, ZIP_MB, CALLS = 2, 1.3, 1, 3
WARM_UP = 5


def measured(bench: Bench) -> Row:
    row = Row(
        "function",
        "Function",
        "The function's own code against an emulated account in the same process (moto): the CPU"
        " time of its handler without the calls to AWS, on a key that it remembers; loading it in a"
        " new process, beside loading boto3 alone; its zip as it is uploaded.",
    )
    hashed = bcrypt.hashpw(API_KEY.encode(), bcrypt.gensalt(4)).decode()
    with new_account(new_clients(), hashed) as account, contextlib.redirect_stdout(io.StringIO()):
        _warm(account, bench.pick(200, 30), row)
    cold = measure.in_turns(
        {
            name: lambda module=name: measure.run(
                (PYTHON, "-c", f"import {module}"), bench.environment, folder=str(ROOT)
            )
            for name in ("boto3", "orchestrator.handler")
        },
        bench.pick(20, 5),
        warm_up=2,
    )
    loading = [
        Figure(f"import {name}", "ms", [ran.wall * 1000 for ran in runs], whose)
        for (name, runs), whose in zip(cold.items(), ("floor", "ours"), strict=True)
    ]
    row.figures += loading
    row.targets.append(Target("import, of boto3's", ratio(loading[1], loading[0]), COLD))
    size = _zip_bytes(bench, row) / 1e6
    row.figures.append(Figure("the zip", "MB", [size]))
    row.targets.append(Target("the zip", size, ZIP_MB, unit="MB"))
    return row


class Timed:
    """A client of AWS, and the seconds of CPU that its calls have taken."""

    def __init__(self, client: Any, took: list[float]) -> None:
        self._client, self._took = client, took

    def __getattr__(self, name: str) -> Any:
        call: Callable[..., Any] = getattr(self._client, name)

        def timed(**request: Any) -> Any:
            began = time.thread_time()
            try:
                return call(**request)
            finally:
                self._took.append(time.thread_time() - began)

        return timed if callable(call) else call


def own_seconds(account: Account, action: str, rounds: int, **fields: object) -> list[float]:
    """The handler's seconds of CPU for this request, each time, without its calls to AWS."""
    took: list[float] = []
    there = account.runtime
    runtime = dataclasses.replace(
        there, dynamodb=Timed(there.dynamodb, took), ecs=Timed(there.ecs, took),
        logs=Timed(there.logs, took),
    )  # fmt: skip
    event = api_event(json.dumps({"action": action, **fields}))
    own: list[float] = []
    for number in range(rounds + WARM_UP):
        took.clear()
        began = time.thread_time()
        answer = handler.handle(runtime, event, "a-request")
        whole = time.thread_time() - began
        if answer is None or answer["statusCode"] != 200:
            raise RuntimeError(f"{action}: {answer}")
        if number >= WARM_UP:
            own.append(whole - sum(took))
    return own


def _warm(account: Account, rounds: int, row: Row) -> None:
    execution_id = account.start()
    task_arn = account.task_arn(execution_id)
    account.write_log(task_arn, *(f"line {number}" for number in range(100)))
    account.tell(task_event(execution_id, task_arn, "STOPPED"))
    account.calls.clear()
    account.start(request_id="a-request")
    calls = len(account.calls)
    requests: dict[str, dict[str, object]] = {
        "exec": {"command": "true", "skip_git": True},
        "status": {"execution_id": execution_id},
        "logs": {"execution_id": execution_id},
    }
    found = {
        action: Figure(
            f"{action}, warm", "ms CPU",
            [took * 1000 for took in own_seconds(account, action, rounds, **fields)],
        )
        for action, fields in requests.items()
    }  # fmt: skip
    row.figures += [*found.values(), Figure("exec", "calls to AWS", [calls])]
    row.targets += [
        Target(f"{action}, warm, without AWS and bcrypt", figure.median, WARM_MS, unit="ms")
        for action, figure in found.items()
    ]
    row.targets.append(Target("calls to AWS of an exec", calls, CALLS, unit=""))


def _zip_bytes(bench: Bench, row: Row) -> int:
    """The size of what is uploaded, for Lambda's arm64 if its bcrypt can be had."""
    target = bench.root / "function.zip"
    try:
        package.build(target, package.function_bcrypt(bench.root / "cache", lambda _: None))
    except StackError as error:
        row.notes.append(f"The zip is that of this machine: {error.message}.")
        package.build(target, package.installed_bcrypt())
    return Path(target).stat().st_size
