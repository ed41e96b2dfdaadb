from __future__ import annotations

import dataclasses
import json
import shlex
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import tasks
from orchestrator.wire import OVERRIDES_LIMIT, ExecRequest, WireError
from tests.orchestrator.conftest import START, Account, Hooks, make_template, task_event

REPO = "https://github.com/user/repo"


def environment_of(body: dict[str, Any]) -> dict[str, str]:
    [container] = body["overrides"]["containerOverrides"]
    return {item["name"]: item["value"] for item in container["environment"]}


def test_a_first_execution_answers_all_that_a_client_needs(account: Account) -> None:
    answer = account.ok("exec", command="make test", repo=REPO)

    [task] = account.tasks()
    task_id = task["taskArn"].rpartition("/")[2]
    assert answer == {
        "execution_id": answer["execution_id"],
        "task_arn": task["taskArn"],
        "status": "starting",
        "log_stream": f"task/executor/{task_id}",
        "created_at": "2026-09-21T14:13:20Z",
        "image": "ubuntu:22.04",
        "image_name": None,
        "task_definition": task["taskDefinitionArn"],
        "task_definition_cached": False,
        "task_definition_reason": "first use of this image",
    }
    assert answer["execution_id"][:8] == f"{START:08x}"
    assert len(answer["execution_id"]) == 12


def test_run_task_is_asked_for_exactly_this(account: Account) -> None:
    answer = account.ok(
        "exec",
        command="terraform apply",
        repo=REPO,
        branch="dev",
        image="hashicorp/terraform:1.6",
        env={"B": "it's", "A": "$HOME\n`x`"},
        timeout_seconds=60,
        workdir="infra/prod",
        cpu=512,
        memory=1024,
    )

    [body] = account.run_task_bodies
    settings = account.runtime.settings
    overrides = body.pop("overrides")
    assert body == {
        "cluster": "mycli-cluster",
        "taskDefinition": answer["task_definition"],
        "count": 1,
        "clientToken": answer["execution_id"],
        "startedBy": answer["execution_id"],
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": list(settings.subnets),
                "securityGroups": [settings.security_group],
                "assignPublicIp": "ENABLED",
            }
        },
        "tags": [
            {"key": "mycli:stack", "value": "mycli"},
            {"key": "ExecutionID", "value": answer["execution_id"]},
            {"key": "Repo", "value": REPO},
        ],
    }
    [container] = overrides.pop("containerOverrides")
    assert overrides == {"cpu": "512", "memory": "1024"}
    assert (container["name"], container["cpu"], container["memory"]) == ("executor", 512, 1024)
    assert {item["name"]: item["value"] for item in container["environment"]} == {
        "MYCLI_EXECUTION_ID": answer["execution_id"],
        "MYCLI_COMMAND": "terraform apply",
        "MYCLI_TIMEOUT_SECONDS": "60",
        "MYCLI_IMAGE": "hashicorp/terraform:1.6",
        "MYCLI_REPO": REPO,
        "MYCLI_BRANCH": "dev",
        "MYCLI_WORKDIR": "infra/prod",
        "MYCLI_ENV": "export A='$HOME\n`x`'\nexport B='it'\"'\"'s'",
        "MYCLI_ENV_NAMES": "A B",
    }


def test_the_capacity_is_what_the_cluster_says(account: Account) -> None:
    account.start()

    assert "launchType" not in account.run_task_bodies[0]
    assert account.tasks()[0]["capacityProviderName"] == "FARGATE_SPOT"


def test_without_git_no_repository_reaches_the_task(account: Account) -> None:
    account.ok("exec", command="true", repo=REPO, branch="dev", skip_git=True)

    [body] = account.run_task_bodies
    assert not {"MYCLI_REPO", "MYCLI_BRANCH"} & set(environment_of(body))
    assert "Repo" not in {tag["key"] for tag in body["tags"]}


@given(
    env=st.dictionaries(
        st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True).filter(
            lambda name: (
                not name.startswith(("MYCLI_", "ECS_", "AWS_", "LC_", "PATH", "PWD", "IFS"))
            )
        ),
        st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=30),
        min_size=1,
        max_size=4,
    )
)
def test_the_users_values_survive_the_shell(env: dict[str, str]) -> None:
    request = ExecRequest(command="true", skip_git=True, env=env)
    sent = environment_of({"overrides": tasks.overrides(request, "0" * 12, "alpine", None)})

    names = " ".join(f'"${name}"' for name in env)
    printed = subprocess.run(
        ["/bin/sh", "-c", f"{sent['MYCLI_ENV']}\nprintf '%s\\0' {names}"],
        stdout=subprocess.PIPE,
        check=True,
        env={},
    ).stdout.decode()

    assert printed.split("\0")[:-1] == list(env.values())
    assert sent["MYCLI_ENV_NAMES"].split() == sorted(env)


@given(padding=st.integers(-3, 3), filler=st.sampled_from(["a", '"', "é", "\n", "😀"]))
def test_the_limit_counts_the_json_that_is_sent(padding: int, filler: str) -> None:
    def json_of(command: str) -> int:
        return len(json.dumps(tasks.overrides(request_of(command), "0" * 12, "alpine", None)))

    def request_of(command: str) -> ExecRequest:
        return ExecRequest(command=command, skip_git=True)

    each = len(json.dumps(filler)) - 2
    room = OVERRIDES_LIMIT + padding - json_of("x")
    command = "x" + filler * (room // each) + "y" * (room % each)

    if padding <= 0:
        assert json_of(command) == OVERRIDES_LIMIT + padding
    else:
        with pytest.raises(WireError, match=rf"too large for ECS by {padding} characters") as over:
            json_of(command)
        assert over.value.status == 413


def test_overrides_that_are_too_large_are_refused_before_anything_is_done(
    account: Account,
) -> None:
    status, answer = account.ask("exec", command="x" * 9000, skip_git=True)

    assert status == 413
    assert "too large" in answer["error"]
    assert account.calls == []


def test_a_script_of_5000_plain_characters_fits(account: Account) -> None:
    script = "\n".join(["echo one line of a script, as people write them"] * 105)[:5000]

    account.ok("exec", command=script, repo=REPO)

    assert environment_of(account.run_task_bodies[0])["MYCLI_COMMAND"] == script


@pytest.mark.parametrize("repo", ["file:///etc", "http://host/repo"])
def test_what_no_task_of_this_stack_may_clone_is_refused_here(account: Account, repo: str) -> None:
    for _ in range(2):
        status, answer = account.ask("exec", command="true", repo=repo)

        assert status == 400
        assert "do not clone over" in answer["error"]
        assert "https or ssh" in answer["hint"]
    assert account.calls == ["DescribeTaskDefinition"]


def test_the_stack_says_what_may_be_cloned(account: Account) -> None:
    allowed = [{"name": "MYCLI_GIT_PROTOCOLS", "value": "https:ssh:http:file"}]
    template = make_template(account.runtime.ecs, environment=allowed)
    account.runtime.settings = dataclasses.replace(account.runtime.settings, template=template)

    account.ok("exec", command="true", repo="file:///srv/repo.git")

    assert environment_of(account.run_task_bodies[0])["MYCLI_REPO"] == "file:///srv/repo.git"


@pytest.mark.parametrize(
    ("repo", "tag"),
    [
        ("https://host/" + "x" * 300, ("https://host/" + "x" * 300)[:256]),
        ("https://host/a~b?c=d&e", "https://host/a_b_c=d_e"),
        ("git@host:repo", "git@host:repo"),
        ("https://host/é", "https://host/é"),
    ],
)
def test_the_tag_repo_is_cut_to_what_aws_allows(account: Account, repo: str, tag: str) -> None:
    account.ok("exec", command="true", repo=repo)

    assert {"key": "Repo", "value": tag} in account.run_task_bodies[0]["tags"]


def test_no_value_and_no_key_is_ever_stored(account: Account) -> None:
    account.start(env={"PASSWORD": "hunter2"}, request_id="a-request")

    stored = json.dumps(account.items())
    assert "hunter2" not in stored
    assert account.runtime.settings.api_key_hash not in stored


def test_the_record_is_there_before_the_task(account: Account, hooks: Hooks) -> None:
    seen: list[dict[str, Any]] = []
    hooks.watch("before-call.ecs.RunTask", lambda _: seen.extend(account.items()))

    answer = account.ok("exec", command="true", skip_git=True)

    [record] = seen
    assert record["execution_id"]["S"] == answer["execution_id"]
    assert record["task_definition"]["S"] == answer["task_definition"]
    assert record["status"]["S"] == "starting"
    assert record["month"]["S"] == "2026-09"
    assert int(record["expires_at"]["N"]) == START + 90 * 24 * 3600


def test_an_id_that_is_taken_is_drawn_again(account: Account) -> None:
    drawn = iter(["aaaa", "aaaa", "bbbb"])
    account.runtime.random_hex = lambda _: next(drawn)

    first, second = account.start(), account.start()

    assert (first[8:], second[8:]) == ("aaaa", "bbbb")
    assert len(account.tasks()) == 2


def test_a_stack_that_is_being_destroyed_starts_nothing(account: Account) -> None:
    account.runtime.dynamodb.put_item(
        TableName="mycli-executions", Item={"execution_id": {"S": "closing"}}
    )

    status, answer = account.ask("exec", command="true", skip_git=True, request_id="a-request")

    assert status == 409
    assert "being destroyed" in answer["error"]
    assert len(account.items()) == 1
    assert account.tasks() == []


def cancelled(*codes: str) -> dict[str, Any]:
    return {"CancellationReasons": [{"Code": code} for code in codes]}


def test_transactions_that_meet_are_tried_again(account: Account, hooks: Hooks) -> None:
    met = cancelled("TransactionConflict", "None")
    hooks.fail("dynamodb.TransactWriteItems", "TransactionCanceledException", **met)

    account.start()

    assert account.calls.count("TransactWriteItems") == 2


def test_transactions_that_always_meet_are_a_429(account: Account, hooks: Hooks) -> None:
    met = cancelled("TransactionConflict", "None")
    for _ in range(20):
        hooks.fail("dynamodb.TransactWriteItems", "TransactionCanceledException", **met)

    status, answer = account.ask("exec", command="true", skip_git=True)

    assert status == 429
    assert "at this moment" in answer["error"]
    assert START < account.clock.seconds < START + 1


def test_a_throttled_table_is_a_429(account: Account, hooks: Hooks) -> None:
    throttled = cancelled("ThrottlingError", "None")
    hooks.fail("dynamodb.TransactWriteItems", "TransactionCanceledException", **throttled)

    assert account.ask("exec", command="true", skip_git=True)[0] == 429


def refuse(code: str, message: str, status: int = 400) -> Callable[[Stubber], None]:
    def add(ecs: Stubber) -> None:
        ecs.add_client_error("run_task", code, message, http_status_code=status)

    return add


def fail(reason: str) -> Callable[[Stubber], None]:
    def add(ecs: Stubber) -> None:
        ecs.add_response("run_task", {"tasks": [], "failures": [{"reason": reason}]})

    return add


TRY_LATER = [
    refuse("ThrottlingException", "Rate exceeded"),
    fail("Capacity is unavailable at this time. Please try again later"),
    refuse("ClientException", "You've reached the limit on the number of tasks you can run"),
]
REFUSED = [
    refuse("AccessDeniedException", "the words of AWS"),
    refuse("InvalidParameterException", "the words of AWS"),
    fail("the words of AWS"),
]


@pytest.mark.parametrize("answer", TRY_LATER)
def test_what_may_work_later_is_a_429_and_works_later(
    account: Account, answer: Callable[[Stubber], None]
) -> None:
    account.start()
    exec_again = {"command": "true", "skip_git": True, "request_id": "a-request"}
    with Stubber(account.runtime.ecs) as ecs:
        answer(ecs)
        status, refused = account.ask("exec", **exec_again)
    assert status == 429, refused

    execution_id = account.ok("exec", **exec_again)["execution_id"]

    assert account.task_arn(execution_id)
    assert len(account.tasks()) == 2


@pytest.mark.parametrize("answer", REFUSED)
def test_a_refused_start_ends_with_the_words_of_aws(
    account: Account, answer: Callable[[Stubber], None]
) -> None:
    account.start()
    exec_again = {"command": "true", "skip_git": True, "request_id": "a-request"}
    with Stubber(account.runtime.ecs) as ecs:
        answer(ecs)
        status, refused = account.ask("exec", **exec_again)

    assert status == 502
    assert "the words of AWS" in refused["error"]
    [ended] = account.ok("list", status="STOPPED")["executions"]
    assert ended["exit_code"] is None
    assert "never started" in ended["stopped_reason"]
    assert "the words of AWS" in ended["stopped_reason"]

    status, repeated = account.ask("exec", **exec_again)
    assert status == 409
    assert "the words of AWS" in repeated["error"]
    assert len(account.tasks()) == 1


def test_run_task_that_answers_nothing_at_all_is_a_502(account: Account) -> None:
    account.start()
    with Stubber(account.runtime.ecs) as ecs:
        ecs.add_response("run_task", {"tasks": [], "failures": []})
        assert account.ask("exec", command="true", skip_git=True)[0] == 502


def test_a_fault_of_aws_leaves_the_execution_open(account: Account) -> None:
    account.start()
    with Stubber(account.runtime.ecs) as ecs:
        refuse("ServerException", "something broke", 500)(ecs)
        status, _ = account.ask("exec", command="true", skip_git=True)

    assert status == 502
    [open_one] = account.ok("list", status="starting")["executions"]
    assert open_one["stopped_reason"] is None


@pytest.mark.parametrize(
    "words",
    [
        "TaskDefinition is inactive",
        "TaskDefinition not found.",
        "Unable to find task definition: x",
    ],
)
def test_a_revision_that_is_gone_is_looked_up_again_once(
    account: Account, hooks: Hooks, words: str
) -> None:
    first = account.ok("exec", command="true", skip_git=True)
    account.runtime.ecs.deregister_task_definition(taskDefinition=first["task_definition"])
    hooks.fail("ecs.RunTask", "ClientException", words)

    second = account.ok("exec", command="true", skip_git=True)

    assert second["task_definition"].endswith("mycli-task-ubuntu-22-04:2")
    assert not second["task_definition_cached"]
    found = account.ok("status", execution_id=second["execution_id"])
    assert found["task_definition"] == second["task_definition"]


def test_a_revision_that_stays_gone_is_a_502(account: Account) -> None:
    answer = account.ok("exec", command="true", skip_git=True)
    with Stubber(account.runtime.ecs) as ecs:
        refuse("ClientException", "TaskDefinition is inactive")(ecs)
        described = {
            "taskDefinition": {
                "taskDefinitionArn": answer["task_definition"],
                "containerDefinitions": [
                    {"name": "executor", "image": "ubuntu:22.04", "entryPoint": ["/bin/sh", "-c"]}
                ],
                "cpu": "256",
                "memory": "512",
            },
            "tags": [{"key": "mycli:stack", "value": "mycli"}],
        }
        ecs.add_response("describe_task_definition", described)
        ecs.add_response("describe_task_definition", described)
        ecs.add_response("register_task_definition", described)
        refuse("ClientException", "TaskDefinition is inactive")(ecs)
        status, refused = account.ask("exec", command="true", skip_git=True)
        ecs.assert_no_pending_responses()

    assert status == 502
    assert "inactive" in refused["error"]
    assert len(account.ok("list", status="STOPPED")["executions"]) == 1


def test_a_task_that_runs_is_a_success_even_if_it_could_not_be_noted(
    account: Account, hooks: Hooks
) -> None:
    hooks.fail("dynamodb.UpdateItem", "ThrottlingException", "Rate exceeded")

    answer = account.ok("exec", command="true", skip_git=True)

    assert answer["task_arn"] == account.task_arn(answer["execution_id"])
    found = account.ok("status", task_arn=answer["task_arn"])  # the index does not know it
    assert found["execution_id"] == answer["execution_id"]


def test_a_task_that_ends_before_its_start_is_noted(account: Account, hooks: Hooks) -> None:
    ended = {"containers": [{"name": "executor", "exitCode": 4}]}
    unseen = iter([True])

    def end(_: str) -> None:
        if next(unseen, False):
            [task] = account.tasks()
            account.tell(task_event(task["startedBy"], task["taskArn"], "STOPPED", **ended))

    hooks.watch("before-call.dynamodb.UpdateItem", end)

    answer = account.ok("exec", command="exit 4", skip_git=True)

    found = account.ok("status", execution_id=answer["execution_id"])
    assert (found["status"], found["exit_code"]) == ("STOPPED", 4)
    assert "StopTask" not in account.calls


def test_the_log_says_whether_the_task_definition_was_there(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    def messages() -> list[str]:
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [line["message"] for line in lines if "message" in line]

    account.start()
    assert messages() == [
        "Registering new task definition mycli-task-ubuntu-22-04 (first use of this image)"
    ]
    account.start()
    assert messages() == ["Using cached task definition mycli-task-ubuntu-22-04:1"]


def test_quoting_is_that_of_the_standard_library() -> None:
    request = ExecRequest(command="true", skip_git=True, env={"A": "it's"})
    sent = environment_of({"overrides": tasks.overrides(request, "0" * 12, "alpine", None)})

    assert shlex.split(sent["MYCLI_ENV"]) == ["export", "A=it's"]
