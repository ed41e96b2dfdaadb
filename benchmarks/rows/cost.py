"""What it costs on AWS to follow a task, beside the task itself."""

from __future__ import annotations

import json
from dataclasses import dataclass

import httpx

from benchmarks.bench import Bench
from benchmarks.figures import Figure, Row, Target
from mycli.config import Profile
from mycli.endpoint import Endpoint
from mycli.execution import Execution
from orchestrator.costs import SPOT, estimate_usd
from orchestrator.wire import begin_marker

# us-east-1, in dollars: a request of a REST API and of Lambda; a second of Lambda, arm64, 512 MB.
# https://aws.amazon.com/api-gateway/pricing/ https://aws.amazon.com/lambda/pricing/
REQUEST = 3.50e-6 + 0.20e-6
LAMBDA_SECOND = 0.5 * 0.0000133334
ANSWER_SECONDS = 0.05  # what the function takes for an answer, its calls to AWS included
FOLLOWED_SECONDS = 300
HALF = 0.5
# How often the log driver has something new, in seconds: at each of its flushes, or never.
KINDS = {"busy": 5.0, "silent": float(FOLLOWED_SECONDS)}
_ID, _AT = "67a1a8f4a3b5", "2026-01-31T12:00:00.000Z"


@dataclass
class Followed:
    """requests: how many there were. held: seconds of Lambda. lines: how many were shown."""

    requests: int = 0
    held: float = 0.0
    lines: int = 0

    @property
    def dollars(self) -> float:
        return self.requests * REQUEST + self.held * LAMBDA_SECOND


def follow(flush_seconds: float) -> Followed:
    """Follow a task for five minutes of a clock that goes on by what is waited for."""
    now, followed = 0.0, Followed()

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    def answer(request: httpx.Request) -> httpx.Response:
        """CloudWatch has new lines each time that the log driver flushed."""
        asked = json.loads(request.content)
        wait = asked["wait_seconds"] + ANSWER_SECONDS
        sleep(wait)
        followed.requests += 1
        followed.held += wait
        flushes = int(now // flush_seconds)
        fresh = range(int(asked.get("next_token") or 0), flushes)
        events = [{"at": _AT, "message": f"flush {number}"} for number in fresh]
        if not asked.get("next_token"):
            events.insert(0, {"at": _AT, "message": begin_marker(_ID)})
        is_over = now >= FOLLOWED_SECONDS
        document = {"events": events, "next_token": str(flushes), "done": is_over}
        return httpx.Response(200, json=document)

    profile = Profile(
        api_endpoint="https://abc.example.com/prod/execute", api_key="sk_live_" + "0" * 64
    )
    transport = httpx.MockTransport(answer)
    endpoint = Endpoint(profile, transport=transport, sleep=sleep, clock=lambda: now)
    followed.lines = sum(1 for _ in Execution(endpoint, _ID).logs())
    return followed


def task_dollars(*, spot: bool) -> float:
    """The smallest task, for as long: 0.25 vCPU and 0.5 GB, x86."""
    provider = SPOT if spot else None
    return estimate_usd(
        cpu=256, memory=512, architecture="X86_64", capacity_provider=provider,
        seconds=FOLLOWED_SECONDS,
    )  # fmt: skip


def measured(bench: Bench) -> Row:
    row = Row(
        "cost",
        "Following on AWS, in dollars",
        "Five minutes of `mycli logs -f` against a clock that stands still but for what is waited"
        " for: the requests and the seconds of Lambda are counted, and cost what AWS takes for them"
        f" in us-east-1. An answer takes the function {ANSWER_SECONDS * 1000:.0f} ms. Beside it the"
        " smallest task for as long: 0.25 vCPU, 0.5 GB, x86, on demand and on Spot.",
    )
    on_demand, on_spot = task_dollars(spot=False), task_dollars(spot=True)
    for kind, flush_seconds in KINDS.items():
        followed = follow(flush_seconds)
        row.figures.append(Figure(f"following a {kind} task", "$", [followed.dollars]))
        row.figures.append(Figure(f"requests, {kind}", "requests", [followed.requests]))
        what = f"following a {kind} task, of its price on demand"
        row.targets.append(Target(what, followed.dollars / on_demand, HALF))
        row.notes.append(
            f"Of a {kind} task on Spot, following is {100 * followed.dollars / on_spot:.0f} %."
        )
    row.figures.append(Figure("the task, on demand", "$", [on_demand], "floor"))
    row.figures.append(Figure("the task, on Spot", "$", [on_spot], "floor"))
    return row
