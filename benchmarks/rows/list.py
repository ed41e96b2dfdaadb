"""`list`: a page of few executions, and of many."""

from __future__ import annotations

import contextlib
import io

import bcrypt
from moto.dynamodb.models import dynamodb_backends

from benchmarks.bench import Bench
from benchmarks.figures import Figure, Row, Target, ratio
from benchmarks.rows.function import own_seconds
from orchestrator.times import month_of
from tests.orchestrator.conftest import (
    ACCOUNT_ID,
    API_KEY,
    REGION,
    START,
    Account,
    new_account,
    new_clients,
    task_event,
)

PAGE = 10
ALIKE = 1.5
SECONDS_APART = 10


def measured(bench: Bench) -> Row:
    row = Row(
        "list",
        "List",
        "A page of ten executions, where there are so many records. The table is moto's, which"
        " looks at every record for each query; DynamoDB looks at those of the page, by its index."
        " So what is measured is the function's own time, and what it asks for is counted.",
    )
    sizes = (10, 10_000, bench.pick(100_000, 20_000))
    hashed = bcrypt.hashpw(API_KEY.encode(), bcrypt.gensalt(4)).decode()
    asked: set[tuple[str, ...]] = set()
    for size in sizes:
        quiet = contextlib.redirect_stdout(io.StringIO())
        with new_account(new_clients(), hashed) as account, quiet:
            _fill(account, size)
            account.calls.clear()
            answer = account.ok("list", limit=PAGE)
            asked.add(tuple(account.calls))
            if len(answer["executions"]) != PAGE:
                raise RuntimeError(f"list gave {len(answer['executions'])} of {PAGE}")
            took = own_seconds(account, "list", bench.pick(20, 5), limit=PAGE)
        row.figures.append(Figure(f"{size:,} records", "ms CPU", [own * 1000 for own in took]))
    small = row.figures[0]
    row.targets += [
        Target(f"{large.of}, of {small.of}", ratio(large, small), ALIKE)
        for large in row.figures[1:]
    ]
    most = max(map(len, asked))
    row.figures.append(Figure("a page, of any size", "calls to AWS", [most]))
    row.targets.append(Target("calls to AWS for a page", most, 1, unit=""))
    return row


def _fill(account: Account, size: int) -> None:
    """So many executions that have ended, each some seconds before the last one."""
    execution_id = account.start()
    account.tell(task_event(execution_id, account.task_arn(execution_id), "STOPPED"))
    template = account.item(execution_id)
    table = dynamodb_backends[ACCOUNT_ID][REGION].tables["mycli-executions"]
    for number in range(1, size):
        created = START - number * SECONDS_APART
        table.put_item(
            {
                **(template or {}),
                "execution_id": {"S": f"{created:08x}{number % 65536:04x}"},
                "month": {"S": month_of(created)},
            }
        )
