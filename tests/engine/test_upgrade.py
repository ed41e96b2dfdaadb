"""A stack that an older mycli has made is brought up to date as it stands."""

from __future__ import annotations

import shutil
from pathlib import Path

from mycli.stack.automation import Stack
from tests.engine.conftest import ROOT, Cloud

# What the program has had no word of, before images could be listed and registries logged in to.
NEWER = (
    '_index("by-task-definition", "KEYS_ONLY", HASH="task_definition", RANGE="execution_id"),',
    ', "task_definition")',
    'pulumi.export("registries", list(inputs.registries))',
    '"MYCLI_REGISTRIES": pulumi.Output.json_dumps(\n'
    "            {host: secret.arn for host, secret in template.logins.items()}\n"
    "        ),",
)


def an_older_mycli(folder: Path) -> Path:
    for package in ("mycli", "orchestrator"):
        shutil.copytree(ROOT / package, folder / package)
    program = folder / "mycli" / "stack" / "program.py"
    text = program.read_text()
    for part in NEWER:
        assert part in text
        text = text.replace(part, ")" if part.endswith('definition")') else "")
    program.write_text(text)
    return folder


def test_in_place_with_all_that_it_has_recorded(cloud: Cloud, tmp_path: Path) -> None:
    child = cloud.child("up", state="file", code=an_older_mycli(tmp_path / "older"))
    out, err = child.communicate(timeout=120)
    assert child.returncode == 0, out + err
    stack, dynamodb = Stack("mycli", state="file"), cloud.account.clients("dynamodb")
    record = {"execution_id": {"S": "20261121-1"}, "task_definition": {"S": "mycli-task-alpine-3"}}
    dynamodb.put_item(TableName="mycli-executions", Item=record)
    known = stack.outputs()
    assert known
    assert known.registries == []

    cloud.provider.steps.clear()
    up = stack.up()
    assert (up.changes.created, up.changes.replaced, up.changes.deleted) == (0, 0, 0)
    assert cloud.provider.done() == ["update Function orchestrator", "update Table executions"]
    assert up.api_key is None
    found = dynamodb.query(
        TableName="mycli-executions",
        IndexName="by-task-definition",
        KeyConditionExpression="task_definition = :name",
        ExpressionAttributeValues={":name": record["task_definition"]},
    )
    assert found["Items"] == [record]
    assert stack.destroy().leftovers == []
    assert cloud.has() == {}
