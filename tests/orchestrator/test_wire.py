from __future__ import annotations

import dataclasses
import json
import subprocess
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrator.wire import (
    FARGATE_MEMORY,
    REQUESTS,
    STATUSES,
    AuthorizePushRequest,
    AuthorizePushResponse,
    ExecRequest,
    ExecResponse,
    ExecutionRequest,
    FindBuiltImageRequest,
    FindBuiltImageResponse,
    KeptTaskDefinition,
    ListImagesRequest,
    ListImagesResponse,
    ListRequest,
    ListResponse,
    ListTaskDefinitionsRequest,
    ListTaskDefinitionsResponse,
    LogLines,
    LogsRequest,
    LogsResponse,
    NamedImage,
    RegisterImageRequest,
    RegisterImageResponse,
    RemoveTaskDefinitionsRequest,
    RemoveTaskDefinitionsResponse,
    Request,
    Response,
    StatusRequest,
    StatusResponse,
    StopRequest,
    StopResponse,
    TaskDefinition,
    UnregisterImageRequest,
    UnregisterImageResponse,
    WireError,
    begin_marker,
    check_fargate_size,
    end_marker,
    repo_protocol,
    request_from_json,
    split_end_marker,
    strip_credentials,
)

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
EXECUTION_IDS = st.from_regex(r"[0-9a-f]{12}", fullmatch=True)
TASK_ARNS = st.from_regex(
    r"arn:aws(-cn|-us-gov)?:ecs:us-east-1:[0-9]{12}:task/mycli-cluster/[0-9a-f]{32}", fullmatch=True
)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True).filter(
    lambda name: not name.startswith(("MYCLI_", "AWS_CONTAINER_", "ECS_CONTAINER_"))
)
SIZES = st.sampled_from(
    [
        {},
        *(
            {"cpu": cpu, "memory": memory}
            for cpu, all_of in FARGATE_MEMORY.items()
            for memory in all_of
        ),
    ]
)
REPOS = st.sampled_from(
    [
        "https://github.com/user/repo",
        "https://gitlab.example:8443/group/repo.git",
        "ssh://git@host:2222/user/repo",
        "git@github.com:user/repo.git",
        "http://127.0.0.1:8080/repo",
        "file:///srv/repo.git",
    ]
)


def exec_request(size: dict[str, int], **fields: Any) -> ExecRequest:
    return ExecRequest(**cast("Any", size), **fields)


EXEC_REQUESTS = st.builds(
    exec_request,
    size=SIZES,
    command=TEXT.filter(lambda text: bool(text.strip())),
    repo=REPOS,
    branch=st.sampled_from([None, "main", "v1.2", "feature/x", "a" * 40]),
    image=st.sampled_from([None, "python:3.13", "registry:5000/team/app@sha256:" + "a" * 64]),
    env=st.dictionaries(NAMES, TEXT, max_size=3),
    timeout_seconds=st.integers(1, 7 * 24 * 3600),
    skip_git=st.booleans(),
    workdir=st.sampled_from([None, "infra/prod"]),
    arch=st.sampled_from([None, "x86_64", "arm64"]),
    request_id=st.none() | st.from_regex(r"[A-Za-z0-9_-]{8,64}", fullmatch=True),
)
NAMED = st.one_of(
    st.fixed_dictionaries({"execution_id": EXECUTION_IDS}),
    st.fixed_dictionaries({"task_arn": TASK_ARNS}),
)
TOKENS = st.none() | TEXT.filter(bool)


def named(
    kind: type[ExecutionRequest], **fields: st.SearchStrategy[Any]
) -> st.SearchStrategy[ExecutionRequest]:
    def make(name: dict[str, str], **others: Any) -> ExecutionRequest:
        return kind(**name, **others)

    return st.builds(make, name=NAMED, **fields)


IMAGE_NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,39}", fullmatch=True)
NAMED_IMAGES = st.builds(
    NamedImage,
    name=IMAGE_NAMES,
    image=TEXT,
    cpu=st.none() | st.integers(256),
    memory=st.none() | st.integers(512),
    arch=st.sampled_from([None, "x86_64", "arm64"]),
    shell=st.none() | TEXT,
    registered_at=TEXT,
)


def register_image_request(size: dict[str, int], **fields: Any) -> RegisterImageRequest:
    return RegisterImageRequest(**cast("Any", size), **fields)


TASK_DEFINITION_ARNS = st.from_regex(
    r"arn:aws:ecs:us-east-1:[0-9]{12}:task-definition/mycli-task-[a-z0-9-]{1,60}:[1-9][0-9]{0,3}",
    fullmatch=True,
)
REPOSITORIES = st.sampled_from(["api", "team_a.web-2", "a" * 100])
TAGS = st.sampled_from(["0123456789abcdef-dirty", "_", "V1.0", "a" * 128])
ALL_REQUESTS = st.one_of(
    EXEC_REQUESTS,
    named(StatusRequest),
    named(
        LogsRequest,
        next_token=TOKENS,
        wait_seconds=st.integers(0, 5),
        limit=st.integers(1, 10_000),
    ),
    named(StopRequest, reason=st.none() | TEXT),
    st.builds(
        ListRequest,
        limit=st.integers(1, 100),
        next_token=TOKENS,
        repo=st.none() | TEXT,
        status=st.none() | st.sampled_from(STATUSES),
        since=st.none() | st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat()),
    ),
    st.builds(
        ListTaskDefinitionsRequest,
        limit=st.integers(1, 100),
        next_token=TOKENS,
        include_inactive=st.booleans(),
        image=st.sampled_from([None, "python:3.13"]),
    ),
    st.builds(
        RemoveTaskDefinitionsRequest,
        arns=st.lists(TASK_DEFINITION_ARNS, min_size=1, max_size=10).map(tuple),
    ),
    st.builds(
        register_image_request,
        size=SIZES,
        name=IMAGE_NAMES,
        image=st.sampled_from(["ubuntu", "hashicorp/terraform:1.6"]),
        arch=st.sampled_from([None, "x86_64", "arm64"]),
        shell=st.sampled_from([None, "/busybox/sh"]),
    ),
    st.builds(UnregisterImageRequest, name=IMAGE_NAMES),
    st.builds(ListImagesRequest, limit=st.integers(1, 100), next_token=TOKENS),
    st.builds(FindBuiltImageRequest, repository=REPOSITORIES, tag=TAGS),
    st.builds(AuthorizePushRequest, repository=REPOSITORIES),
)
STATUS_RESPONSES = st.builds(
    StatusResponse,
    execution_id=EXECUTION_IDS,
    status=st.sampled_from(STATUSES),
    created_at=TEXT,
    exit_code=st.none() | st.integers(0, 255),
    stopped_reason=st.none() | TEXT,
    env_names=st.lists(NAMES, max_size=3).map(tuple),
    cost_usd=st.none() | st.floats(0, 1000),
)
TASK_DEFINITIONS = st.builds(
    TaskDefinition,
    arn=TEXT,
    family=TEXT,
    revision=st.integers(1),
    image=TEXT,
    status=st.sampled_from(["ACTIVE", "INACTIVE", "DELETE_IN_PROGRESS"]),
    git=st.booleans(),
    last_used_at=st.none() | TEXT,
)
ALL_RESPONSES = st.one_of(
    st.builds(
        ExecResponse,
        execution_id=EXECUTION_IDS,
        task_arn=TASK_ARNS,
        status=st.sampled_from(STATUSES),
        log_stream=TEXT,
        created_at=TEXT,
    ),
    STATUS_RESPONSES,
    st.builds(
        LogsResponse,
        logs=TEXT,
        events=st.lists(st.builds(LogLines, at=TEXT, lines=TEXT), max_size=3).map(tuple),
        grouped=st.just(True),  # else a line of its own has an event of its own
        next_token=TOKENS,
        done=st.booleans(),
        exit_code=st.none() | st.integers(0, 255),
    ),
    st.builds(StopResponse, status=st.sampled_from(STATUSES)),
    st.builds(
        ListResponse,
        executions=st.lists(STATUS_RESPONSES, max_size=3).map(tuple),
        next_token=TOKENS,
    ),
    st.builds(
        ListTaskDefinitionsResponse,
        task_definitions=st.lists(TASK_DEFINITIONS, max_size=3).map(tuple),
        next_token=TOKENS,
    ),
    st.builds(
        RemoveTaskDefinitionsResponse,
        removed=st.lists(TEXT, max_size=3).map(tuple),
        kept=st.lists(st.builds(KeptTaskDefinition, arn=TEXT, reason=TEXT), max_size=3).map(tuple),
    ),
    st.builds(RegisterImageResponse, image=NAMED_IMAGES, replaced=st.none() | NAMED_IMAGES),
    st.builds(FindBuiltImageResponse, image=TEXT, digest=TEXT, pushed_at=TEXT),
    st.builds(
        AuthorizePushResponse, repository_uri=TEXT, username=TEXT, password=TEXT, expires_at=TEXT
    ),
    st.builds(UnregisterImageResponse),
    st.builds(
        ListImagesResponse,
        images=st.lists(NAMED_IMAGES, max_size=3).map(tuple),
        next_token=TOKENS,
    ),
)


@given(ALL_REQUESTS)
def test_what_a_client_sends_is_what_the_function_reads(request: Request) -> None:
    sent = json.dumps(request.to_json())

    assert request_from_json(json.loads(sent)) == request


@given(ALL_RESPONSES)
def test_what_the_function_answers_is_what_a_client_reads(response: Response) -> None:
    sent = json.dumps(response.to_json())

    assert type(response).from_json(json.loads(sent)) == response


@given(ALL_REQUESTS, st.dictionaries(TEXT, st.integers()))
def test_fields_of_a_newer_client_are_ignored(request: Request, more: dict[str, int]) -> None:
    known = {field.name for kind in REQUESTS.values() for field in dataclasses.fields(kind)}
    new = {name: value for name, value in more.items() if name not in {*known, "action"}}

    assert request_from_json({**new, **request.to_json()}) == request


@given(ALL_RESPONSES)
def test_fields_of_a_newer_function_are_ignored(response: Response) -> None:
    assert type(response).from_json({**response.to_json(), "from_the_future": 1}) == response


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(
    sorted({field.name for kind in REQUESTS.values() for field in dataclasses.fields(kind)})
)


@given(st.sampled_from(sorted(REQUESTS)), st.dictionaries(FIELDS, JSON, max_size=6), st.booleans())
def test_whatever_is_sent_is_accepted_whole_or_refused_in_words(
    action: str, fields: dict[str, Any], skip_git: bool
) -> None:
    read = read_or_refusal({"skip_git": skip_git, **fields, "action": action})

    if isinstance(read, WireError):
        assert read.status == 400
        assert read.error
        json.dumps(read.to_json(), ensure_ascii=False).encode()
    else:
        assert request_from_json(read.to_json()) == read


def read_or_refusal(body: object) -> Request | WireError:
    try:
        return request_from_json(body)
    except WireError as refusal:
        return refusal


@pytest.mark.parametrize("name", ["repo", "branch", "image", "env", "workdir", "cpu", "request_id"])
def test_null_is_as_good_as_absent(name: str) -> None:
    body = {"action": "exec", "command": "true", "skip_git": True}

    assert request_from_json({**body, name: None}) == request_from_json(body)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"name": None}, "name"),
        *(({"name": name}, "name") for name in ("", "-a", "A", "a.b", "a/b", "a:b", "a@b", "é")),
        ({"name": "a" * 41}, "name"),
        ({"image": None}, "image"),
        ({"image": "-alpine"}, "image"),
        ({"cpu": 256}, "memory"),
        ({"cpu": 256, "memory": 4096}, "memory"),
        ({"arch": "amd64"}, "arch"),
        *(({"shell": shell}, "shell") for shell in ("sh", "", "/bin/sh -c", "/\n", "$HOME/sh")),
    ],
)
def test_a_named_image_that_could_not_run_is_refused(fields: dict[str, Any], name: str) -> None:
    body = {"action": "register_image", "name": "terraform", "image": "hashicorp/terraform:1.6"}
    with pytest.raises(WireError) as refused:
        request_from_json(body | fields)

    assert refused.value.status == 400
    assert name in refused.value.error
    assert refused.value.hint


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        *(
            ({"repository": repository}, "repository")
            for repository in (
                *(None, "", 1, "A", "a/b", "../a", "a b", "a\n", "é", "a" * 101),
                *("-a", "a-", "a..b", "a._b", ".", "a:b", "*"),
            )
        ),
        *(
            ({"tag": tag}, "tag")
            for tag in (None, "", 1, "-a", ".a", "a/b", "a b", "a\n", "é", "a" * 129, "a:b", "a@b")
        ),
    ],
)
def test_a_repository_or_a_tag_that_ecr_would_not_take_is_refused(
    fields: dict[str, Any], name: str
) -> None:
    body = {"action": "find_built_image", "repository": "api", "tag": "1.0"}
    with pytest.raises(WireError) as refused:
        request_from_json(body | fields)

    assert refused.value.status == 400
    assert refused.value.error.startswith(f"invalid request: {name} is ")
    assert refused.value.hint.startswith(f"{name} must be ")


def test_a_password_for_the_registry_is_not_shown() -> None:
    answer = AuthorizePushResponse(
        repository_uri="registry/mycli/api", username="AWS", password="hunter2", expires_at=""
    )

    assert "hunter2" not in repr(answer)


ARN = "arn:aws:ecs:us-east-1:123456789012:task-definition/mycli-task-alpine:1"


@pytest.mark.parametrize(
    "arns",
    [None, [], "x", ARN, [ARN] * 11, [1], [ARN[:-2]], [ARN.replace(":1", ":0")], [ARN + "\n"]],
)
def test_only_revisions_can_be_removed_and_ten_at_most(arns: object) -> None:
    with pytest.raises(WireError) as refused:
        request_from_json({"action": "remove_task_definitions", "arns": arns})

    assert refused.value.status == 400
    assert "arns" in refused.value.error
    assert "arns must be" in refused.value.hint


NO_BRANCHES = [
    *("@{-1}", "@", "HEAD~1", "a:b", "+a:b", "a@{1}", "^a", "a*", "a?", "[a]", "a\\b"),
    *("-x", "--upload-pack=x", "/a", "a/", "a//b", ".a", "a/.b", "a.", "a.lock", "a.lock/b"),
    *("a\nb", "a\tb", "a\x9bb", "a\u2028b", "a b", "a..b", "x" * 256),
]


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"command": ["true"]}, "command"),
        ({"command": "\n\t "}, "command"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"timeout_seconds": True}, "timeout_seconds"),
        ({"timeout_seconds": 1.5}, "timeout_seconds"),
        ({"timeout_seconds": "60"}, "timeout_seconds"),
        ({"timeout_seconds": 7 * 24 * 3600 + 1}, "timeout_seconds"),
        ({"image": "-alpine"}, "image"),
        ({"image": "alpine latest"}, "image"),
        ({"image": "a" * 513}, "image"),
        ({"branch": "--upload-pack=x"}, "branch"),
        ({"branch": "a..b"}, "branch"),
        ({"branch": "a b"}, "branch"),
        ({"branch": ""}, "branch"),
        *(({"branch": branch}, "branch") for branch in NO_BRANCHES),
        ({"workdir": ""}, "workdir"),
        ({"workdir": "a\nb"}, "workdir"),
        ({"env": {"A B": "x"}}, "env"),
        ({"env": {"": "x"}}, "env"),
        ({"env": {"A=B": "x"}}, "env"),
        ({"env": {"A\n": "x"}}, "env"),
        ({"env": {"É": "x"}}, "env"),
        ({"env": {"A[0]": "x"}}, "env"),
        ({"env": {"A;id": "x"}}, "env"),
        ({"env": {"MYCLI_COMMAND": "x"}}, "MYCLI_"),
        ({"env": {"A": "\x00"}}, "env.A"),
        ({"env": {"A": None}}, "env.A"),
        ({"env": {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "x"}}, "AWS_CONTAINER_"),
        ({"env": {"ECS_CONTAINER_METADATA_URI_V4": "x"}}, "ECS_CONTAINER_"),
        ({"request_id": "short"}, "request_id"),
        ({"request_id": "a/b/c/d/e"}, "request_id"),
        ({"cpu": 300, "memory": 512}, "cpu"),
        ({"cpu": 256, "memory": 4096}, "memory"),
        ({"memory": 512}, "cpu"),
        ({"arch": "ARM64"}, "arch"),
        ({"arch": "amd64"}, "arch"),
        ({"arch": 64}, "arch"),
    ],
)
def test_a_refusal_names_the_field_and_what_is_allowed(fields: dict[str, Any], name: str) -> None:
    with pytest.raises(WireError) as refused:
        request_from_json({"action": "exec", "command": "true", "skip_git": True, **fields})

    assert refused.value.status == 400
    assert name in refused.value.error
    assert refused.value.hint


@pytest.mark.parametrize(
    "workdir",
    ["..", "../..", "./..", "a/../../b", "a//../..", "a/b/../../../c", "/", "/etc", "//etc", "/.."],
)
def test_a_workdir_is_in_the_repository_where_there_is_one(workdir: str) -> None:
    body = {"action": "exec", "command": "true", "workdir": workdir}
    with pytest.raises(WireError) as refused:
        request_from_json({**body, "repo": "https://github.com/user/repo"})

    assert refused.value.error.startswith(f"invalid request: workdir is {workdir!r}, outside")
    request_from_json({**body, "skip_git": True})  # of the image, it may be any


@pytest.mark.parametrize("workdir", [".", "a", "a/..", "a/../b", "..a", "a/...", "-a", "a b"])
def test_every_folder_of_a_repository_can_be_the_workdir(workdir: str) -> None:
    repo = "https://github.com/user/repo"
    assert ExecRequest(command="true", repo=repo, workdir=workdir).workdir == workdir


def test_both_sides_refuse_the_same() -> None:
    with pytest.raises(WireError, match="branch"):
        ExecRequest(command="true", skip_git=True, branch="-x")


@settings(max_examples=60)
@given(branch=st.text("ab-./@{}~^:?*[\\ \t\x7f\x9f…", min_size=1, max_size=6) | st.text(max_size=8))
@example(branch="a.lock")
def test_git_takes_every_branch_that_is_taken(branch: str) -> None:
    read = read_or_refusal(
        {"action": "exec", "command": "true", "skip_git": True, "branch": branch}
    )
    by_git = ["git", "check-ref-format", f"refs/heads/{branch}"]

    if not isinstance(read, WireError):
        assert not branch.startswith("-")
        assert subprocess.run(by_git, check=False).returncode == 0


@pytest.mark.parametrize("name", ["execution_id", "task_arn"])
def test_an_execution_is_named_by_exactly_one_name(name: str) -> None:
    both = {
        "execution_id": "6ab13b80ffff",
        "task_arn": f"arn:aws:ecs:us-east-1:123456789012:task/mycli-cluster/{'0' * 32}",
    }
    StatusRequest.from_json({name: both[name]})

    for fields in ({}, both):
        with pytest.raises(WireError, match="execution_id or task_arn required"):
            StatusRequest.from_json(fields)


@pytest.mark.parametrize("status", ["stopped", "STOPPED", "Stopped"])
def test_a_status_is_meant_in_any_case(status: str) -> None:
    assert ListRequest(status=status).status == "STOPPED"


@pytest.mark.parametrize(
    ("repo", "protocol"),
    [
        ("https://github.com/user/repo", "https"),
        ("https://github.com/user/repo.git", "https"),
        ("http://127.0.0.1:8080/x", "http"),
        ("https://[::1]:8443/x", "https"),
        ("ssh://git@host/x", "ssh"),
        ("git@github.com:user/repo.git", "ssh"),
        ("host:path/to/repo", "ssh"),
        ("git@host:/srv/repo.git", "ssh"),
        ("git@host:~user/repo.git", "ssh"),
        ("ssh://first.last@gerrit.example:29418/repo", "ssh"),
        ("ssh://user@example.com@source.developers.google.com:2022/p/x", "ssh"),
        ("https://github.com/user/répo", "https"),
        ("file:///srv/repo.git", "file"),
    ],
)
def test_the_protocol_that_git_will_use(repo: str, protocol: str) -> None:
    assert repo_protocol(repo) == protocol


@pytest.mark.parametrize(
    "repo",
    [
        "",
        "/srv/repo",
        "./repo",
        "repo",
        "-u",
        "--upload-pack=touch /tmp/x",
        "ext::sh -c id",
        "fd::17",
        "https://host/a b",
        "https://host/\n",
        "https://",
        "https:///path",
        "https://host:port/x",
        "https://host:0/x",
        "https://[::1/x",
        "host::path",
        "::path",
        "ftp://host/x",
        "javascript://host/x",
        "https://token@github.com/x",
        "https://user:token@github.com/x",
        "https://@github.com/x",
        "ssh://git:password@host/x",
        "-oProxyCommand=x@host:path",
        "ssh://-oProxyCommand=x/path",
        "ssh://-oProxyCommand=x@host/path",
        "ssh://git@-oProxyCommand=x/path",
        "git@-oProxyCommand=x:path",
        "ssh://%2doProxyCommand=x/path",
        "ssh://git%40host/path",
        "git@host:-x",
        "git@host:--upload-pack=x",
        "EXT::sh -c id",
        "Ext::sh",
        "HTTPS://host/x",
        "File:///srv/repo",
        "file://host/srv/repo",
        "file:///srv/\u202erepo",
        "file:/srv/repo",
        "https:/host/x",
        "git@host://x",
        "https://host:65536/x",
        "https://host:8\u0660/x",
        "https://b\u00fccher.example/x",
        "https://github\u3002com/x",
        "https://github.com\u2044x/y",
        "https://github.com\\@evil.example/x",
        "https://host/\x9bx",
        "https://host/x\u2028y",
        "https://host/x\u200by",
        "https://host\tx/y",
        " https://host/x",
        "https://host#x",
        "https://host?x",
        "user:token@host:path",
        "https://user%3Atoken%40github.com/x",
        "ssh://user:@host/x",
    ],
)
def test_an_address_that_git_could_take_for_something_else_is_refused(repo: str) -> None:
    with pytest.raises(WireError) as refused:
        repo_protocol(repo)

    assert refused.value.status == 400


@pytest.mark.parametrize(
    "repo",
    [
        "https://user:hunter2@host/x",
        "https://hunter2@host/x",
        "ssh://git:hunter2@host/x",
        "https://user:hunter2/3@host/x",
        "https:/user:hunter2@host/x",
        "HTTPS://user:hunter2@host/x",
        "https://user%3Ahunter2%40host/x",
        "user:hunter2@host:path/x",
        "https://user:\nhunter2@host/x",
    ],
)
def test_a_refusal_does_not_repeat_a_token(repo: str) -> None:
    with pytest.raises(WireError) as refused:
        repo_protocol(repo)
    with pytest.raises(WireError) as malformed:
        repo_protocol(repo.replace("/x", "/x y"))

    assert "hunter2" not in str(refused.value.to_json())
    assert "hunter2" not in str(malformed.value.to_json())


@pytest.mark.parametrize(
    ("repo", "stripped"),
    [
        ("https://user:token@host/x", "https://host/x"),
        ("https://token@host:8443/x", "https://host:8443/x"),
        ("https://a@b@host/x", "https://host/x"),
        ("ssh://git:password@host/x", "ssh://git@host/x"),
        ("ssh://git@host/x", "ssh://git@host/x"),
        ("git@host:x", "git@host:x"),
        ("https://host/x@y", "https://host/x@y"),
        ("https://host/x", "https://host/x"),
    ],
)
def test_credentials_are_taken_out_of_an_address(repo: str, stripped: str) -> None:
    assert strip_credentials(repo) == stripped


def test_every_pair_that_fargate_takes_is_accepted_and_no_other() -> None:
    accepted = 0
    for cpu in FARGATE_MEMORY:
        for memory in range(512, 122_880 + 1, 512):
            try:
                check_fargate_size(cpu, memory)
                accepted += 1
            except WireError:
                assert memory not in FARGATE_MEMORY[cpu]

    assert accepted == sum(len(memory) for memory in FARGATE_MEMORY.values())


@given(EXECUTION_IDS, TEXT, st.integers(0, 255))
def test_the_end_marker_is_found_behind_any_output(
    execution_id: str, output: str, exit_code: int
) -> None:
    line = output + end_marker(execution_id, exit_code)

    assert split_end_marker(execution_id, line) == (output, exit_code)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "output",
        begin_marker("6ab13b80ffff"),
        "[mycli 6ab13b80ffff] exit code .",
        "[mycli 6ab13b80ffff] exit code 1234.",
        "[mycli 6ab13b80ffff] exit code 0. And more",
        "[mycli 6ab13b80ffff] exit code 0!",
        "[mycli 000000000000] exit code 0.",
        "[mycli 6ab13b80ffff] exit code ٣.",
    ],
)
def test_no_other_line_is_an_end_marker(line: str) -> None:
    assert split_end_marker("6ab13b80ffff", line) is None


@given(EXECUTION_IDS, TEXT, st.integers(0, 255))
def test_no_part_of_an_end_marker_is_one(execution_id: str, output: str, exit_code: int) -> None:
    marker = end_marker(execution_id, exit_code)

    for cut in range(1, len(marker)):
        assert split_end_marker(execution_id, output + marker[:cut]) is None
        assert split_end_marker(execution_id, marker[cut:]) is None


@pytest.mark.parametrize("action", sorted(REQUESTS))
def test_every_request_says_its_action(action: str) -> None:
    assert REQUESTS[action].action == action


def test_a_request_cannot_be_changed() -> None:
    request = cast("Any", ListRequest())

    with pytest.raises(dataclasses.FrozenInstanceError):
        request.limit = 5
