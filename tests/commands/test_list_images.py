"""mycli list-images."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Mycli
from tests.fake_endpoint import FakeEndpoint, definition
from tests.test_output import on_a_screen

TERRAFORM = {"name": "terraform", "image": "hashicorp/terraform:1.6", "registered_at": "2026-01-01"}
BUILD = {
    "name": "build",
    "image": "python:3.13",
    "cpu": 1024,
    "memory": 2048,
    "arch": "arm64",
    "registered_at": "2026-01-01",
}
USED = (
    definition("mycli-task", 1, "ubuntu:22.04", template=True),
    definition("mycli-task-python-3-13", 2, "python:3.13", executions=3),
    definition(
        "mycli-task-python-3-13",
        1,
        "python:3.13",
        executions=4,
        last_used_at="2026-01-30T10:00:00Z",
    ),
    definition("mycli-task-python-3-13-git", 1, "python:3.13", last_used_at="2026-01-29T10:00:00Z"),
    definition(
        "mycli-task-ubuntu-22-04",
        1,
        "ubuntu:22.04",
        executions=2,
        last_used_at="2026-01-28T10:00:00Z",
    ),
    definition("mycli-task-alpine-latest", 1, "alpine:latest"),
)


@pytest.fixture
def used(configured: FakeEndpoint) -> FakeEndpoint:
    configured.has_task_definitions(*USED)
    configured.says(
        "list_images",
        {"images": [TERRAFORM], "next_token": "more"},
        {"images": [BUILD], "next_token": None},
    )
    return configured


@pytest.mark.usefixtures("used")
def test_one_line_an_image_the_named_ones_first(mycli: Mycli) -> None:
    ran = mycli("list-images")
    assert (ran.code, ran.err) == (0, "")
    assert [line.split("\t") for line in ran.out.splitlines()] == [
        ["NAME", "IMAGE", "CPU", "MEMORY", "ARCH", "REVISIONS", "LAST USED", "RUNS"],
        ["build", "python:3.13", "1024", "2048", "arm64", "3", "2026-01-30", "7"],
        ["terraform", "hashicorp/terraform:1.6", "", "", "", "0", "", "0"],
        ["", "alpine:latest", "", "", "", "1", "", "0"],
        ["", "ubuntu:22.04 (default)", "", "", "", "1", "2026-01-28", "2"],
    ]


def test_as_json(used: FakeEndpoint, mycli: Mycli) -> None:
    images = json.loads(mycli("list-images", "--json").out)["images"]
    assert [image["name"] for image in images] == ["build", "terraform", None, None]
    assert images[0]["families"] == ["mycli-task-python-3-13", "mycli-task-python-3-13-git"]
    assert images[0]["last_used_at"] == "2026-01-30T10:00:00Z"
    assert images[1]["families"] == []
    assert images[3]["families"] == ["mycli-task-ubuntu-22-04"]
    assert [image["default"] for image in images] == [False, False, False, True]
    assert [asked.get("next_token") for asked in used.asked("list_images")] == [None, "more"]


@pytest.mark.usefixtures("used")
def test_it_fits_a_hundred_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = on_a_screen(monkeypatch, 100, "list-images")
    assert max(map(len, lines)) <= 100
    assert any("hashicorp/terraform:1.6" in line for line in lines)


BUILT = [
    f"123456789012.dkr.ecr.us-east-2.amazonaws.com/mycli/{service}:{tag}"
    for service in ("api", "worker")
    for tag in ("3f2a9c0d1e2b3f4a", "77aa9c0d1e2b3f4a-dirty")
]


@pytest.mark.parametrize("columns", [80, 60])
def test_on_a_narrow_terminal_the_service_and_the_tag_stay(
    columns: int, configured: FakeEndpoint, mycli: Mycli, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = (definition(f"f{n}", 1, image, executions=n) for n, image in enumerate(BUILT))
    configured.has_task_definitions(*used)
    configured.says("list_images", {"images": []})
    lines = on_a_screen(monkeypatch, columns, "list-images")
    assert max(map(len, lines)) <= columns, lines
    assert lines[0].split()[0] == "IMAGE", "what is empty in every row takes no room"
    for image, line in zip(BUILT, lines[1:], strict=True):
        shown = line.split()[0]
        assert image.endswith(shown.removeprefix("…"))
        assert "mycli/" in shown, lines
    assert "\t".join([BUILT[0], *("", "", "")]) in mycli("list-images").out


def test_none(configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.has_task_definitions()
    configured.says("list_images", {"images": []})
    ran = mycli("list-images")
    assert (ran.code, ran.out, ran.err) == (0, "", "No images.\n")
    assert json.loads(mycli("list-images", "--json").out) == {"images": []}
