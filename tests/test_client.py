"""The Python API, against an endpoint that speaks the wire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import mycli
from mycli import ApiError, Client, ConfigError, ExecutionNotFound, ImageNotFound, UsageError
from mycli.config import save_profile
from tests.fake_endpoint import (
    ID,
    KEY,
    PUSH_PASSWORD,
    REGISTRY,
    STARTED,
    STATUS,
    Answer,
    FakeEndpoint,
    definition,
    output_of,
)


@pytest.fixture
def client(endpoint: FakeEndpoint) -> Iterator[Client]:
    with Client(endpoint=endpoint.url, api_key=KEY) as client:
        yield client


def test_the_public_names() -> None:
    assert sorted(mycli.__all__) == [
        "ApiError",
        "AwsCredentialsError",
        "Client",
        "ConfigError",
        "EndpointError",
        "EngineError",
        "Execution",
        "ExecutionFailed",
        "ExecutionNotFound",
        "ImageNotFound",
        "Line",
        "Lines",
        "LocalAccountError",
        "MycliError",
        "RegistryLogin",
        "Settings",
        "Stack",
        "StackError",
        "StackLocked",
        "Throttled",
        "Unauthorized",
        "UsageError",
        "__version__",
    ]
    for name in mycli.__all__:
        assert getattr(mycli, name) is not None
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        mycli.__getattr__("nothing_of_this_name")


def test_the_way_of_one_execution(endpoint: FakeEndpoint, client: Client) -> None:
    endpoint.says("exec", STARTED)
    endpoint.has_log(output_of(["hello"], 3), exit_code=3)
    endpoint.says("status", {**STATUS, "exit_code": 3})
    run = client.exec(
        "make test",
        image="python:3.13",
        repo="https://github.com/user/repo",
        branch="dev",
        env={"CI": "1"},
        timeout_seconds=60,
        workdir="api",
        cpu=512,
        memory=1024,
        arch="arm64",
    )
    assert run.id == ID
    assert list(run.logs()) == ["hello"]
    assert run.wait() == 3
    [asked] = endpoint.asked("exec")
    assert len(asked["request_id"]) == 32
    assert {**asked, "request_id": None} == {
        "action": "exec",
        "command": "make test",
        "image": "python:3.13",
        "repo": "https://github.com/user/repo",
        "branch": "dev",
        "env": {"CI": "1"},
        "timeout_seconds": 60,
        "skip_git": False,
        "workdir": "api",
        "cpu": 512,
        "memory": 1024,
        "arch": "arm64",
        "request_id": None,
    }


def test_a_sequence_is_exact_arguments(endpoint: FakeEndpoint, client: Client) -> None:
    endpoint.says("exec", STARTED)
    client.exec(["printf", "%s|", "it's", "$HOME", ""], skip_git=True)
    assert endpoint.asked("exec")[0]["command"] == """printf '%s|' 'it'"'"'s' '$HOME' ''"""


def test_each_exec_has_a_request_id_of_its_own(endpoint: FakeEndpoint, client: Client) -> None:
    endpoint.says("exec", STARTED)
    for _ in range(2):
        client.exec("true", skip_git=True)
    client.exec("true", skip_git=True, request_id="my-own-one")
    first, second, third = (asked["request_id"] for asked in endpoint.asked("exec"))
    assert first != second
    assert third == "my-own-one"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "repo"),
        ({"repo": "-oProxyCommand=x"}, "repo"),
        ({"repo": "https://token@github.com/user/repo"}, "token"),
        ({"skip_git": True, "env": {"MYCLI_X": "1"}}, "MYCLI_X"),
        ({"skip_git": True, "timeout_seconds": -1}, "timeout_seconds"),
        ({"skip_git": True, "cpu": 256}, "memory"),
        ({"skip_git": True, "cpu": 256, "memory": 4096}, "memory"),
        ({"skip_git": True, "arch": "x86"}, "arch"),
        ({"skip_git": True, "request_id": "short"}, "request_id"),
    ],
)
def test_what_cannot_be_is_refused_before_it_is_sent(
    endpoint: FakeEndpoint, client: Client, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        client.exec("true", **fields)
    assert caught.value.hint
    assert endpoint.seen == []


def test_zero_seconds_are_not_the_default(client: Client) -> None:
    with pytest.raises(UsageError, match="timeout_seconds"):
        client.exec("true", skip_git=True, timeout_seconds=0)


def test_list_pages_as_far_as_it_is_read(endpoint: FakeEndpoint, client: Client) -> None:
    def script(request: Mapping[str, Any]) -> Answer:
        start = int(request.get("next_token") or 0)
        found = [
            {**STATUS, "execution_id": f"{number:012x}"}
            for number in range(start, min(start + request["limit"], 250))
        ]
        more = start + len(found) < 250
        token = str(start + len(found)) if more else None
        return Answer({"executions": found, "next_token": token})

    endpoint.runs("list", script)
    assert [int(item.execution_id, 16) for item in client.list()] == list(range(250))
    endpoint.seen.clear()
    assert len(list(client.list(limit=120))) == 120
    assert [asked["limit"] for asked in endpoint.asked("list")] == [100, 20]
    endpoint.seen.clear()
    assert next(client.list()).execution_id == "000000000000"
    assert len(endpoint.seen) == 1
    assert list(client.list(limit=0)) == []


def test_list_passes_its_filters_on(endpoint: FakeEndpoint, client: Client) -> None:
    endpoint.says("list", {"executions": []})
    since = "2026-01-31T12:00:00+00:00"
    assert list(client.list(repo="https://x.y/z", status="running", since=since)) == []
    [asked] = endpoint.asked("list")
    assert (asked["repo"], asked["status"], asked["since"]) == ("https://x.y/z", "RUNNING", since)
    with pytest.raises(UsageError, match="status"):
        list(client.list(status="asleep"))


def test_task_definitions(endpoint: FakeEndpoint, client: Client) -> None:
    every = [definition("mycli-task-a", revision) for revision in range(1, 26)]
    left = endpoint.has_task_definitions(*every)
    found = client.task_definitions(include_inactive=True, image="alpine:latest")
    assert next(found).revision == 1
    assert len(endpoint.seen) == 1, "page by page"
    assert [item.revision for item in found] == [*range(2, 26)]
    removed = client.remove_task_definitions([item["arn"] for item in every[:10]])
    assert (len(removed.removed), removed.kept, len(left)) == (10, (), 15)
    with pytest.raises(UsageError, match="arns"):
        client.remove_task_definitions([item["arn"] for item in every[:11]])
    assert client.remove_task_definitions([]).removed == ()


def test_images(endpoint: FakeEndpoint, client: Client) -> None:
    named = {"name": "build", "image": "python:3.13", "cpu": 512, "memory": 1024}
    endpoint.says("register_image", {"image": named})
    answer = client.register_image(
        "build", "python:3.13", cpu=512, memory=1024, arch="arm64", shell="/bin/bash"
    )
    made = answer.image
    assert answer.replaced is None, "an older function does not say"
    assert (made.name, made.image, made.cpu) == ("build", "python:3.13", 512)
    [asked] = endpoint.asked("register_image")
    assert (asked["arch"], asked["shell"]) == ("arm64", "/bin/bash")
    endpoint.says(
        "list_images",
        {"images": [named], "next_token": "x"},
        {"images": [{**named, "name": "a"}], "next_token": None},
    )
    assert [image.name for image in client.images()] == ["build", "a"]
    endpoint.says("unregister_image", {}, Answer({"error": "no"}, status=404))
    client.unregister_image("build")
    with pytest.raises(ImageNotFound):
        client.unregister_image("build")
    with pytest.raises(UsageError, match="name"):
        client.register_image("Not/A-Name", "python:3.13")


def test_built_images(endpoint: FakeEndpoint, client: Client) -> None:
    endpoint.has_registry()["api:1.0"] = "sha256:0"
    found = client.find_built_image("api", "1.0")
    assert (found.image, found.digest) == (f"{REGISTRY}/mycli/api:1.0", "sha256:0")
    with pytest.raises(ImageNotFound, match=r"api:1\.1") as missing:
        client.find_built_image("api", "1.1")
    assert missing.value.hint
    for repository, tag in (("Api", "1.0"), ("api", "-1")):
        with pytest.raises(UsageError):
            client.find_built_image(repository, tag)


def test_leave_to_push(endpoint: FakeEndpoint, client: Client) -> None:
    endpoint.has_registry()
    granted = client.authorize_push("api")
    assert granted.repository_uri == f"{REGISTRY}/mycli/api"
    assert (granted.username, granted.password) == ("AWS", PUSH_PASSWORD)
    assert PUSH_PASSWORD not in repr(granted)
    with pytest.raises(UsageError, match="repository"):
        client.authorize_push("team/api")
    endpoint.says("authorize_push", Answer({"error": "not this stack's"}, status=409))
    with pytest.raises(ApiError, match="not this stack's"):
        client.authorize_push("api")


def test_by_name(endpoint: FakeEndpoint, client: Client) -> None:
    endpoint.says("status", STATUS)
    endpoint.says("stop", {"status": "STOPPING"})
    endpoint.has_log(output_of(["x"]))
    assert client.status(ID).finished
    assert client.stop(ID, "why") == "STOPPING"
    assert list(client.logs(ID)) == ["x"]


def test_an_unknown_execution(client: Client) -> None:
    with pytest.raises(ExecutionNotFound):
        client.status(ID)


def test_which_stack(endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="go together"):
        Client(endpoint=endpoint.url)
    with pytest.raises(ConfigError, match="not configured"):
        Client()
    save_profile(endpoint.profile, "staging")
    with Client("staging") as client:
        assert client.profile.api_endpoint == endpoint.url
    with pytest.raises(ConfigError, match="production") as caught:
        Client("production")
    assert "staging" in caught.value.hint
    monkeypatch.setenv("MYCLI_PROFILE", "staging")
    with Client() as client:
        assert client.profile.api_endpoint == endpoint.url
