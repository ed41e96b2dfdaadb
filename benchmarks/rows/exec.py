"""An execution from typing it to its exit code, and where the time goes."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bcrypt
import httpx

from benchmarks import containers, measure
from benchmarks.bench import MYCLI, Bench
from benchmarks.figures import Figure, Row, Target, Whose
from orchestrator.wire import API_KEY_HEADER, REQUESTS
from tests.fake_endpoint import Answer, FakeEndpoint

COMMAND = ("exec", "-f", "--skip-git", "true")
OVER_THE_FLOOR_SECONDS = 0.6


def measured(bench: Bench) -> Row:
    row = Row(
        "exec",
        "Exec",
        "`mycli exec -f --skip-git true` in the account on this machine, until the process has"
        " ended with the exit code; tasks run as processes. Where the time goes is seen by a relay"
        " between the command and the account, in runs of their own.",
    )
    bench.stack()
    reached = {**bench.environment, **bench.reached_by()}
    acts = {
        "sh -c true": lambda: measure.run(("/bin/sh", "-c", "true"), bench.environment),
        "mycli exec": lambda: bench.mycli(*COMMAND),
    }
    with containers.runner(bench) as run_container:
        if run_container:
            acts["podman run"] = run_container
        else:
            row.notes.append("No container is run beside it: podman does not answer here.")
        runs = measure.in_turns(acts, bench.pick(20, 5), warm_up=2)
    whose: dict[str, Whose] = {"sh -c true": "floor", "mycli exec": "ours"}
    row.figures += [
        Figure(name, "ms", [ran.wall * 1000 for ran in found], whose.get(name, "peer"))
        for name, found in runs.items()
    ]
    floor, ours = (row.figures[at].median for at in (0, 1))
    row.targets.append(
        Target("over the floor", (ours - floor) / 1000, OVER_THE_FLOOR_SECONDS, unit="s")
    )
    parts = [_parts(bench, reached) for _ in range(bench.pick(10, 3))]
    row.figures += [
        Figure(f"of it: {name}", "ms", [found[name] * 1000 for found in parts]) for name in parts[0]
    ]
    row.notes.append(
        f"A key that was not seen for five minutes costs bcrypt besides: {_bcrypt_ms(bench):.0f} ms"
        " here. The function remembers it, so that no run above has it."
    )
    return row


def _parts(bench: Bench, reached: Mapping[str, str]) -> dict[str, float]:
    """One run's seconds: by who had to do something."""
    asked: list[tuple[str, float, float]] = []

    def forward(body: Mapping[str, Any]) -> Answer:
        began = time.monotonic()
        answer = httpx.post(
            reached["MYCLI_API_ENDPOINT"],
            json=body,
            headers={API_KEY_HEADER: reached["MYCLI_API_KEY"]},
            timeout=60,
            trust_env=False,
        )
        asked.append((str(body["action"]), began, time.monotonic()))
        return Answer(answer.json(), status=answer.status_code)

    with FakeEndpoint() as relay:
        for action in REQUESTS:
            relay.runs(action, forward)
        began = time.monotonic()
        ran = measure.run((MYCLI, *COMMAND), {**reached, "MYCLI_API_ENDPOINT": relay.url})
        ended = time.monotonic()
    if ran.code:
        raise RuntimeError(f"mycli exec ended with {ran.code}")
    (_, first, started), (_, _, last) = asked[0], asked[-1]
    answering = sum(end - start for action, start, end in asked if action != "exec")
    function = _function_seconds(bench)
    return {
        "the command starts": first - began,
        "the request, and the account's HTTP": started - first - function,
        "the function, with ECS and the table": function,
        "the task, its log, and waiting to ask": last - started - answering,
        "answers about the log": answering,
        "the command ends": ended - last,
    }


def _function_seconds(bench: Bench) -> float:
    """What the function says that its last exec took."""
    logs = bench.root / "home" / "local" / "logs"
    lines = "".join(path.read_text() for path in sorted(logs.rglob("*lambda*/*"), key=_changed))
    execs = [line for line in lines.splitlines() if '\\"action\\": \\"exec\\"' in line]
    said = json.loads(execs[-1])["message"]
    return json.loads(said)["milliseconds"] / 1000


def _changed(path: Path) -> float:
    return path.stat().st_mtime


def _bcrypt_ms(bench: Bench) -> float:
    key = bench.reached_by()["MYCLI_API_KEY"].encode()
    hashed = bcrypt.hashpw(key, bcrypt.gensalt(10))
    took: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        bcrypt.checkpw(key, hashed)
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000
