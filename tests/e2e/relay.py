"""An endpoint between a client and the account's own, where a test decides what gets through.

A client cannot be given a daemon_secret for it: the proof is bound to the daemon's address, so that
nothing in between can pass for it. It is asked with address and key alone, as on AWS.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import httpx

from orchestrator.wire import API_KEY_HEADER, REQUESTS
from tests.fake_endpoint import Answer, FakeEndpoint

from .conftest import Machine

Forward = Callable[[], Answer]
Fate = Callable[[Mapping[str, Any], Forward], Answer]


@contextlib.contextmanager
def relay(machine: Machine, home: Path, fate: Fate, port: int = 0) -> Generator[Machine]:
    """A machine whose requests meet this fate on their way to the other machine's account.

    fate: given a request and what forwards it, the answer that the client gets.
    """
    reached = machine.reached_by()
    key = reached["MYCLI_API_KEY"]

    def forward(body: Mapping[str, Any]) -> Answer:
        answer = httpx.post(
            reached["MYCLI_API_ENDPOINT"],
            json=body,
            headers={API_KEY_HEADER: key},
            timeout=60,
            trust_env=False,
        )
        return Answer(answer.json(), status=answer.status_code)

    with FakeEndpoint(port=port) as endpoint:
        for action in REQUESTS:
            endpoint.runs(action, lambda body: fate(body, lambda: forward(body)))
        yield Machine(home, machine.folder, {**reached, "MYCLI_API_ENDPOINT": endpoint.url})
