"""mycli list-task-definitions: what the stack has registered with ECS."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from mycli import output
from mycli.commands import (
    DEFINITION_COLUMNS,
    Json,
    Profile,
    connect,
    counting,
    definition_row,
)

if TYPE_CHECKING:
    from mycli.columns import Cut
    from orchestrator.wire import TaskDefinition


def list_task_definitions(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that are deregistered.")
    ] = False,
    image: Annotated[str | None, typer.Option(metavar="IMAGE", help="Of this image.")] = None,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """List the stack's task definitions.

    Each image has a family of its own, registered when the image is first used; the newest
    revision comes first. Last use and runs are those of the 90 days that records are kept.

    \b
    mycli list-task-definitions
    mycli list-task-definitions --image python:3.13
    mycli list-task-definitions --json | jq -r '.task_definitions[].arn'
    """
    from mycli.endpoint import checked

    with connect(profile) as client, checked(image="--image"):
        found = [*counting(client.task_definitions(include_inactive=everything, image=image))]
    if as_json:
        output.json_document({"task_definitions": [dataclasses.asdict(item) for item in found]})
    elif found:
        output.table(_COLUMNS, [_row(item) for item in found], _SPARE)
    else:
        output.story("No task definitions.")


_COLUMNS: Mapping[str, Cut] = {**DEFINITION_COLUMNS, "RUNS": "never"}
_SPARE = ("REGISTERED", "STATUS", "RUNS")


def _row(item: TaskDefinition) -> tuple[str, ...]:
    return (*definition_row(item), str(item.executions))
