"""What is proved of a stack, one function a check: it returns what was seen, or raises Failed."""

from __future__ import annotations

import re
import secrets
import tempfile
import time
from typing import Any

from tests.aws_smoke.run import Failed, Smoke, same

# Mirrors in AWS: Docker Hub limits anonymous pulls. One each for apt-get, apk and dnf.
MIRROR = "public.ecr.aws"
IMAGES = (
    f"{MIRROR}/docker/library/ubuntu:22.04",
    f"{MIRROR}/docker/library/alpine:3.20",
    f"{MIRROR}/amazonlinux/amazonlinux:2023",
)
QUOTED = 'it\'s "quoted" $HOME `id` $(id) ;|&<>* \\n é\nsecond line'
WAIT_SECONDS = 300.0


def init(smoke: Smoke) -> str:
    runtime = ["--runtime", "process"] if smoke.local else []
    words = ("init", "--force", "--stack-name", smoke.stack, "--image", IMAGES[0])
    made = smoke.document(*words, *smoke.where, *runtime)
    if not re.fullmatch(r"sk_live_[0-9a-f]{64}", made["api_key"] or ""):
        raise Failed("no API key was shown")
    smoke.api_key = made["api_key"]
    return f"{made['created']} resources in {made['region']}"


def init_again(smoke: Smoke) -> str:
    made = smoke.document("init", "--force", "--stack-name", smoke.stack, *smoke.where)
    same([made[what] for what in ("created", "updated", "deleted", "api_key")], [0, 0, 0, None])
    return "nothing changed, the key stayed"


def hello(smoke: Smoke) -> None:
    same(smoke.run("--skip-git", "echo hello"), "hello\n")


def image(smoke: Smoke, name: str) -> str:
    probe = "grep -E ^ID= /etc/os-release | tr -d '\"'"
    return smoke.run("--skip-git", "--image", name, probe).strip()


def git(smoke: Smoke, name: str) -> None:
    words = ("--repo", smoke.repository, "--image", name)
    same(smoke.run(*words, "test -d .git && echo cloned; exit 3", code=3), "cloned\n")


def exit_codes(smoke: Smoke) -> str:
    codes = (1, 42, 255)
    for code in codes:
        smoke.run("--skip-git", f"exit {code}", code=code)
    return ", ".join(map(str, codes))


def quoting(smoke: Smoke) -> None:
    words = ("--skip-git", "--env", f"A={QUOTED}", "--env", "MINE", 'printf "%s\\n" "$A" "$MINE"')
    same(smoke.run(*words, env={"MINE": "passed on"}), f"{QUOTED}\npassed on\n")


def timeout(smoke: Smoke) -> None:
    smoke.run("--skip-git", "--timeout", "5s", "sleep 300", code=124)


def missing_image(smoke: Smoke) -> str:
    name = f"{MIRROR}/docker/library/alpine:no-such-tag"
    words = ("exec", "--wait", "--profile", smoke.stack, "--skip-git", "--image", name, "true")
    said = smoke.expect(125, *words).stderr
    if "image" not in said.lower():
        raise Failed(f"it does not say that it is the image: {said[-300:]}")
    return said.strip().splitlines()[0][:100]


def stop(smoke: Smoke) -> str:
    name = start(smoke, "sleep 600")
    wait_for(smoke, name, "RUNNING")
    smoke.expect(0, "stop", "--profile", smoke.stack, "--reason", "smoke", name)
    ended = wait_for(smoke, name, "STOPPED")
    if ended.get("exit_code") == 0:
        raise Failed("what was stopped has exit code 0")
    return f"exit code {ended.get('exit_code')}"


def records(smoke: Smoke) -> str:
    """What was run stands in the records and in the log, also when all is over."""
    name = start(smoke, "echo first; echo second; exit 42")
    ended = wait_for(smoke, name, "STOPPED")
    same(ended["exit_code"], 42)
    profile = ("--profile", smoke.stack)
    same(smoke.expect(42, "logs", "-f", "--raw", *profile, name).stdout, "first\nsecond\n")
    listed = smoke.document("list", "--all", *profile)["executions"]
    if name not in [one["execution_id"] for one in listed]:
        raise Failed(f"{name} is not in the list")
    return f"{len(listed)} executions listed"


def cleanup(smoke: Smoke) -> str:
    """Each one that is old enough goes, or stays for a reason; an image works as before."""
    words = ("--older-than", "0s", "--force", "--profile", smoke.stack)
    done = smoke.document("cleanup-task-definitions", *words)
    kept = [one["arn"] for one in done["kept"]]
    same(sorted([*done["removed"], *kept]), sorted(one["arn"] for one in done["chosen"]))
    same(smoke.run("--skip-git", "--image", IMAGES[-1], "echo again"), "again\n")
    return f"{len(done['removed'])} removed, {len(kept)} just used"


def registry_login(smoke: Smoke) -> str:
    """ECS reads it: with one that Docker Hub does not take, no public image is pulled either."""
    words = ("registry-login", "docker.io", "--stack-name", smoke.stack, *smoke.where)
    made_up = ("--username", "mycli-smoke", "--password-stdin")
    smoke.expect(0, *words, *made_up, stdin=secrets.token_hex(16))
    if smoke.local:
        return "kept"
    public = ("--skip-git", "--image", "docker.io/library/alpine:3.20", "true")
    said = smoke.expect(125, "exec", "--wait", "--profile", smoke.stack, *public).stderr
    if "CannotPullContainer" not in said:
        raise Failed(f"it is not the login that was refused: {said[-300:]}")
    return "kept, and used by ECS"


def registry_logout(smoke: Smoke) -> None:
    where = ("--stack-name", smoke.stack, *smoke.where)
    same(smoke.document("registry-logout", "docker.io", *where)["registries"], [])


def leave_to_push(smoke: Smoke) -> str:
    """The function makes a repository, which goes with the stack."""
    told = smoke.script("import mycli; print(mycli.Client().authorize_push('app').repository_uri)")
    if not told.endswith(f"/{smoke.stack}/app"):
        raise Failed(f"another repository: {told}")
    return told


def once(smoke: Smoke) -> None:
    request = ("--request-id", secrets.token_hex(8))
    same(start(smoke, "echo once", *request), start(smoke, "echo once", *request))


def start(smoke: Smoke, command: str, *words: str) -> str:
    started = smoke.document("exec", "--profile", smoke.stack, "--skip-git", *words, command)
    return started["execution_id"]


def wait_for(smoke: Smoke, name: str, status: str) -> Any:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        seen = smoke.document("status", "--profile", smoke.stack, name)
        if seen["status"] == status:
            return seen
        if seen["status"] == "STOPPED" or time.monotonic() > deadline:
            raise Failed(f"{name} is {seen['status']}, and not {status}")
        time.sleep(0.2 if smoke.local else 3)


def another_machine(smoke: Smoke) -> None:
    """configure finds the stack in the account, given only the key."""
    region = ["--region", smoke.region] if smoke.region else []
    with tempfile.TemporaryDirectory(prefix="mycli-smoke-") as home:
        there = {"MYCLI_HOME": home, "MYCLI_API_KEY": smoke.api_key}
        smoke.expect(0, "configure", "--stack-name", smoke.stack, *region, env=there)
        smoke.expect(0, "list", "--profile", smoke.stack, env=there)


def update_function(smoke: Smoke) -> None:
    smoke.expect(0, "update-function", "--stack-name", smoke.stack, *smoke.where)


def doctor(smoke: Smoke) -> str:
    told = smoke.document("doctor", "--profile", smoke.stack)
    return f"{len(told['checks'])} checks"
