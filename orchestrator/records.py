"""The table of executions: one item each, found by id, by month, by task or by
task definition.

Environment values, keys and credentials are never stored. An execution's status only moves
forward, and once it is STOPPED nothing of it changes, whatever comes in and in whatever order.
Other items of the table: `closing` (while it is there, nothing new starts) and `request#...`,
which remembers what a repeatable request started; `image#...` (images.py), `lock#...` (locks.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from orchestrator import refusals
from orchestrator.closing import being_destroyed
from orchestrator.items import from_item, key_of, to_item
from orchestrator.settings import Runtime
from orchestrator.times import iso, month_of
from orchestrator.wire import STATUSES, WireError

KEPT_SECONDS = 90 * 24 * 3600
CREATE_TRIES = 8


@dataclass(frozen=True, kw_only=True)
class Record:
    """One execution. Times are ISO 8601 in UTC, to the second; architecture is ECS's word.

    sized: cpu and memory were asked for, and are not just those of the task definition. shell: what
    runs the script, where that is not the template's. env_names: of the user's variables, with
    spaces between them.

    desired_status is set once the task is to stop. exit_code stays None where the container never
    ran or was lost: stopped_reason says why.
    """

    execution_id: str
    created_at: str
    status: str = "starting"
    desired_status: str | None = None
    command: str
    image: str
    image_name: str | None = None
    shell: str | None = None
    repo: str | None = None
    branch: str | None = None
    workdir: str | None = None
    timeout_seconds: int | None = None
    env_names: str | None = None
    cpu: int
    memory: int
    sized: bool = False
    architecture: str
    task_definition: str
    task_definition_cached: bool
    task_definition_reason: str = ""
    task_arn: str | None = None
    capacity_provider: str | None = None
    started_at: str | None = None
    stopped_at: str | None = None
    exit_code: int | None = None
    stopped_reason: str | None = None

    @property
    def finished(self) -> bool:
        return self.status == "STOPPED"


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What was seen of an execution: how far it is, and the fields of its record that are known."""

    status: str
    fields: Mapping[str, str | int]

    def adds_to(self, record: Record) -> bool:
        """Whether writing it would change the record: a status that is past adds nothing."""
        ahead = _rank(self.status) - _rank(record.status)
        news = any(getattr(record, name) != value for name, value in self.fields.items())
        return not record.finished and (ahead > 0 or (ahead == 0 and news))


def create(
    runtime: Runtime, fields: Mapping[str, Any], request_id: str | None, digest: str
) -> tuple[Record | None, dict[str, Any]]:
    """Write a new execution, under an id of its own; one call to AWS.

    Answers (the record, {}), or (None, the `request#` item) where this request_id was used before.
    Raises WireError: 409 while the stack is being destroyed, 429 where others write too much.
    """
    for _ in range(CREATE_TRIES):
        now = int(runtime.now())
        execution_id = f"{now:08x}{runtime.random_hex(2)}"
        record = Record(execution_id=execution_id, created_at=iso(now), **fields)
        try:
            runtime.dynamodb.transact_write_items(
                TransactItems=_new_items(runtime, record, now, request_id, digest)
            )
        except ClientError as error:
            reasons = refusals.cancellation_reasons(error)
            closing, taken, *repeated = [_condition_failed(reason) for reason in reasons] or [
                False
            ] * 2
            if closing:
                raise being_destroyed() from None
            if any(repeated):
                return None, from_item(reasons[2]["Item"])
            if not taken:
                if not any(reason.get("Code") == "TransactionConflict" for reason in reasons):
                    raise
                # Every exec checks the same `closing` item, and DynamoDB refuses the one of two
                # transactions that meet there instead of queueing it.
                runtime.sleep(int(runtime.random_hex(1), 16) / 2560)  # up to 0.1 s
        else:
            return record, {}
    raise WireError(
        429,
        "too many executions start at this moment",
        "try again in a moment",
        retry_after_seconds=refusals.RETRY_SECONDS,
    )


def _new_items(
    runtime: Runtime, record: Record, now: int, request_id: str | None, digest: str
) -> list[dict[str, Any]]:
    table = runtime.settings.table
    absent = {"TableName": table, "ConditionExpression": "attribute_not_exists(execution_id)"}
    expires = {"expires_at": now + KEPT_SECONDS}
    item = dataclasses.asdict(record) | {"month": month_of(now)} | expires
    items: list[dict[str, Any]] = [
        {"ConditionCheck": {**absent, "Key": key_of("closing")}},
        {"Put": {**absent, "Item": to_item(item)}},
    ]
    if request_id is not None:
        pointer = {
            "execution_id": f"request#{request_id}",
            "started": record.execution_id,
            "digest": digest,
        }
        on_failure = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        items.append({"Put": {**absent, **on_failure, "Item": to_item(pointer | expires)}})
    return items


def _condition_failed(reason: Mapping[str, Any]) -> bool:
    return reason.get("Code") == "ConditionalCheckFailed"


def read(runtime: Runtime, execution_id: str) -> Record | None:
    found = runtime.dynamodb.get_item(
        TableName=runtime.settings.table, Key=key_of(execution_id), ConsistentRead=True
    )
    return _to_record(found["Item"]) if "Item" in found else None


def read_by_task(runtime: Runtime, task_arn: str) -> Record | None:
    """The execution of this task; the index follows the table by a moment."""
    found = runtime.dynamodb.query(
        TableName=runtime.settings.table,
        IndexName="by-task",
        KeyConditionExpression="task_arn = :task_arn",
        ExpressionAttributeValues=to_item({":task_arn": task_arn}),
    )["Items"]
    return _to_record(found[0]) if found else None


def page_of_month(
    runtime: Runtime, month: str, low: str, high: str, limit: int
) -> tuple[list[Record], bool]:
    """Executions of a month with low <= id <= high, newest first, and whether there are more."""
    found = runtime.dynamodb.query(
        TableName=runtime.settings.table,
        IndexName="by-month",
        KeyConditionExpression="#month = :month AND execution_id BETWEEN :low AND :high",
        ExpressionAttributeNames={"#month": "month"},
        ExpressionAttributeValues=to_item({":month": month, ":low": low, ":high": high}),
        ScanIndexForward=False,
        Limit=limit,
    )
    return [_to_record(item) for item in found["Items"]], "LastEvaluatedKey" in found


def newest_use(runtime: Runtime, task_definition: str) -> str | None:
    """The id of the newest execution of this revision; the index follows the table by a moment."""
    found = runtime.dynamodb.query(
        **_by_task_definition(runtime, task_definition), ScanIndexForward=False, Limit=1
    )["Items"]
    return str(found[0]["execution_id"]["S"]) if found else None


def count_uses(runtime: Runtime, task_definition: str) -> int:
    """How many executions of this revision are kept: one call for each few thousand."""
    pages = runtime.dynamodb.get_paginator("query").paginate(
        **_by_task_definition(runtime, task_definition), Select="COUNT"
    )
    return sum(int(page["Count"]) for page in pages)


def _by_task_definition(runtime: Runtime, task_definition: str) -> dict[str, Any]:
    return {
        "TableName": runtime.settings.table,
        "IndexName": "by-task-definition",
        "KeyConditionExpression": "task_definition = :task_definition",
        "ExpressionAttributeValues": to_item({":task_definition": task_definition}),
    }


def advance(runtime: Runtime, execution_id: str, seen: Observation) -> Record | None:
    """Move a record forward, and answer it as it then stands; None where there is none.

    A record that is STOPPED or further on, or that belongs to another task than the one seen,
    stays as it is. One call to AWS.
    """
    earlier = STATUSES[: _rank(seen.status) + 1]
    before = [status for status in earlier if status != "STOPPED"]
    values = {":status": seen.status} | {f":{name}": value for name, value in seen.fields.items()}
    values |= {f":before{index}": status for index, status in enumerate(before)}
    changes = "".join(f", {name} = :{name}" for name in seen.fields)
    same_task = "attribute_not_exists(task_arn)"
    if "task_arn" in seen.fields:
        same_task = f"({same_task} OR task_arn = :task_arn)"
    in_order = ", ".join(f":before{index}" for index in range(len(before)))
    return _update(
        runtime,
        execution_id,
        f"SET #status = :status{changes}",
        f"#status IN ({in_order}) AND {same_task}",
        values,
    )


def choose_revision(
    runtime: Runtime, execution_id: str, task_definition: str, reason: str
) -> Record | None:
    """Note that another revision will be run, while the execution has not started.

    reason: why it was registered, empty where it was there.
    """
    return _update(
        runtime,
        execution_id,
        "SET task_definition = :task_definition, task_definition_cached = :cached,"
        " task_definition_reason = :reason",
        "#status = :starting AND attribute_not_exists(task_arn)",
        {
            ":task_definition": task_definition,
            ":cached": not reason,
            ":reason": reason,
            ":starting": "starting",
        },
    )


def _update(
    runtime: Runtime, execution_id: str, change: str, condition: str, values: Mapping[str, Any]
) -> Record | None:
    try:
        changed = runtime.dynamodb.update_item(
            TableName=runtime.settings.table,
            Key=key_of(execution_id),
            UpdateExpression=change,
            ConditionExpression=f"attribute_exists(execution_id) AND {condition}",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues=to_item(values),
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except ClientError as error:
        if refusals.code_of(error) != "ConditionalCheckFailedException":
            raise
        item = error.response.get("Item")
        return _to_record(item) if item else None
    return _to_record(changed["Attributes"])


def _rank(status: str) -> int:
    return STATUSES.index(status)


def _to_record(item: Mapping[str, Mapping[str, Any]]) -> Record:
    known = {field.name for field in dataclasses.fields(Record)}
    return Record(**{name: value for name, value in from_item(item).items() if name in known})
