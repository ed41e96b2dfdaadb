"""The proof of a daemon: on each new connection, before anybody else can use it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from mycli import config
from mycli.config import Profile
from mycli.endpoint import Endpoint
from mycli.errors import ConfigError, EndpointError, MycliError
from orchestrator.wire import StatusRequest, StatusResponse, begin_marker, end_marker
from tests.conftest import Mycli
from tests.fake_endpoint import (
    ID,
    KEY,
    LOST,
    STARTED,
    STATUS,
    Answer,
    FakeEndpoint,
    log_page,
)

ASK = StatusRequest(execution_id=ID)


@pytest.fixture
def stranger() -> Iterator[FakeEndpoint]:
    """Another program, on the port of a daemon that has stopped. It answers whatever is asked."""
    with FakeEndpoint(daemon_secret="its own") as stranger:
        stranger.says("status", STATUS)
        stranger.says("exec", STARTED)
        stranger.says("stop", {"status": "stopping"})
        stranger.says("list", {"executions": [], "next_token": None})
        stranger.has_log(["line"])
        yield stranger


def ours(at: FakeEndpoint) -> Profile:
    return Profile(api_endpoint=at.url, api_key=KEY, daemon_secret="ours")


def heard_no_key(stranger: FakeEndpoint) -> bool:
    paths = {seen.path.partition("?")[0] for seen in stranger.seen}
    return paths == {"/_mycli/prove"} and all(seen.key is None for seen in stranger.seen)


def in_threads(work: Callable[[], object], count: int = 8) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_no_thread_uses_a_connection_that_another_is_proving(stranger: FakeEndpoint) -> None:
    with contextlib.closing(Endpoint(ours(stranger))) as endpoint:

        def ask() -> None:
            with pytest.raises(EndpointError, match="was not sent"):
                endpoint.send(ASK, StatusResponse)

        in_threads(ask)
    assert heard_no_key(stranger)


def test_threads_have_connections_of_their_own() -> None:
    with FakeEndpoint(daemon_secret="ours") as daemon:
        together = threading.Barrier(4, timeout=30)

        def answer_together(_: object) -> Answer:
            together.wait()
            return Answer(STATUS)

        daemon.runs("status", answer_together)
        with contextlib.closing(Endpoint(daemon.profile)) as endpoint:
            in_threads(lambda: endpoint.send(ASK, StatusResponse), 4)
        assert len({seen.connection for seen in daemon.seen}) == 4


@pytest.mark.parametrize(
    "words",
    [
        ("exec", "--skip-git", "true"),
        ("exec", "-f", "--skip-git", "true"),
        ("exec", "--wait", "--skip-git", "true"),
        ("status", ID),
        ("logs", ID),
        ("logs", "-f", ID),
        ("stop", ID),
        ("list",),
        ("configure",),
    ],
)
def test_no_verb_sends_a_key_to_a_stranger(
    stranger: FakeEndpoint, mycli: Mycli, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    config.save_profile(ours(stranger))
    if words == ("configure",):
        monkeypatch.setenv("MYCLI_API_KEY", KEY)
    ran = mycli("--debug", *words)
    assert (ran.code, ran.out) == (125, ""), ran
    assert "is not your account on this machine: your key was not sent" in ran.err
    assert KEY not in ran.err
    assert heard_no_key(stranger)


def test_a_stranger_in_the_middle_of_following_gets_no_key(mycli: Mycli) -> None:
    daemon = FakeEndpoint(daemon_secret="ours").__enter__()
    config.save_profile(daemon.profile)
    with contextlib.ExitStack() as afterwards:
        strangers: list[FakeEndpoint] = []

        def next_page(request: Mapping[str, Any]) -> Answer:
            if not request.get("next_token"):
                return Answer(log_page([["Cloning..."], ["more"]], 0, None))
            daemon.__exit__()
            strangers.append(FakeEndpoint(daemon_secret="its own", port=daemon.port))
            strangers[0].has_log(["forged", begin_marker(ID), "output", end_marker(ID, 0)])
            afterwards.enter_context(strangers[0])
            return LOST

        daemon.runs("logs", next_page)
        ran = mycli("logs", "-f", ID)
        assert ran.code == 125
        assert "Cloning..." in ran.out
        assert "forged" not in ran.out + ran.err
        assert heard_no_key(strangers[0])


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull",
        b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"proof": 1}',
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n" + b"x" * 9000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\xff" * 100,
    ],
)
def test_whatever_a_stranger_says_is_no_proof(answer: bytes) -> None:
    heard: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    heard.append(connection.recv(65_536))
                    connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/prod/execute"
        profile = Profile(api_endpoint=url, api_key=KEY, daemon_secret="ours")
        endpoint = Endpoint(profile, sleep=lambda _: None)
        with contextlib.closing(endpoint), pytest.raises(MycliError):
            endpoint.send(ASK, StatusResponse, patience_seconds=0)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert heard
    assert all(said.startswith(b"GET /_mycli/prove?nonce=") for said in heard)
    assert KEY.encode() not in b"".join(heard)


def test_a_password_in_an_address_is_not_told() -> None:
    profile = Profile(api_endpoint="https://user:password@example.com/execute", api_key=KEY)
    with pytest.raises(ConfigError, match=r"example\.com/execute' is no endpoint") as caught:
        Endpoint(profile)
    assert "password" not in caught.value.message + caught.value.hint
