"""What `mycli doctor` looks at. Each check says how it stands and what to do, and changes nothing.

No finding holds a secret: a key is only ever sent to its endpoint.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal

from mycli import config, connection, output
from mycli.errors import MycliError, UsageError
from mycli.stack.refusals import explained

if TYPE_CHECKING:
    from mycli.stack.automation import Stack

Verdict = Literal["ok", "warn", "fail"]
Client = Callable[[str], Any]  # a service's name -> its boto3 client

HOUR_SECONDS = 3600
# AWS refuses a signature that is five minutes off:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
SKEW_WARN_SECONDS = 60.0
SKEW_FAIL_SECONDS = 300.0
# Lines of a failure in the function's log: its own, and those of Lambda.
_FAILURES = ('"error":', '"status": 502', "Task timed out", "[ERROR]", "Runtime exited")


@dataclass(frozen=True, kw_only=True)
class Finding:
    check: str
    verdict: Verdict
    said: str
    hint: str = ""


def ok(check: str, said: str) -> Finding:
    return Finding(check=check, verdict="ok", said=said)


def warn(check: str, said: str, hint: str) -> Finding:
    return Finding(check=check, verdict="warn", said=said, hint=hint)


def fail(check: str, said: str, hint: str = "") -> Finding:
    return Finding(check=check, verdict="fail", said=said, hint=hint)


def checked(check: str, look: Callable[[], Finding], *, otherwise: Verdict = "fail") -> Finding:
    """What it finds; an error that it raises is a finding, too."""
    try:
        return look()
    except MycliError as error:
        return Finding(check=check, verdict=otherwise, said=error.message, hint=error.hint)
    except OSError as error:
        return fail(check, str(error))


# --- The endpoint --------------------------------------------------------------------------------


def endpoint(profile: config.Profile) -> list[Finding]:
    """Whether it is reached, and what its clock says. No key is sent."""
    import httpx

    try:
        connection.check(profile)
        with connection.open_client(profile, None) as http:
            asked = time.time()
            answer = http.get(profile.api_endpoint)
            now = (asked + time.time()) / 2
    except MycliError as error:
        return [fail("endpoint", error.message, error.hint)]
    except httpx.HTTPError as error:
        hint = "check the network, a proxy (HTTPS_PROXY), and the address in the configuration"
        return [fail("endpoint", f"{connection.origin(profile)} cannot be reached: {error}", hint)]
    reached = ok("endpoint", f"{connection.origin(profile)} answers")
    return [reached, clock(answer.headers.get("Date", ""), now)]


def clock(date: str, now: float) -> Finding:
    """This machine's clock against the Date of an answer, which was made about `now`."""
    try:
        skew = now - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return warn("clock", "the endpoint does not tell the time", "is a proxy in between?")
    said = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} AWS"
    hint = "set it right (NTP): AWS refuses signatures that are five minutes off"
    if abs(skew) >= SKEW_FAIL_SECONDS:
        return fail("clock", said, hint)
    return warn("clock", said, hint) if abs(skew) > SKEW_WARN_SECONDS else ok("clock", "right")


def key(profile: config.Profile) -> Finding:
    """Whether the stack takes the profile's key."""
    from mycli.endpoint import Endpoint
    from orchestrator import wire

    asked = Endpoint(profile)
    try:
        asked.send(wire.ListRequest(limit=1), wire.ListResponse, patience_seconds=0)
    finally:
        asked.close()
    return ok("API key", "the stack takes it")


# --- This machine --------------------------------------------------------------------------------


def engine() -> Finding:
    """The Pulumi engine that init would use. Nothing is installed."""
    from mycli.stack.engine import look, pulumi_home

    found, refused = look()
    if found is None:
        hint = "`mycli init` installs one; only init, update and destroy need it"
        return warn("engine", "; ".join(refused) or "Pulumi is not installed", hint)
    plugins = sorted(path.name for path in pulumi_home().glob("plugins/resource-aws-v*[0-9]"))
    plugin = plugins[-1].removeprefix("resource-") if plugins else "no aws plugin yet"
    said = f"Pulumi v{found.version} at {found.command}, {plugin}"
    return ok("engine", "; ".join([said, *(f"not used: {why}" for why in refused)]))


# --- The stack in AWS ----------------------------------------------------------------------------


def resources(client: Client, stack_name: str, api_endpoint: str) -> Finding:
    """Whether the stack's main resources stand."""
    api_id = api_endpoint.partition("://")[2].partition(".")[0]
    looks: dict[str, Callable[[], bool]] = {
        f"the function {stack_name}-orchestrator": lambda: _function_stands(client, stack_name),
        f"the table {stack_name}-executions": lambda: _table_stands(client, stack_name),
        f"the cluster {stack_name}-cluster": lambda: _cluster_stands(client, stack_name),
        f"the REST API {api_id}": lambda: bool(
            client("apigateway").get_stage(restApiId=api_id, stageName="prod")
        ),
    }
    gone = [what for what, stands in looks.items() if not _stands(stands)]
    if len(gone) == len(looks):
        hint = "another AWS profile (AWS_PROFILE)? Else it was destroyed: `mycli init` makes it"
        return warn("stack", f"{stack_name} is not in the account of these credentials", hint)
    if gone:
        return fail("stack", f"does not stand: {', '.join(gone)}", "`mycli init` mends it")
    return ok("stack", f"the main resources of {stack_name} stand")


def _stands(look: Callable[[], bool]) -> bool:
    from botocore.exceptions import ClientError

    with explained():
        try:
            return look()
        except ClientError as error:
            if error.response["Error"]["Code"] in (
                "ResourceNotFoundException",
                "NotFoundException",
            ):
                return False
            raise


def _function_stands(client: Client, stack_name: str) -> bool:
    found = client("lambda").get_function(FunctionName=f"{stack_name}-orchestrator")
    return found["Configuration"].get("State", "Active") in ("Active", "Inactive")


def _table_stands(client: Client, stack_name: str) -> bool:
    found = client("dynamodb").describe_table(TableName=f"{stack_name}-executions")
    return found["Table"]["TableStatus"] in ("ACTIVE", "UPDATING")


def _cluster_stands(client: Client, stack_name: str) -> bool:
    found = client("ecs").describe_clusters(clusters=[f"{stack_name}-cluster"])["clusters"]
    return any(cluster["status"] == "ACTIVE" for cluster in found)


def drift(stack: Stack) -> Finding:
    """What an init would change: deleted or changed by hand, or by another version of mycli.

    The account is asked about each resource, which takes some seconds.
    """
    from mycli.stack import engine, installation

    name = "drift"
    if not engine.look()[0] or not installation.has_plugin(engine.pulumi_home()):
        return ok(name, "not looked for: the engine or its aws plugin is not installed here")
    steps = stack.preview().steps
    if not steps:
        return ok(name, "none: `mycli init` would change nothing")
    would = ", ".join(f"{step.operation} {step.type} {step.name}" for step in steps)
    return warn(name, f"`mycli init` would {would}", "`mycli init --preview` shows more")


def function_errors(client: Client, stack_name: str) -> Finding:
    """Failures in the function's log within the last hour."""
    name = "function"
    logs, group = client("logs"), f"/aws/lambda/{stack_name}-orchestrator"
    since = int((time.time() - HOUR_SECONDS) * 1000)
    pattern = " ".join("?" + _quoted(word) for word in _FAILURES)
    with explained():
        try:
            pages = logs.get_paginator("filter_log_events").paginate(
                logGroupName=group, startTime=since, filterPattern=pattern
            )
            lines = [event["message"] for page in pages for event in page["events"]]
        except logs.exceptions.ResourceNotFoundException:
            return fail(name, f"the log group {group} is gone", "`mycli init` mends it")
    failures = [line.strip() for line in lines if any(word in line for word in _FAILURES)]
    if not failures:
        return ok(name, "no errors in the last hour")
    last = output.cut(failures[-1], 200)
    return warn(name, f"{len(failures)} errors in the last hour, the last: {last}", f"see {group}")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'


def configuration(profile_name: str | None) -> tuple[Finding, config.Profile | None]:
    """The profile that a command would use, and how that stands."""
    path, name = config.config_path(), "configuration"
    if not path.parent.is_dir() and (path.parent.exists() or path.parent.is_symlink()):
        hint = "move it out of the way, or name another place: MYCLI_HOME"
        return fail(name, f"{path.parent} is not a folder", hint), None
    given = profile_name or os.environ.get("MYCLI_PROFILE")
    by_environment = os.environ.get("MYCLI_API_ENDPOINT") and not profile_name
    if not path.exists() and not given and not by_environment:
        hint = "`mycli init` makes a stack, `mycli configure` takes one that is there"
        return fail(name, "mycli is not configured yet: nothing can be run", hint), None
    try:
        profile = config.load_profile(profile_name)
        if not profile.is_finished:
            raise UsageError("the stack's init was not finished", "run the same `mycli init` again")
    except MycliError as error:
        return fail(name, error.message, error.hint), None
    where = "the environment" if by_environment else f"{path}, for you alone"
    return ok(name, f"profile {given or config.DEFAULT_PROFILE} in {where}"), profile
