"""mycli exec: what it sends, what it says, and what it ends with."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Mycli
from tests.fake_endpoint import ARN, ID, STARTED, STATUS, Answer, FakeEndpoint, output_of

URL = "https://github.com/user/infra"


@pytest.fixture
def ready(configured: FakeEndpoint) -> FakeEndpoint:
    """An endpoint whose executions print `hello` and end with 0."""
    configured.says("exec", STARTED)
    configured.has_log(output_of(["hello"]))
    configured.says("status", STATUS)
    return configured


def test_it_returns_once_the_task_is_started(ready: FakeEndpoint, mycli: Mycli) -> None:
    Path(".mycli.yaml").write_text(f"repo: {URL}\nbranch: main\nimage: hashicorp/terraform:1.6\n")
    ran = mycli("exec", "terraform apply")
    assert ran.code == 0
    assert ran.err == (
        "→ Loaded configuration from .mycli.yaml\n"
        f"→ Repository: {URL} (from .mycli.yaml)\n"
        "→ Branch: main (from .mycli.yaml)\n"
        "→ Image: hashicorp/terraform:1.6 (from .mycli.yaml)\n"
        "→ Command: terraform apply\n"
        "→ Starting execution...\n"
        "→ Using cached task definition mycli-task-ubuntu:1\n"
        "✓ Execution started\n"
    )
    assert ran.out == (
        "\nExecution Details:\n"
        f"  Execution ID: {ID}\n"
        f"  Task ARN:     {ARN}\n"
        "  Log Stream:   task/executor/0123456789abcdef0123456789abcdef\n"
        "  Image:        ubuntu:22.04\n"
        "\n"
        "Monitor execution:\n"
        f"  mycli status {ID}\n"
        f"  mycli logs {ID}\n"
        f"  mycli logs -f {ID}  # follow it live\n"
    )
    assert ready.asked("logs") == []


def test_every_flag_is_sent(
    ready: FakeEndpoint, mycli: Mycli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN_OF_CALLER", "passed on")
    ran = mycli(
        *("exec", "--repo", URL, "--branch=dev", "--image", "python:3.13"),
        *("--env", "A=1", "--env", "B=x=y\nz", "--env", "TOKEN_OF_CALLER", "--env", "EMPTY="),
        *(
            "--timeout",
            "1m",
            "--workdir",
            "infra",
            "--cpu",
            "512",
            "--memory",
            "1024",
            "--arch",
            "arm64",
        ),
        *("--request-id", "build-4711", "--profile", "default", "make"),
    )
    assert ran.code == 0
    [asked] = ready.asked("exec")
    assert asked == {
        "action": "exec",
        "command": "make",
        "repo": URL,
        "branch": "dev",
        "image": "python:3.13",
        "env": {"A": "1", "B": "x=y\nz", "TOKEN_OF_CALLER": "passed on", "EMPTY": ""},
        "timeout_seconds": 60,
        "skip_git": False,
        "workdir": "infra",
        "cpu": 512,
        "memory": 1024,
        "arch": "arm64",
        "request_id": "build-4711",
    }
    assert "→ Environment: A, B, TOKEN_OF_CALLER, EMPTY\n" in ran.err
    assert "passed on" not in ran.out + ran.err
    assert f"mycli logs --profile default {ID}" in ran.out


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["echo hi && ls"], "echo hi && ls"),
        (["--", "echo hi"], "echo hi"),
        (["ls", "-la"], "ls -la"),
        (
            ["--", "printf", "%s|", "a b", "it's", "$HOME", ""],
            """printf '%s|' 'a b' 'it'"'"'s' '$HOME' ''""",
        ),
        (["grep", "-f", "x", "--json", "--", "-y"], "grep -f x --json -- -y"),
        (["--", "a program", "--branch", "x"], "'a program' --branch x"),
        (["--", "--version"], "--version"),
        (["true"], "true"),
    ],
)
def test_one_argument_is_a_shell_command_and_several_are_exact(
    words: list[str], command: str, ready: FakeEndpoint, mycli: Mycli
) -> None:
    ran = mycli("exec", "--skip-git", *words)
    assert ran.code == 0, ran
    assert ready.asked("exec")[0]["command"] == command


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--skip-git", "make all", "--branch", "dev"], "--branch stands behind the command"),
        (["--skip-git", "make all", "--timeout=5"], "--timeout stands behind"),
        (["--skip-git", "make all", "-f"], "-f stands behind"),
        (["--skip-git", "--repo", URL, "true"], "exclude each other"),
        (["--skip-git", "--env", "NOT_SET_HERE", "true"], "NOT_SET_HERE"),
        (["--skip-git", "--env", "1A=x", "true"], "'1A' is not a name for a variable"),
        (["--skip-git", "echo \udcff"], "the command is not UTF-8"),
        (["--skip-git", "--env", "A=\udcff", "true"], "--env A is not UTF-8"),
        (["--skip-git", "--env", "MYCLI_X=x", "true"], "reserved"),
        (["--skip-git", "--timeout", "0", "true"], "--timeout is '0'"),
        (["--skip-git", "--timeout", "99d", "true"], "--timeout is '99d'"),
        (["--skip-git", "--timeout", "7d1", "true"], "from 1s to 7d"),
        (["--skip-git", "--timeout", "5 m", "true"], "a time such as 90s, 5m or 2h"),
        (["--skip-git", "--timeout", "-5m", "true"], "--timeout"),
        (["--skip-git", "--cpu", "256", "true"], "--cpu needs --memory too"),
        (["--skip-git", "--cpu", "1024", "--memory", "512", "true"], "2048, 3072"),
        (["--skip-git", "--arch", "amd64", "true"], "--arch must be one of"),
        (["--skip-git", "--image", "-x", "true"], "--image is '-x'"),
        (["--skip-git", "--request-id", "x", "true"], "--request-id must be 8 to 64"),
        (["--skip-git", " "], "the command is empty"),
        (["--repo", "ext::sh -c x", "true"], "repo"),
        (["--repo", URL, "--branch", "-x", "true"], "--branch is '-x'"),
        (["--repo", URL, "--workdir", "../..", "true"], "--workdir is '../..', outside"),
        (["--repo", URL, "--workdir", "/etc", "true"], "--workdir is '/etc', outside"),
        (["true"], "which repository"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(
    words: list[str], said: str, ready: FakeEndpoint, mycli: Mycli
) -> None:
    ran = mycli("exec", *words)
    assert (ran.code, ran.out) == (2, ""), ran
    assert said in ran.err
    assert "Starting" not in ran.err
    assert "timeout_seconds" not in ran.err
    assert ready.seen == []


def test_what_cannot_be_is_told_by_where_it_stands(
    ready: FakeEndpoint, mycli: Mycli, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(".mycli.yaml").write_text(f"repo: {URL}\ntimeout: 0\n")
    assert "timeout in .mycli.yaml is 0" in mycli("exec", "true").err
    monkeypatch.setenv("MYCLI_TIMEOUT", "8d")
    assert "MYCLI_TIMEOUT is '8d'" in mycli("exec", "true").err
    monkeypatch.setenv("MYCLI_TIMEOUT", "7d")
    monkeypatch.setenv("MYCLI_ARCH", "amd64")
    assert "MYCLI_ARCH must be one of" in mycli("exec", "true").err
    monkeypatch.delenv("MYCLI_ARCH")
    assert mycli("exec", "true").code == 0
    assert ready.asked("exec")[0]["timeout_seconds"] == 604_800


def test_a_repository_in_the_file_gives_way_to_skip_git_and_back(
    ready: FakeEndpoint, mycli: Mycli
) -> None:
    Path(".mycli.yaml").write_text(f"repo: {URL}\nskip_git: true\n")
    mycli("exec", "true")
    mycli("exec", "--repo", URL, "true")
    first, second = ready.asked("exec")
    assert (first["skip_git"], "repo" in first) == (True, False)
    assert (second["skip_git"], second["repo"]) == (False, URL)


def test_where_git_gave_the_repository_its_warnings_are_told(
    ready: FakeEndpoint, mycli: Mycli
) -> None:
    subprocess.run(["git", "init", "--quiet", "--initial-branch=mine"], check=True)
    subprocess.run(["git", "remote", "add", "origin", URL], check=True)
    Path("new").write_text("new")
    ran = mycli("exec", "true")
    assert ran.code == 0, ran
    assert f"→ Repository: {URL} (from git)\n→ Branch: mine (from git)\n" in ran.err
    assert "! 1 file is not committed: what is not committed will not run\n" in ran.err
    assert "! branch mine is not on origin" in ran.err


def test_a_path_is_cloned_from_a_stack_on_this_machine(ready: FakeEndpoint, mycli: Mycli) -> None:
    assert mycli("exec", "--repo", ".", "true").code == 0
    assert ready.asked("exec")[0]["repo"] == Path.cwd().as_uri()


def test_a_long_or_strange_command_is_told_on_one_line(ready: FakeEndpoint, mycli: Mycli) -> None:
    script = "echo one\n\x1b[2Jecho two\n" + "x" * 5000
    ran = mycli("exec", "--skip-git", script)
    [line] = [line for line in ran.err.splitlines() if "Command" in line]
    assert line.startswith("→ Command: echo one\\n\\x1b[2Jecho two\\nxxx")
    assert len(line) < 220
    assert ready.asked("exec")[0]["command"] == script


def test_it_says_when_a_task_definition_is_registered_and_why(
    ready: FakeEndpoint, mycli: Mycli
) -> None:
    why = "the stack's template changed"
    registered = {"task_definition_cached": False, "task_definition_reason": why}
    ready.says("exec", {**STARTED, **registered})
    told = "→ Registered task definition mycli-task-ubuntu:1 (the stack's template changed)\n"
    assert told in mycli("exec", "--skip-git", "x").err
    assert told in mycli("exec", "-f", "--skip-git", "x").err
    ran = mycli("exec", "--json", "--skip-git", "x")
    assert told in ran.err
    assert registered.items() <= json.loads(ran.out).items()


def test_a_named_image_is_shown_as_what_it_is(ready: FakeEndpoint, mycli: Mycli) -> None:
    named = {"image": "hashicorp/terraform:1.6", "image_name": "terraform"}
    ready.says("exec", {**STARTED, **named})
    ran = mycli("exec", "--skip-git", "--image", "terraform", "x")
    assert "  Image:        hashicorp/terraform:1.6 (named terraform)\n" in ran.out
    ran = mycli("exec", "--json", "--skip-git", "--image", "terraform", "x")
    assert named.items() <= json.loads(ran.out).items()


# --- Following -----------------------------------------------------------------------------------


def test_following_prints_the_output_and_ends_with_its_exit_code(
    ready: FakeEndpoint, mycli: Mycli
) -> None:
    ready.has_log(
        ["Cloning..."], [*output_of(["one"], 7)[1:2], "one"], [output_of([], 7)[-1]], exit_code=7
    )
    ran = mycli("exec", "-f", "--skip-git", "make")
    assert ran.code == 7
    assert ran.out == "one\n"
    assert "Cloning...\n" in ran.err
    assert f"Execution ID: {ID}" in ran.err
    assert "Command failed with exit code 7" in ran.err


@pytest.mark.parametrize("code", [0, 1, 124, 125, 127, 137, 143, 255])
def test_the_exit_code_comes_back(code: int, ready: FakeEndpoint, mycli: Mycli) -> None:
    ready.has_log(output_of([], code), exit_code=code)
    ready.says("status", {**STATUS, "exit_code": code})
    assert mycli("exec", "-f", "--skip-git", "x").code == code
    assert mycli("exec", "--wait", "--skip-git", "x").code == code


def test_output_is_passed_on_as_it_is(ready: FakeEndpoint, mycli: Mycli) -> None:
    lines = ["\x1b[31mred\x1b[0m", "", "  tabs\tand\rreturns", "Grüße 東京 🚀", "[bold]", " "]
    ready.has_log(output_of(lines))
    assert mycli("exec", "-f", "--skip-git", "x").out == "".join(f"{line}\n" for line in lines)


def test_waiting_prints_no_output(ready: FakeEndpoint, mycli: Mycli) -> None:
    running = {**STATUS, "status": "RUNNING", "exit_code": None}
    ready.says("status", running, {**STATUS, "exit_code": 3})
    ran = mycli("exec", "--wait", "--skip-git", "x")
    assert (ran.code, ran.out) == (3, "")
    assert "hello" not in ran.err


@pytest.mark.parametrize("flag", ["-f", "--wait"])
def test_one_that_never_ran_is_a_failure_with_its_reason(
    flag: str, ready: FakeEndpoint, mycli: Mycli
) -> None:
    why = "CannotPullContainerError: no such image"
    ready.has_log([], exit_code=None)
    ready.says("status", {**STATUS, "exit_code": None, "stopped_reason": why})
    ran = mycli("exec", flag, "--skip-git", "x")
    assert (ran.code, ran.out) == (125, "")
    assert why in ran.err
    under_json = mycli("exec", flag, "--json", "--skip-git", "x")
    document = json.loads(under_json.out)
    assert under_json.code == 125
    assert document["execution_id"] == ID
    assert document["exit_code"] is None
    assert why in document["error"]


def test_as_json(ready: FakeEndpoint, mycli: Mycli) -> None:
    ran = mycli("exec", "--json", "--skip-git", "x")
    assert ran.code == 0
    assert json.loads(ran.out) == STARTED
    ready.has_log(output_of(["hello"], 7), exit_code=7)
    ran = mycli("exec", "--json", "-f", "--skip-git", "x")
    assert ran.code == 7
    document = json.loads(ran.out)
    assert (document["execution_id"], document["exit_code"]) == (ID, 7)
    assert "status" not in document
    assert "hello\n" in ran.err


def test_a_refusal(ready: FakeEndpoint, mycli: Mycli) -> None:
    refused = {"error": "the overrides are 812 characters over 8192", "hint": "shorten"}
    ready.says("exec", Answer(refused, status=413))
    ran = mycli("exec", "--skip-git", "x")
    assert (ran.code, ran.out) == (2, "")
    assert "8192" in ran.err
    assert json.loads(mycli("exec", "--json", "--skip-git", "x").out) == refused


def test_throttling_is_told_while_it_waits(ready: FakeEndpoint, mycli: Mycli) -> None:
    busy = Answer({"error": "AWS throttles RunTask"}, status=429, headers={"Retry-After": "0"})
    ready.says("exec", busy, busy, STARTED)
    ran = mycli("exec", "--skip-git", "x")
    assert ran.code == 0
    assert ran.err.count("! AWS throttles RunTask: trying again in") == 2
    assert len({asked["request_id"] for asked in ready.asked("exec")}) == 1
