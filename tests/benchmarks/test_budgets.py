"""What must not grow with the code or with what is followed: bytes, requests, memory."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.rows import cost
from mycli.client import Client
from mycli.stack import package
from orchestrator.wire import begin_marker
from tests.fake_endpoint import AT, ID, Answer, FakeEndpoint

MEGABYTE = 1_000_000


def test_the_functions_zip_is_below_a_megabyte(tmp_path: Path) -> None:
    package.build(tmp_path / "function.zip", package.installed_bcrypt())
    assert (tmp_path / "function.zip").stat().st_size < MEGABYTE


@pytest.mark.parametrize("kind", cost.KINDS)
def test_following_costs_less_than_half_of_the_smallest_task(kind: str) -> None:
    followed = cost.follow(cost.KINDS[kind])
    assert followed.lines == cost.FOLLOWED_SECONDS // cost.KINDS[kind]
    assert followed.dollars < cost.task_dollars(spot=False) / 2


@pytest.mark.parametrize(("kind", "most"), [("busy", 120), ("silent", 62)])
def test_the_requests_of_five_minutes(kind: str, most: int) -> None:
    assert cost.follow(cost.KINDS[kind]).requests <= most


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Nobody looks for garbage: what is in a circle stays."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_a_page_is_gone_when_the_next_one_comes(endpoint: FakeEndpoint) -> None:
    """Without the collector's help: it comes late to a process that makes little but long pages."""

    def page(request: Mapping[str, Any]) -> Answer:
        number = int(request.get("next_token") or 0)
        lines = [begin_marker(ID)] if number == 0 else [f"line {number}"] * 1000
        events = [{"at": AT, "message": line} for line in lines]
        return Answer({"events": events, "next_token": str(number + 1), "done": number == 20})

    endpoint.runs("logs", page)
    before = answers()
    with Client(endpoint.profile) as client:
        for number, _ in enumerate(client.execution(ID).pages()):
            if number in (5, 20):
                assert answers() <= before + 1


def answers() -> int:
    return sum(isinstance(thing, httpx.Response) for thing in gc.get_objects())
