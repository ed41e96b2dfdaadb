"""A connection that is lost while following comes back: no line is lost, none comes twice."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from orchestrator.wire import LogsResponse
from tests.fake_endpoint import LOST, Answer
from tests.soak import sizes

from .conftest import Machine
from .relay import Forward, relay

LINES = "".join(f"line {number}\n" for number in range(1, 101))
COMMAND = "i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo line $i; sleep 0.01; done; exit 7"
PAGE = b"<html><h1>502 Bad Gateway</h1></html>"

Trouble = Callable[[Forward], Answer]


def never_arrives(_: Forward) -> Answer:
    return LOST


def is_not_answered(forward: Forward) -> Answer:
    forward()
    return LOST


def is_cut(forward: Forward) -> Answer:
    answer = forward()
    return Answer(answer.document, status=answer.status, cut=True)


def meets_a_gateway_in_trouble(forward: Forward) -> Answer:
    forward()
    return Answer(body=PAGE, status=502, headers={"Content-Type": "text/html"})


def comes_late(forward: Forward) -> Answer:
    answer = forward()
    threading.Event().wait(0.5)
    return answer


TROUBLES: list[Trouble] = [never_arrives, is_not_answered, is_cut, meets_a_gateway_in_trouble]


def well(forward: Forward) -> Answer:
    return forward()


def in_turn(troubles: Iterator[Trouble]) -> Callable[[Mapping[str, Any], Forward], Answer]:
    """Each request meets the next trouble, and after the last one none."""
    return lambda _, forward: next(troubles, well)(forward)


@sizes(1, 20)
def test_every_trouble_on_the_way(machine: Machine, tmp_path: Path, size: int) -> None:
    """exec is answered at the second try, and each page, but for the slow ones, too."""
    drawn = random.Random(size)  # the same at each run
    for number in range(size):
        troubles = [*drawn.sample(TROUBLES, len(TROUBLES))]
        fates = itertools.chain.from_iterable((trouble, comes_late) for trouble in troubles)
        command = f"{COMMAND} # {number} of {size}"
        with relay(machine, tmp_path, in_turn(fates)) as between:
            ran = between.follow(command)
        assert (ran.code, ran.out) == (7, LINES), ran
        assert "trying again" in ran.err
        executions = machine.json("list")["executions"]
        assert len([item for item in executions if item["command"] == command]) == 1


def test_an_endpoint_that_is_gone_for_a_while(machine: Machine, tmp_path: Path) -> None:
    flowing = threading.Event()

    def fate(_: Mapping[str, Any], forward: Forward) -> Answer:
        answer = forward()
        events = LogsResponse.from_json(answer.document).events
        if any("line 1" in event.lines.split("\n") for event in events):
            flowing.set()
        return answer

    with relay(machine, tmp_path, fate) as between:
        port = urlsplit(between.env["MYCLI_API_ENDPOINT"]).port
        process = between.start("exec", "-f", "--skip-git", COMMAND)
        assert flowing.wait(30)
    assert port
    assert process.stderr
    next(line for line in process.stderr if b"trying again" in line)
    with relay(machine, tmp_path, fate, port):
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out.decode()) == (7, LINES), err


@pytest.mark.soak  # the client waits 40 s for an answer: API Gateway gives up after 29
def test_a_connection_that_goes_dead_without_a_word(machine: Machine, tmp_path: Path) -> None:
    over = threading.Event()
    numbers = itertools.count()

    def fate(_: Mapping[str, Any], forward: Forward) -> Answer:
        if next(numbers) == 3:
            over.wait(120)
        return forward()

    with relay(machine, tmp_path, fate) as between:
        ran = between.follow(COMMAND)
        over.set()
    assert (ran.code, ran.out) == (7, LINES), ran
    assert "timed out" in ran.err
