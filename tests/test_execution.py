"""Following: every line once, by page, at a price; and what an execution says of itself."""

from __future__ import annotations

import contextlib
import itertools
import json
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest

from mycli import EndpointError, ExecutionFailed, UsageError
from mycli.config import Profile
from mycli.endpoint import Endpoint
from mycli.execution import Execution
from mycli.lines import Lines
from orchestrator.wire import ExecRequest, ExecResponse, begin_marker, end_marker, sign
from tests.fake_endpoint import (
    ARN,
    AT,
    ID,
    KEY,
    LOST,
    STARTED,
    STATUS,
    Answer,
    FakeEndpoint,
    log_page,
    output_of,
)

Follow = Callable[[str], Execution]


@pytest.fixture
def execution_of(endpoint: FakeEndpoint) -> Iterator[Follow]:
    def no_sleep(_: float) -> None:
        pass

    with contextlib.closing(Endpoint(endpoint.profile, sleep=no_sleep)) as opened:
        yield lambda name: Execution(opened, name)


def test_the_output_is_what_stands_between_the_markers(
    endpoint: FakeEndpoint, execution_of: Follow
) -> None:
    endpoint.has_log([*output_of(["one", "", "three"], 3), "after"])
    assert list(execution_of(ID).logs()) == ["one", "", "three"]
    events = list(execution_of(ID).events())
    assert [(event.phase, event.text) for event in events] == [
        ("setup", "Cloning..."),
        ("output", "one"),
        ("output", ""),
        ("output", "three"),
        ("end", "after"),
    ]
    assert events[0].at == AT


def test_the_end_marker_may_stand_behind_output_without_a_newline(
    endpoint: FakeEndpoint, execution_of: Follow
) -> None:
    endpoint.has_log([begin_marker(ID), "abc" + end_marker(ID, 0)])
    assert list(execution_of(ID).logs()) == ["abc"]


def test_the_begin_marker_may_stand_behind_setup_without_a_newline(
    endpoint: FakeEndpoint, execution_of: Follow
) -> None:
    endpoint.has_log(["50%" + begin_marker(ID), "abc", end_marker(ID, 0)])
    events = [(event.phase, event.text) for event in execution_of(ID).events()]
    assert events == [("setup", "50%"), ("output", "abc")]


def test_what_task_sh_says_in_between_is_no_output(
    endpoint: FakeEndpoint, execution_of: Follow
) -> None:
    endpoint.has_log(
        [begin_marker(ID), f"abc{sign(ID)}stopped: too long", "more", end_marker(ID, 124)]
    )
    events = [(event.phase, event.text) for event in execution_of(ID).events()]
    assert events == [("output", "abc"), ("end", "mycli: stopped: too long"), ("output", "more")]


def test_a_failed_setup_has_no_output(endpoint: FakeEndpoint, execution_of: Follow) -> None:
    endpoint.has_log(["fatal: repository not found", end_marker(ID, 125)], exit_code=125)
    run = execution_of(ID)
    assert list(run.logs()) == []
    assert run.exit_code == 125


def test_a_function_that_puts_no_lines_together_is_understood(
    endpoint: FakeEndpoint, execution_of: Follow
) -> None:
    """As one of before `grouped` answers."""
    events = [{"at": AT, "message": line} for line in output_of(["one", "two"], 3)]
    endpoint.says("logs", {"events": events, "next_token": "1", "done": True, "exit_code": 3})
    run = execution_of(ID)
    assert list(run.logs()) == ["one", "two"]
    assert [line.text for line in run.events()] == ["Cloning...", "one", "two"]
    assert endpoint.asked("logs")[0]["grouped"]


def test_the_marker_of_another_execution_is_output(
    endpoint: FakeEndpoint, execution_of: Follow
) -> None:
    other = end_marker("0123456789ab", 0)
    endpoint.has_log(output_of([other]))
    assert list(execution_of(ID).logs()) == [other]


def test_following_ends_with_the_marker_before_the_record_knows(
    endpoint: FakeEndpoint, execution_of: Follow
) -> None:
    page = log_page([output_of(["x"], 9), []], 0, None)
    endpoint.says("logs", {**page, "done": False})
    run = execution_of(ID)
    assert list(run.logs()) == ["x"]
    assert run.exit_code == 9
    assert len(endpoint.asked("logs")) == 1


@pytest.mark.parametrize("cut", range(1, len(end_marker(ID, 123))))
def test_of_a_marker_that_cloudwatch_cut_in_two_the_record_tells_the_exit_code(
    endpoint: FakeEndpoint, execution_of: Follow, cut: int
) -> None:
    marker = end_marker(ID, 123)
    endpoint.has_log([begin_marker(ID), "x" + marker[:cut]], [marker[cut:]], [], exit_code=123)
    run = execution_of(ID)
    shown: list[Lines] = []
    for page in run.pages():
        assert run.exit_code is None
        shown += page
    assert run.exit_code == 123
    assert shown[0].text.startswith("x")


def test_a_forged_marker_ends_the_following_only(
    endpoint: FakeEndpoint, execution_of: Follow
) -> None:
    forged = [begin_marker(ID), "x", end_marker(ID, 0)]
    endpoint.has_log(forged, ["the real work"], [end_marker(ID, 7)], exit_code=7)
    endpoint.says("status", {**STATUS, "exit_code": 7})
    run = execution_of(ID)
    assert list(run.logs()) == ["x"]
    assert run.exit_code == 0
    assert run.wait() == 7
    whole = execution_of(ID)
    assert [event.text for event in whole.events(follow=False)][:2] == ["x", "the real work"]
    assert whole.exit_code == 7


def test_an_empty_page_is_not_the_end(endpoint: FakeEndpoint, execution_of: Follow) -> None:
    endpoint.has_log([], output_of([])[:2], [], [], ["one"], [], [end_marker(ID, 0)])
    assert list(execution_of(ID).logs()) == ["one"]
    # A request that is held keeps a process of the function from others.
    assert all(asked["wait_seconds"] == 0 for asked in endpoint.asked("logs"))


def test_a_follower_of_a_busy_machine_asks_less_often(endpoint: FakeEndpoint) -> None:
    slept: list[float] = []
    pages = [output_of(["one"])[:3], ["two"], ["three"], [end_marker(ID, 0)]]

    def busy(request: Mapping[str, Any]) -> Answer:
        time.sleep(0.1)
        return Answer(log_page(pages, int(request.get("next_token") or 0), 0))

    endpoint.runs("logs", busy)
    with contextlib.closing(Endpoint(endpoint.profile, sleep=slept.append)) as opened:
        assert list(Execution(opened, ID).logs()) == ["one", "two", "three"]
    assert len(slept) == 3
    assert min(slept) >= 0.4


def test_without_following_it_ends_where_the_token_stays(
    endpoint: FakeEndpoint, execution_of: Follow
) -> None:
    pages = [[begin_marker(ID), "one"], [], ["two"]]

    def script(request: Mapping[str, Any]) -> Answer:
        index = int(request.get("next_token") or 0)
        page = log_page([*pages, [], []], index, None)
        return Answer({**page, "next_token": str(min(index + 1, 3)), "done": False})

    endpoint.runs("logs", script)
    run = execution_of(ID)
    assert list(run.logs(follow=False)) == ["one", "two"]
    assert run.exit_code is None
    assert all(asked["wait_seconds"] == 0 for asked in endpoint.asked("logs"))


def test_no_log_stream_yet(endpoint: FakeEndpoint, execution_of: Follow) -> None:
    endpoint.says("logs", {"events": [], "next_token": None, "done": False})
    assert list(execution_of(ID).events(follow=False)) == []


def test_lost_connections_lose_no_line_and_double_none(
    endpoint: FakeEndpoint, execution_of: Follow
) -> None:
    lines = [f"line {number}" for number in range(40)]
    whole = output_of(lines, 0)
    pages = [whole[start : start + 3] for start in range(0, len(whole), 3)]
    losses = itertools.cycle([True, True, False])
    troubles = itertools.cycle(
        [
            LOST,
            Answer({"message": "Internal server error"}, status=502),
            Answer({"error": "throttled"}, status=429, headers={"Retry-After": "0"}),
        ]
    )

    def script(request: Mapping[str, Any]) -> Answer:
        if next(losses):
            return next(troubles)
        index = int(request.get("next_token") or 0)
        return Answer(log_page(pages, index, 0))

    endpoint.runs("logs", script)
    assert list(execution_of(ID).logs()) == lines
    assert len(endpoint.asked("logs")) >= 3 * len(pages)


@pytest.mark.parametrize(("words", "patience"), [("started", 600.0), ("named", 15.0)])
def test_what_was_started_is_waited_for_from_its_first_page_on(words: str, patience: float) -> None:
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    def answer(request: httpx.Request) -> httpx.Response:
        action = json.loads(request.content)["action"]
        if action == "logs":
            raise httpx.ConnectError("no network", request=request)
        return httpx.Response(200, json=dict(STARTED if action == "exec" else STATUS))

    profile = Profile(api_endpoint="https://abc.example.com/prod/execute", api_key=KEY)
    transport = httpx.MockTransport(answer)
    endpoint = Endpoint(profile, transport=transport, sleep=sleep, clock=lambda: now)
    started = endpoint.send(ExecRequest(command="true", skip_git=True), ExecResponse)
    run = Execution(endpoint, ID, started if words == "started" else None)
    with pytest.raises(EndpointError, match="no network"):
        list(run.logs())
    assert 0.5 * patience < now <= patience


def test_an_arn_names_an_execution_and_its_id_is_asked_for_once(
    endpoint: FakeEndpoint, execution_of: Follow
) -> None:
    endpoint.has_log(output_of(["x"]))
    endpoint.says("status", STATUS)
    run = execution_of(ARN)
    assert list(run.logs()) == ["x"]
    assert run.id == ID
    assert run.task_arn == ARN
    assert endpoint.asked("logs")[0]["task_arn"] == ARN
    assert len(endpoint.asked("status")) == 1


@pytest.mark.parametrize(
    "name", ["", "nonsense", "67A1A8F4A3B5", "67a1a8f4a3b5 ", "arn:aws:s3:::x"]
)
def test_what_names_no_execution_is_refused_before_anything_is_asked(
    endpoint: FakeEndpoint, execution_of: Follow, name: str
) -> None:
    with pytest.raises(UsageError):
        execution_of(name)
    assert endpoint.seen == []


def test_wait_gives_the_exit_code_of_the_record(
    endpoint: FakeEndpoint, execution_of: Follow
) -> None:
    running = {**STATUS, "status": "RUNNING", "exit_code": None}
    endpoint.says("status", running, running, LOST, {**STATUS, "exit_code": 7})
    assert execution_of(ID).wait() == 7


def test_wait_tells_why_there_is_no_exit_code(endpoint: FakeEndpoint, execution_of: Follow) -> None:
    why = "CannotPullContainerError: no such image"
    endpoint.says("status", {**STATUS, "exit_code": None, "stopped_reason": why})
    with pytest.raises(ExecutionFailed, match="CannotPullContainerError") as caught:
        execution_of(ID).wait()
    assert caught.value.exit_code == 125


def test_stop_passes_the_reason_on(endpoint: FakeEndpoint, execution_of: Follow) -> None:
    endpoint.says("stop", {"status": "STOPPING"})
    assert execution_of(ID).stop("enough") == "STOPPING"
    assert endpoint.asked("stop") == [{"action": "stop", "execution_id": ID, "reason": "enough"}]


def test_memory_stays_flat_for_a_long_log(endpoint: FakeEndpoint, execution_of: Follow) -> None:
    lines = [f"line {number}" for number in range(10_000)]
    pages = 60

    def script(request: Mapping[str, Any]) -> Answer:
        index = int(request.get("next_token") or 0)
        page = [begin_marker(ID), *lines] if index == 0 else lines
        if index == pages - 1:
            page = [*lines, end_marker(ID, 0)]
        return Answer({**log_page([page], 0, 0), "next_token": str(index + 1), "done": False})

    endpoint.runs("logs", script)
    peaks: list[int] = []
    tracemalloc.start()
    for _ in execution_of(ID).pages():
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.reset_peak()
        endpoint.seen.clear()
    tracemalloc.stop()
    assert len(peaks) == pages
    assert max(peaks[-10:]) < 1.5 * max(peaks[5:15])
