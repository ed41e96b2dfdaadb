"""`make aws-smoke`: the whole of mycli on real AWS, in a stack of its own that goes at the end.

Whatever happens, a failure or Ctrl-C too, the stack is destroyed and the account is looked through
for anything left. `--local` runs the same checks in an account on this machine.
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.aws_smoke import checks
from tests.aws_smoke.run import Failed, Smoke, say
from tests.aws_smoke.sweep import Client, left, state_bucket

REPOSITORY = "https://github.com/octocat/Hello-World"
COST = """\
This makes a stack in your AWS account, runs about 20 short tasks in it, and destroys it.
  Fargate: 20 tasks of a minute or two, 0.25 vCPU and 512 MB, with public addresses  about $0.01
  Lambda, API Gateway, DynamoDB, logs, S3, Secrets Manager, ECR                      below $0.01
It takes about 15 minutes, and no more rights than `mycli init --print-policy` shows.
The first time, the engine and its aws plugin (800 MB) are fetched."""
AT_ONCE = 4
TRIES = 3  # of destroy
TIDY_SECONDS = 300.0  # for minutes the tagging API shows what is gone


def main() -> int:
    smoke = _parse()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not smoke.local and not _confirmed(smoke):
        shutil.rmtree(smoke.folder)
        say("Nothing was made.")
        return 1
    before = [] if smoke.local else state_bucket(_clients(smoke))
    say(f"\nThe stack {smoke.stack}, with a home of its own in {smoke.home}:")
    tidy = False
    try:
        _prove(smoke)
    except KeyboardInterrupt:
        smoke.note("everything else", "FAILED", 0, "interrupted")
    finally:
        # From here on Ctrl-C is not heard: what is made must go.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        tidy = smoke.check("destroy", lambda: _destroy(smoke))
        tidy &= smoke.check("nothing is left", lambda: _sweep(smoke, before))
    if tidy:
        shutil.rmtree(smoke.folder)
    return _summary(smoke, tidy)


def _parse() -> Smoke:
    parser = argparse.ArgumentParser(prog="make aws-smoke", description=__doc__)
    parser.add_argument("--local", action="store_true", help="on this machine, without AWS")
    parser.add_argument("--region", default=os.environ.get("AWS_SMOKE_REGION"))
    parser.add_argument("--state", default=None, help="as of mycli init")
    parser.add_argument("--repo", default=REPOSITORY, help="a repository that anyone may clone")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mycli-smoke-"))
    smoke = Smoke(given.local, given.region, given.state, given.repo, folder)
    # What was fetched for mycli's own home serves here, too: the engine, its plugins, the wheel.
    own = Path(os.environ.get("MYCLI_HOME") or Path.home() / ".mycli").absolute()
    smoke.home.mkdir(0o700)
    for name in ("pulumi", "cache"):
        if (own / name).is_dir():
            (smoke.home / name).symlink_to(own / name)
    return smoke


def _confirmed(smoke: Smoke) -> bool:
    client = _clients(smoke)
    caller = client("sts").get_caller_identity()
    say(COST)
    say(f"Account {caller['Account']}, as {caller['Arn']}, region {client('sts').meta.region_name}")
    if os.environ.get("AWS_SMOKE_YES") == "1":
        return True
    say("Type 'yes' to go on (AWS_SMOKE_YES=1 does not ask):")
    return sys.stdin.readline().strip() == "yes"


def _clients(smoke: Smoke) -> Client:
    import boto3

    from mycli.stack.automation import Stack

    region = Stack(region=smoke.region).region

    @functools.cache
    def client(service: str) -> Any:
        return boto3.client(service, region_name=region)

    return client


def _prove(smoke: Smoke) -> None:
    """Without a stack, or one in which nothing runs, nothing else is tried."""
    basic: list[tuple[str, Callable[[Smoke], str | None]]] = [
        ("init", checks.init),
        ("a command runs", checks.hello),
    ]
    for name, act in basic:
        if not smoke.check(name, functools.partial(act, smoke)):
            smoke.note("everything else", "skipped", 0, f"after {name}")
            return
    tasks: list[tuple[str, Callable[[], str | None]]] = [
        ("exit codes", lambda: checks.exit_codes(smoke)),
        ("variables, quoted", lambda: checks.quoting(smoke)),
        ("timeout", lambda: checks.timeout(smoke)),
        ("stop", lambda: checks.stop(smoke)),
        ("records, logs, list", lambda: checks.records(smoke)),
        ("a repeat starts nothing new", lambda: checks.once(smoke)),
    ]
    for name in checks.IMAGES:
        short = name.rpartition("/")[2]
        tasks.append((f"{short}", functools.partial(checks.image, smoke, name)))
        tasks.append((f"{short}, with git", functools.partial(checks.git, smoke, name)))
    if not smoke.local:
        tasks.append(("an image that does not exist", lambda: checks.missing_image(smoke)))
    _at_once(smoke, tasks)
    smoke.check("doctor", lambda: checks.doctor(smoke))
    smoke.check("cleanup of task definitions", lambda: checks.cleanup(smoke))
    smoke.check("leave to push an image", lambda: checks.leave_to_push(smoke))
    smoke.check("a registry's login", lambda: checks.registry_login(smoke))
    smoke.check("init again", lambda: checks.init_again(smoke))
    smoke.check("a registry's logout", lambda: checks.registry_logout(smoke))
    if not smoke.local:
        smoke.check("update-function", lambda: checks.update_function(smoke))
        smoke.check("configure on another machine", lambda: checks.another_machine(smoke))
    # Destroy finds it at work.
    smoke.check("a task for destroy to stop", lambda: checks.start(smoke, "sleep 600"))


def _at_once(smoke: Smoke, tasks: list[tuple[str, Callable[[], str | None]]]) -> None:
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        running = [pool.submit(smoke.check, name, act) for name, act in tasks]
        for one in running:
            one.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _destroy(smoke: Smoke) -> str:
    where = [] if smoke.local else smoke.where
    words = ("destroy", "--force", "--json", "--stack-name", smoke.stack, *where)
    for number in range(1, TRIES + 1):
        ran = smoke.mycli(*words, apart=True)
        if ran.returncode == 0:
            return smoke.read_destroyed(ran.stdout)
        if "there is no stack" in ran.stderr:
            return "there was no stack"
        say(f"  destroy, {number}: {ran.stderr.strip()[-400:]}")
    raise Failed("it was not destroyed")


def _sweep(smoke: Smoke, before: list[str]) -> str:
    """Asked of AWS itself, and again for some minutes: not everything goes at once."""
    if smoke.local:
        if (smoke.home / "local").exists():
            raise Failed(f"the account on this machine is still in {smoke.home}")
        return ""
    client = _clients(smoke)
    deadline = time.monotonic() + TIDY_SECONDS
    while found := left(client, smoke.stack) + [
        it for it in state_bucket(client) if it not in before
    ]:
        if time.monotonic() > deadline:
            raise Failed(", ".join(found))
        time.sleep(10)
    return "asked by name and by tag"


def _summary(smoke: Smoke, tidy: bool) -> int:
    width = max(len(check.name) for check in smoke.checks)
    say(f"\n{'check':<{width}}  verdict  seconds")
    for check in smoke.checks:
        say(f"{check.name:<{width}}  {check.verdict:<7}  {check.seconds:7.0f}")
    failed = [check.name for check in smoke.checks if check.verdict != "ok"]
    say(f"\nFailed: {', '.join(failed)}" if failed else "\nAll of it works, and nothing is left.")
    if not tidy:
        again = " ".join(["mycli destroy --stack-name", smoke.stack, *smoke.where])
        say(f"Something may be left. To destroy it: MYCLI_HOME={smoke.home} {again}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
