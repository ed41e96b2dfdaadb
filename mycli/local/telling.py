"""What `mycli init --local` and `mycli destroy` ask and say."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator
from typing import Any

from mycli import config, output
from mycli.errors import UsageError
from mycli.local.containers import find_engine
from mycli.local.stacks import Made, Options
from mycli.local.teardown import Gone
from mycli.stack.credentials import CREDENTIALS

_RESOURCES = (
    "VPC with subnets and internet gateway",
    "ECS Fargate cluster and task definitions",
    "Lambda function and API Gateway",
    "DynamoDB table, CloudWatch log groups, EventBridge rule",
    "IAM roles and security group",
)


def ask_before_making(options: Options) -> None:
    """Go on only after a yes. Raises UsageError for anything else."""
    output.story(f"This makes the stack {options.stack_name} in an AWS account on this machine:")
    for line in _RESOURCES:
        output.story(f"   - {line}")
    output.story("It is a daemon of yours; nothing of it is in AWS, and nothing costs money.")
    _confirm("Type 'yes' to confirm: ", ["yes"], "nothing was made")


def ask_before_destroying(stack_name: str, last: bool) -> None:
    output.warn(f"This deletes the stack {stack_name} and the records and logs of its executions.")
    if last:
        output.story("  It is the last one: the account on this machine goes with it.")
    _confirm("Continue? [y/N]: ", ["y", "yes"], "nothing was deleted")


def _confirm(question: str, agreement: list[str], otherwise: str) -> None:
    sys.stderr.write(question)
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        output.story()
    if answer.strip().lower() not in agreement:
        raise UsageError(f"not confirmed: {otherwise}", "--force does not ask")


@contextlib.contextmanager
def interruptible() -> Generator[None]:
    """Within it, Ctrl-C is answered with how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        output.story()
        output.warn("Interrupted: the same command finishes it")
        raise


def tell_made(made: Made) -> None:
    output.done(_changes(made))
    if made.runtime == "process":
        output.warn(
            "Tasks run as processes of yours: the image is not used, and nothing keeps a command "
            "from your files. With Docker or Podman: --runtime container"
        )
    output.result(f"Configuration saved to {config.config_path()} (profile {made.profile_name})")
    output.fields(
        {
            "API Endpoint": made.profile.api_endpoint,
            "Region": made.profile.region,
            "Tasks run as": "processes"
            if made.runtime == "process"
            else f"{find_engine()} containers",
            "Git access": ", ".join(c.title for c in CREDENTIALS if c.kind in made.git_credentials),
        },
        indent=2,
    )
    if made.new_key:
        output.result(f"\nYour API key: {made.profile.api_key}")
        output.result("  (shown once; it is saved in the configuration, too)")
    named = made.profile_name != config.DEFAULT_PROFILE
    flag = f" --profile {made.profile_name}" if named else ""
    output.result("\nNext steps:")
    output.result(f'  mycli exec -f{flag} --skip-git "echo hello"')
    output.result(f'  mycli exec -f{flag} --repo https://github.com/user/repo "make test"')


def _changes(made: Made) -> str:
    counts = {"created": made.created, "updated": made.updated, "deleted": made.deleted}
    done = [f"{count} {verb}" for verb, count in counts.items() if count]
    return f"The stack is up: {', '.join(done)}" if done else "The stack is up: nothing to change"


def made_document(made: Made) -> dict[str, Any]:
    return {
        "stack_name": made.profile.stack_name,
        "profile": made.profile_name,
        "api_endpoint": made.profile.api_endpoint,
        "api_key": made.profile.api_key if made.new_key else None,
        "region": made.profile.region,
        "runtime": made.runtime,
        "git_credentials": made.git_credentials,
        "created": made.created,
        "updated": made.updated,
        "deleted": made.deleted,
    }


def tell_gone(gone: Gone) -> None:
    counts = gone.definitions
    if gone.tasks:
        output.done(f"Stopped {_counted(gone.tasks, 'running task')}")
    output.done(f"Deleted {_counted(counts.deleted, 'task definition')}")
    output.done(f"Deleted {_counted(gone.resources, 'resource')}")
    for name in gone.profiles:
        output.done(f"Removed the profile {name} from the configuration")
    if gone.account_removed:
        output.done("Removed the account on this machine: that was its last stack")
    for arn in gone.leftovers:
        output.warn(f"Left behind: {arn}")
    if not gone.leftovers:
        output.result("Destruction complete: nothing of the stack is left.")


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def gone_document(stack_name: str, gone: Gone) -> dict[str, Any]:
    return {
        "stack_name": stack_name,
        "resources_deleted": gone.resources,
        "tasks_stopped": gone.tasks,
        "task_definitions": dict(vars(gone.definitions)),
        "profiles_removed": gone.profiles,
        "account_removed": gone.account_removed,
        "leftovers": gone.leftovers,
    }
