"""Where secrets go: one canary for each, and a search of every place that it could have come to.

A stack has a token for GitHub, one for GitLab and an SSH key. Its user clones with the one, is
refused with the other, gives a variable, and makes every mistake with --debug.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from mycli.local.clients import clients_of
from mycli.local.place import Account
from tests.e2e.conftest import Machine, Ran
from tests.git_server import make_repository, serve
from tests.local.conftest import until

# Every secret, and the places that have it, no more and no fewer: a search that does not find it
# where it belongs would not find it elsewhere.
MAY_BE: Mapping[str, set[str]] = {
    "GitHub token": set(),
    "GitLab token": set(),
    "SSH key": set(),
    "API key": {"file config.yaml", "terminal of init"},
    "daemon secret": {"file config.yaml", "file local/account.json"},
    "secret access key": {"file local/account.json"},
    "variable": {
        "environment of the command",
        "environment of the task's shell",
        "DescribeTasks",  # on AWS, too: values are in the overrides
    },
}

TRACED = ("GIT_TRACE=1", "GIT_TRACE_CURL=1", "GIT_CURL_VERBOSE=1", "GIT_TRACE_PACKET=1")
WAIT = "touch running; until [ -e go ]; do sleep 0.05; done; ./hello.sh; git fetch"


@dataclass
class Search:
    """The secrets, and the contents of all places by their names."""

    secrets: dict[str, str]
    places: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def look(self, place: str, content: bytes | str) -> None:
        content = content.encode() if isinstance(content, str) else content
        self.places[place] = self.places.get(place, b"") + b"\n" + content

    def found(self, secret: str) -> set[str]:
        forms = forms_of(self.secrets[secret].encode())
        return {
            place
            for place, content in self.places.items()
            if any(form in content for form in forms)
        }


def forms_of(secret: bytes) -> list[bytes]:
    """As it is, in hex, and within any base64: there it has three forms, by where it begins."""
    encoded: list[bytes] = []
    for before in range(3):
        whole = base64.b64encode(bytes(before) + secret)
        # The first characters hold bits of what stands before, the last of what comes after.
        encoded.append(whole[(before * 8 + 5) // 6 : -4])
    return [secret, secret.hex().encode(), secret.hex().upper().encode(), *encoded]


def test_a_secret_is_found_in_its_forms() -> None:
    secret, search = b"canary-1234567890", Search({"it": "canary-1234567890"})
    search.look("raw", b"{" + secret + b"}")
    search.look("hex", (b"x" + secret).hex())
    for before in range(4):
        search.look(f"base64 {before}", base64.b64encode(b"user:token"[:before] + secret + b"more"))
    search.look("other", b"canary-0987654321")
    assert search.found("it") == search.places.keys() - {"other"}


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Search:
    """All that a stack and its user leave behind, looked through."""
    root = tmp_path_factory.mktemp("secrets")
    for name in ("folder", "tmp", "git", "other"):
        (root / name).mkdir()
    canary = {name: f"{name[:3]}{secrets.token_hex(20)}" for name in MAY_BE}
    environment = {"OF_USER": canary["variable"], "TMPDIR": str(root / "tmp")}
    user = Machine(root / "home", root / "folder", environment)
    seen: list[str] = []
    make_repository(root / "git" / "sample.git")
    make_repository(root / "other" / "sample.git")
    with (
        serve(root / "git", f"oauth2:{canary['GitLab token']}", seen=seen) as gitlab,
        serve(root / "other", "x-access-token:another", seen=seen) as github,
    ):
        search = Search(canary)
        hosts = {"gitlab": gitlab.split("/")[2], "github": github.split("/")[2]}
        init(user, search, hosts)
        try:
            execution = clone(user, search, f"{gitlab}/sample.git")
            for url in (f"{github}/sample.git", f"{gitlab}/missing.git", "ssh://git@127.0.0.1:1/x"):
                ran = type_in(user, search, "exec", "-f", *variables(), "--repo", url, "true")
                assert ran.code == 125, ran
            make_mistakes(user, search, execution)
            look_into_account(user, search)
            find_it_stopped(user, search, execution)
            look_at_files(user, search)
        finally:
            type_in(user, search, "destroy", "--force")
    used = {credentials.partition(":")[2] for credentials in seen}
    assert used == {canary["GitLab token"], canary["GitHub token"]}, "the clones did use them"
    return search


def type_in(user: Machine, search: Search, *words: str, stdin: str = "") -> Ran:
    ran = user.run("--debug", *words, stdin=stdin)
    search.look(f"terminal of {words[0]}", ran.stdout + ran.stderr)
    return ran


def variables() -> list[str]:
    """The one of the user, whose value is not typed, and what makes git talk."""
    return [word for name in ("OF_USER", *TRACED) for word in ("--env", name)]


def init(user: Machine, search: Search, hosts: Mapping[str, str]) -> None:
    """Make the stack; what is drawn at random then is known afterwards."""
    given = search.secrets
    kind = "OPENSSH PRIVATE KEY-----"
    key = f"-----BEGIN {kind}\n{given['SSH key']}\n-----END {kind}"
    words = ["init", "--local", "--force", "--runtime", "process"]
    for name, text in (("ssh-key", key), ("github-token", given["GitHub token"])):
        file = user.folder / name
        file.write_text(text)
        words += [f"--{name}-file", str(file)]
    words += ["--gitlab-token-file", "-"]
    words += [word for name, host in hosts.items() for word in (f"--{name}-host", host)]
    made = type_in(user, search, *words, stdin=given["GitLab token"])
    assert made.code == 0, made
    profile = yaml.safe_load((user.home / "config.yaml").read_text())
    given["API key"], given["daemon secret"] = profile["api_key"], profile["daemon_secret"]
    given["secret access key"] = account(user).secret_access_key


def account(user: Machine) -> Account:
    return Account(**json.loads((user.home / "local" / "account.json").read_text()))


def clone(user: Machine, search: Search, url: str) -> str:
    """A clone that works, and a look around while its command runs; the execution's id."""
    with user.start("--debug", "exec", "-f", *variables(), "--repo", url, WAIT) as following:
        [running] = until(lambda: list(user.home.glob("local/tasks/*/workspace/**/running")))
        look_at_processes(user, search)
        look_at_files(user, search)
        assert (
            f"file {(running.parent / '.git' / 'config').relative_to(user.home)}" in search.places
        )
        (running.parent / "go").touch()
        out, err = following.communicate(timeout=60)
    search.look("terminal of exec", out + err)
    assert b"hello from the repository\n" in out, (out, err)
    return user.json("list")["executions"][0]["execution_id"]


def make_mistakes(user: Machine, search: Search, execution: str) -> None:
    """Every verb, and what it says when it cannot."""
    for words in (
        ("status", execution),
        ("status", "000000000000"),
        ("status", "no-id"),
        ("logs", execution),
        ("logs", "-f", "--raw", execution),
        ("stop", execution),
        ("list", "--json"),
        ("exec", "--skip-git", "--env", "OF_USER", "--env", "MYCLI_X=1", "true"),
        ("exec", "--skip-git", "--env", "OF_USER", "--cpu", "7", "true"),
        ("local", "status"),
        ("local", "logs"),
    ):
        type_in(user, search, *words)
    key = search.secrets["API key"]
    assert type_in(user, search, "configure", stdin=key).code == 0
    assert type_in(user, search, "configure", stdin=key[:-1]).code == 2
    assert type_in(user, search, "configure", stdin=key[:-4] + "0000").code == 125


def find_it_stopped(user: Machine, search: Search, execution: str) -> None:
    assert type_in(user, search, "local", "stop").code == 0
    for words in (("exec", "--skip-git", *variables(), "true"), ("status", execution)):
        assert type_in(user, search, *words).code == 125
    key = search.secrets["API key"]
    assert type_in(user, search, "configure", stdin=key).code == 125
    assert type_in(user, search, "local", "start").code == 0


def look_at_processes(user: Machine, search: Search) -> None:
    """The daemon, and all that descends from it."""
    daemon = int((user.home / "local" / "daemon.lock").read_text())
    parents = {int(path.name): parent_of(path) for path in Path("/proc").glob("[0-9]*")}
    for pid in parents:
        ancestors = [pid]
        while parent := parents.get(ancestors[-1]):
            ancestors.append(parent)
        if daemon not in ancestors:
            continue
        arguments = read(Path(f"/proc/{pid}/cmdline"))
        environment = read(Path(f"/proc/{pid}/environ"))
        search.look("arguments of a process", arguments)
        search.look(f"environment of {role(pid == daemon, arguments, environment)}", environment)
    for of in ("daemon", "function", "supervisor", "task's shell", "command"):
        assert search.places[f"environment of the {of}"] or of == "supervisor"


def role(is_daemon: bool, arguments: bytes, environment: bytes) -> str:
    if is_daemon:
        return "the daemon"
    if b"_worker.py" in arguments:
        return "the function"
    if b"supervisor.py" in arguments:
        return "the supervisor"
    return "the command" if b"\0OF_USER=" in b"\0" + environment else "the task's shell"


def parent_of(process: Path) -> int:
    return int((read(process / "stat").rpartition(b")")[2].split() or [0, 0])[1])


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has just ended
        return b""


def look_at_files(user: Machine, search: Search) -> None:
    """Everything below the home, and below the folder for temporary files."""
    for path in user.home.rglob("*"):
        if path.is_file():
            search.look(f"file {path.relative_to(user.home)}", read(path))
    left = [path for path in Path(user.env["TMPDIR"]).rglob("*") if path.is_file()]
    search.look("temporary files", b"\n".join(map(read, left)))


def look_into_account(user: Machine, search: Search) -> None:
    """What AWS would show to those who may look."""
    clients = clients_of(account(user))
    ecs, logs = clients("ecs"), clients("logs")
    definitions = [
        ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
        for page in ecs.get_paginator("list_task_definitions").paginate()
        for arn in page["taskDefinitionArns"]
    ]
    assert any("secrets" in item["containerDefinitions"][0] for item in definitions)
    search.look("definitions", dump(definitions))
    records = clients("dynamodb").scan(TableName="mycli-executions")["Items"]
    assert len(records) >= 4
    search.look("records", dump(records))
    arns = [item["task_arn"]["S"] for item in records if "task_arn" in item]
    tasks = ecs.describe_tasks(cluster="mycli-cluster", tasks=arns)["tasks"]
    search.look("DescribeTasks", dump(tasks))
    for group in logs.describe_log_groups()["logGroups"]:
        events = logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
        assert events
        search.look(f"log {group['logGroupName']}", "\n".join(item["message"] for item in events))
    function = clients("lambda").get_function(FunctionName="mycli-orchestrator")
    search.look("configuration of the function", dump(function["Configuration"]))


def dump(document: Any) -> str:
    return json.dumps(document, default=str)


@pytest.mark.parametrize("secret", MAY_BE)
def test_a_secret_is_nowhere_but_where_it_belongs(search: Search, secret: str) -> None:
    assert search.found(secret) == MAY_BE[secret]
