"""Errors, retries, and the key that goes nowhere else."""

from __future__ import annotations

import contextlib
import json
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from mycli.config import Profile
from mycli.endpoint import Endpoint
from mycli.errors import (
    ApiError,
    ConfigError,
    EndpointError,
    ExecutionNotFound,
    MycliError,
    Throttled,
    Unauthorized,
)
from orchestrator.wire import (
    ExecRequest,
    ExecResponse,
    ListRequest,
    ListResponse,
    LogsRequest,
    LogsResponse,
    StatusRequest,
    StatusResponse,
)
from tests.fake_endpoint import ID, KEY, LOST, STARTED, STATUS, Answer, FakeEndpoint

AWS = Profile(
    api_endpoint="https://abc.execute-api.us-east-1.amazonaws.com/prod/execute", api_key=KEY
)
ASK = StatusRequest(execution_id=ID)


class Clock:
    """Time that passes only in sleep."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


Connect = Callable[..., Endpoint]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes endpoints, and closes them at the end."""
    with contextlib.ExitStack() as opened:

        def make(profile: Profile, **options: Any) -> Endpoint:
            return opened.enter_context(contextlib.closing(Endpoint(profile, **options)))

        yield make


def on_aws(
    answer: Callable[[httpx.Request], httpx.Response],
    clock: Clock,
    told: list[str] | None = None,
) -> Endpoint:
    return Endpoint(
        AWS,
        transport=httpx.MockTransport(answer),
        sleep=clock.sleep,
        clock=lambda: clock.now,
        on_wait=None if told is None else told.append,
    )


def always(response: Callable[[], httpx.Response]) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _: response()


def error_of(response: Callable[[], httpx.Response]) -> MycliError:
    with pytest.raises(MycliError) as caught:
        on_aws(always(response), Clock()).send(ASK, StatusResponse)
    return caught.value


def test_an_answer_is_parsed_and_fields_of_a_newer_function_are_ignored() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={**STATUS, "of_tomorrow": 1})

    found = on_aws(answer, Clock()).send(ASK, StatusResponse)
    assert (found.execution_id, found.exit_code) == (ID, 0)
    assert json.loads(seen[0].content) == {"action": "status", "execution_id": ID}
    assert seen[0].headers["X-API-Key"] == KEY
    assert str(seen[0].url) == AWS.api_endpoint


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ApiError),
        (404, ExecutionNotFound),
        (409, ApiError),
        (413, ApiError),
        (500, ApiError),
        (502, ApiError),
    ],
)
def test_the_functions_errors(status: int, kind: type[ApiError]) -> None:
    document = {"error": "what was wrong", "hint": "what to do"}
    error = error_of(lambda: httpx.Response(status, json=document))
    assert type(error) is kind
    assert isinstance(error, ApiError)
    assert (error.status, error.message, error.hint) == (status, "what was wrong", "what to do")
    assert error.exit_code == (2 if status in (400, 413) else 125)


@pytest.mark.parametrize("words", ["action is 'list_images'", "action: is 'list_images'"])
def test_a_function_that_is_older_than_the_client_is_told_as_that(words: str) -> None:
    older = {"error": f"invalid request: {words}", "hint": "action must be one of"}
    error = error_of(lambda: httpx.Response(400, json=older))
    assert (error.exit_code, "older than this mycli" in error.message) == (125, True)
    assert "`mycli init`" in error.hint


def test_unauthorized_says_what_a_user_can_do() -> None:
    document = {"error": "unauthorized", "hint": "send the stack's API key as X-API-Key"}
    error = error_of(lambda: httpx.Response(401, json=document))
    assert isinstance(error, Unauthorized)
    assert error.message == "unauthorized"
    assert "mycli configure" in error.hint
    assert "MYCLI_API_KEY" in error.hint


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(200, text="<html>Sign in to the airport</html>"),
        httpx.Response(200, json=[1, 2]),
        httpx.Response(200, json={"hello": "world"}),
        httpx.Response(200, json={"execution_id": ID}),
        httpx.Response(302, headers={"Location": "https://elsewhere.example/"}),
        httpx.Response(403, json={"message": "Missing Authentication Token"}),
        httpx.Response(404, text="not here"),
    ],
)
def test_what_is_not_mycli_is_an_endpoint_error(response: httpx.Response) -> None:
    error = error_of(lambda: response)
    assert isinstance(error, EndpointError)
    assert "proxy" in error.hint


def test_an_empty_object_is_no_empty_page() -> None:
    endpoint = on_aws(always(lambda: httpx.Response(200, json={})), Clock())
    with pytest.raises(EndpointError):
        endpoint.send(LogsRequest(execution_id=ID), LogsResponse)
    with pytest.raises(EndpointError):
        endpoint.send(ListRequest(), ListResponse)


def test_events_of_a_wrong_shape_are_an_endpoint_error() -> None:
    endpoint = on_aws(always(lambda: httpx.Response(200, json={"events": [7]})), Clock())
    with pytest.raises(EndpointError, match="cannot read"):
        endpoint.send(LogsRequest(execution_id=ID), LogsResponse)


def test_exec_is_repeated_with_the_same_request_id() -> None:
    bodies: list[bytes] = []
    outcomes = [
        httpx.ConnectError("connection refused"),
        httpx.ReadError("reset"),
        httpx.Response(504, json={"message": "Endpoint request timed out"}),
        httpx.Response(500, json={"message": "Internal server error"}),
        httpx.Response(429, json={"error": "AWS throttles RunTask"}, headers={"Retry-After": "3"}),
        httpx.Response(200, json=dict(STARTED)),
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    clock, told = Clock(), list[str]()
    request = ExecRequest(command="true", skip_git=True, request_id="once-only")
    started = on_aws(answer, clock, told).send(request, ExecResponse)
    assert started.execution_id == ID
    assert len(bodies) == 6
    assert len(set(bodies)) == 1
    assert b"once-only" in bodies[0]
    assert len(told) == 5
    assert "AWS throttles RunTask" in told[-1]
    assert "trying again in" in told[-1]
    assert 3 <= clock.slept[-1] <= 7


def test_throttling_is_waited_out_for_minutes_and_then_told() -> None:
    clock = Clock()
    endpoint = on_aws(always(lambda: httpx.Response(429, json={"message": "Slow"})), clock)
    with pytest.raises(Throttled) as caught:
        endpoint.send(ASK, StatusResponse)
    assert 200 < clock.now <= 300
    assert min(clock.slept) >= 2
    assert "AWS throttles requests" in caught.value.message


def in_turn(*outcomes: tuple[int, dict[str, str]]) -> Callable[[httpx.Request], httpx.Response]:
    """Each answer for ten tries, then the right one."""
    left = [outcome for outcome in outcomes for _ in range(10)]

    def answer(_: httpx.Request) -> httpx.Response:
        status, document = left.pop(0) if left else (200, dict(STATUS))
        headers = {"Retry-After": "2"} if status in (429, 502) else {}
        return httpx.Response(status, json=document, headers=headers)

    return answer


def test_a_function_without_room_is_waited_for() -> None:
    """Ten at once is what Lambda gives a new account; API Gateway says 500 to all others."""
    clock, told = Clock(), list[str]()
    answer = in_turn((500, {"message": "Internal server error"}))
    on_aws(answer, clock, told).send(ASK, StatusResponse)
    assert 15 < clock.now < 120
    assert "HTTP 500 (Internal server error): trying again in" in told[0]


def test_who_was_throttled_for_long_does_not_give_up_over_another_trouble() -> None:
    clock = Clock()
    busy, slow = {"message": "Internal server error"}, {"error": "slow"}
    answer = in_turn((429, slow), (500, busy), (429, slow), (504, {"message": "timed out"}))
    on_aws(answer, clock).send(ASK, StatusResponse)
    assert 120 < clock.now < 300


def test_a_function_that_stays_broken_is_given_up_after_two_minutes() -> None:
    clock = Clock()
    endpoint = on_aws(always(lambda: httpx.Response(500, json={"message": "Internal"})), clock)
    with pytest.raises(EndpointError) as caught:
        endpoint.send(ASK, StatusResponse)
    assert 100 < clock.now <= 120
    assert "no room" in caught.value.hint


def test_a_trouble_of_aws_that_may_pass_is_borne_for_a_while() -> None:
    document, after = {"error": "AWS did not answer: ReadTimeoutError"}, {"Retry-After": "2"}
    trouble = httpx.Response(502, json=document, headers=after)
    answers, clock = [trouble, trouble, httpx.Response(200, json=dict(STATUS))], Clock()
    on_aws(lambda _: answers.pop(0), clock).send(ASK, StatusResponse)
    assert 4 <= clock.now <= 6

    clock = Clock()
    with pytest.raises(ApiError, match="AWS did not answer"):
        on_aws(always(lambda: trouble), clock).send(ASK, StatusResponse)
    assert 8 < clock.now <= 15


@pytest.mark.parametrize("after", ["soon", "-5", "", "999999"])
def test_a_strange_retry_after_is_survived(after: str) -> None:
    clock = Clock()
    throttled = httpx.Response(429, json={"error": "slow"}, headers={"Retry-After": after})
    answers = [throttled, httpx.Response(200, json=dict(STATUS))]
    on_aws(lambda _: answers.pop(0), clock).send(ASK, StatusResponse)
    assert 0 <= clock.now <= 61


def test_an_address_that_never_answers_is_given_up_soon() -> None:
    clock = Clock()

    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("[Errno -2] Name or service not known")

    with pytest.raises(EndpointError, match="Name or service not known") as caught:
        on_aws(refuse, clock).send(ASK, StatusResponse)
    assert clock.now <= 3
    assert "network" in caught.value.hint


def test_one_that_did_answer_is_given_the_patience_asked_for() -> None:
    clock = Clock()
    answers = [httpx.Response(200, json=dict(STATUS))]

    def answer(_: httpx.Request) -> httpx.Response:
        if answers:
            return answers.pop()
        raise httpx.ReadTimeout("timed out")

    endpoint = on_aws(answer, clock)
    endpoint.send(ASK, StatusResponse)
    with pytest.raises(EndpointError):
        endpoint.send(ASK, StatusResponse, patience_seconds=100)
    assert 80 < clock.now <= 100


def test_a_refused_certificate_is_not_tried_again() -> None:
    clock = Clock()

    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")

    with pytest.raises(EndpointError) as caught:
        on_aws(refuse, clock).send(ASK, StatusResponse)
    assert clock.slept == []
    assert "SSL_CERT_FILE" in caught.value.hint


def test_nothing_listens_on_this_machine(connect: Connect) -> None:
    with FakeEndpoint() as gone:
        profile = gone.profile
    clock = Clock()
    with pytest.raises(EndpointError) as caught:
        connect(profile, sleep=clock.sleep).send(ASK, StatusResponse)
    assert clock.slept == []
    assert "mycli local start" in caught.value.hint


def test_a_lost_answer_is_asked_for_again(endpoint: FakeEndpoint, connect: Connect) -> None:
    endpoint.says("status", LOST, LOST, STATUS)
    found = connect(endpoint.profile, sleep=Clock().sleep).send(ASK, StatusResponse)
    assert found.execution_id == ID
    assert len(endpoint.seen) == 3


# --- Where the key goes --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "https://",
        "http://example.com/prod/execute",
        "http://192.168.1.5/x",
        "ftp://127.0.0.1/x",
        "https://user@example.com/",
        "https://example.com:port/",
        "http://[::1",
    ],
)
def test_an_address_that_cannot_be_trusted_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        Endpoint(Profile(api_endpoint=url, api_key=KEY))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]"])
def test_plain_http_is_fine_on_this_machine(host: str) -> None:
    Endpoint(Profile(api_endpoint=f"http://{host}:8080/execute", api_key=KEY)).close()


@pytest.mark.parametrize("key", ["secret\nvalue", "sk_live_short", KEY + "\r\n", "pässwörd", ""])
def test_a_key_of_the_wrong_form_is_refused_without_being_told(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Endpoint(Profile(api_endpoint=AWS.api_endpoint, api_key=key))
    shown = "".join(traceback.format_exception(caught.value)) + caught.value.hint
    assert not key or key.strip() not in shown


def test_the_key_is_in_no_repr_and_no_traceback() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    endpoint = on_aws(refuse, Clock())
    with pytest.raises(EndpointError) as caught:
        endpoint.send(ASK, StatusResponse)
    shown = "".join(traceback.format_exception(caught.value)) + repr(endpoint) + repr(AWS)
    assert KEY not in shown


def test_a_redirect_is_not_followed(endpoint: FakeEndpoint, connect: Connect) -> None:
    with FakeEndpoint() as elsewhere:
        away = Answer({}, status=307, headers={"Location": elsewhere.url})
        endpoint.says("status", away)
        with pytest.raises(EndpointError, match="307"):
            connect(endpoint.profile).send(ASK, StatusResponse)
        assert elsewhere.seen == []


def test_no_proxy_comes_between_two_programs_of_this_machine(
    endpoint: FakeEndpoint, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.says("status", STATUS)
    with FakeEndpoint() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.origin)
        connect(endpoint.profile).send(ASK, StatusResponse)
        assert proxy.seen == []


def test_the_daemon_proves_itself_on_the_connection_that_gets_the_key(connect: Connect) -> None:
    with FakeEndpoint(daemon_secret="a secret of this account") as daemon:
        daemon.says("status", STATUS)
        endpoint = connect(daemon.profile)
        for _ in range(3):
            endpoint.send(ASK, StatusResponse)
        proof, *requests = daemon.seen
        assert proof.path.startswith("/_mycli/prove?nonce=")
        assert proof.key is None
        assert [seen.key for seen in requests] == [KEY] * 3
        assert {seen.connection for seen in daemon.seen} == {proof.connection}


@pytest.mark.parametrize("its_secret", ["", "another secret"])
def test_who_cannot_prove_itself_gets_no_key(its_secret: str, connect: Connect) -> None:
    with FakeEndpoint(daemon_secret=its_secret) as stranger:
        stranger.says("status", STATUS)
        profile = Profile(api_endpoint=stranger.url, api_key=KEY, daemon_secret="ours")
        with pytest.raises(EndpointError, match="was not sent"):
            connect(profile).send(ASK, StatusResponse)
        assert [seen.path.partition("?")[0] for seen in stranger.seen] == ["/_mycli/prove"]
        assert stranger.seen[0].key is None


def test_a_stranger_on_the_port_of_a_daemon_that_ended_gets_no_key(connect: Connect) -> None:
    with FakeEndpoint(daemon_secret="ours") as daemon:
        daemon.says("status", STATUS)
        endpoint = connect(daemon.profile, sleep=Clock().sleep)
        endpoint.send(ASK, StatusResponse)
    with FakeEndpoint(port=daemon.port) as stranger:
        stranger.says("status", STATUS)
        with pytest.raises(EndpointError, match="was not sent"):
            endpoint.send(ASK, StatusResponse)
        assert stranger.seen
        assert all(seen.key is None for seen in stranger.seen)


def test_a_daemon_that_was_restarted_proves_itself_again(connect: Connect) -> None:
    with FakeEndpoint(daemon_secret="ours") as daemon:
        daemon.says("status", STATUS)
        endpoint = connect(daemon.profile, sleep=Clock().sleep)
        endpoint.send(ASK, StatusResponse)
    with FakeEndpoint(daemon_secret="ours", port=daemon.port) as restarted:
        restarted.says("status", STATUS)
        endpoint.send(ASK, StatusResponse)
        assert [seen.key for seen in restarted.seen] == [None, KEY]


def test_a_daemon_that_stays_away_is_given_up_within_a_minute(connect: Connect) -> None:
    clock, told = Clock(), list[str]()
    with FakeEndpoint(daemon_secret="ours") as daemon:
        daemon.says("status", STATUS)
        options = {"sleep": clock.sleep, "clock": lambda: clock.now, "on_wait": told.append}
        endpoint = connect(daemon.profile, **options)
        endpoint.send(ASK, StatusResponse)
    with pytest.raises(EndpointError) as caught:
        endpoint.send(ASK, StatusResponse, patience_seconds=600)
    assert 50 < clock.now <= 60
    assert len(told) >= 6
    assert "mycli local start" in caught.value.hint


def test_a_daemon_that_closes_after_its_proof_gets_no_key(connect: Connect) -> None:
    with FakeEndpoint(daemon_secret="ours") as daemon:
        daemon.closes_connections = True
        with pytest.raises(EndpointError, match="was not sent"):
            connect(daemon.profile).send(ASK, StatusResponse)
        assert all(seen.key is None for seen in daemon.seen)
