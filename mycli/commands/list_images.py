"""mycli list-images: the images that have a name, and those that have been used."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mycli import output
from mycli.commands import Json, Profile, connect, counting, day

if TYPE_CHECKING:
    from mycli.columns import Cut
    from orchestrator.wire import NamedImage, TaskDefinition


def list_images(profile: Profile = None, as_json: Json = False) -> None:
    """List the images that have a name or were used.

    Those with a name come first. What was used is seen by its task definitions. Last use and runs
    are those of the image, by whatever name, in the 90 days that records are kept.

    \b
    mycli list-images
    mycli list-images --json | jq -r '.images[] | select(.name).name'
    """
    with connect(profile) as client:
        images = merge(client.images(), counting(client.task_definitions()))
    if as_json:
        output.json_document({"images": images})
    elif images:
        output.table(_COLUMNS, [_row(item) for item in images], _SPARE)
    else:
        output.story("No images.")


_COLUMNS: Mapping[str, Cut] = {
    "NAME": "never",
    "IMAGE": "start",
    "CPU": "never",
    "MEMORY": "never",
    "ARCH": "never",
    "REVISIONS": "never",
    "LAST USED": "never",
    "RUNS": "never",
}
_SPARE = ("REVISIONS", "ARCH", "MEMORY", "CPU")


def merge(
    named: Iterable[NamedImage], definitions: Iterable[TaskDefinition]
) -> list[dict[str, Any]]:
    """One entry an image: first by name, then what has no name, by image."""
    used: dict[str, list[TaskDefinition]] = defaultdict(list)
    for definition in definitions:
        used[definition.image].append(definition)
    names = sorted(named, key=lambda item: item.name)
    with_a_name = {item.image for item in names}
    return [
        *({**dataclasses.asdict(item), **_usage(used.get(item.image, ()))} for item in names),
        *(
            {"name": None, "image": image, **_usage(used[image])}
            for image in sorted(used)
            if image not in with_a_name
        ),
    ]


def _usage(definitions: Iterable[TaskDefinition]) -> dict[str, Any]:
    found = [*definitions]
    default = any(item.template for item in found)
    found = [item for item in found if not item.template]  # no task runs with the template itself
    return {
        "default": default,
        "families": sorted({item.family for item in found}),
        "revisions": len(found),
        "last_used_at": max((item.last_used_at or "" for item in found), default="") or None,
        "executions": sum(item.executions for item in found),
    }


def _row(item: dict[str, Any]) -> tuple[str, ...]:
    return (
        item["name"] or "",
        f"{item['image']} (default)" if item["default"] else item["image"],
        *(str(item.get(field) or "") for field in ("cpu", "memory", "arch")),
        str(item["revisions"]),
        day(item["last_used_at"]),
        str(item["executions"]),
    )
