"""What `mycli init` and `mycli destroy` ask and say, wherever the stack is."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Iterable, Mapping
from typing import TYPE_CHECKING

from mycli import config, output, prompts
from mycli.errors import UsageError
from mycli.stack.credentials import CREDENTIALS, MAX_BYTES, Credential, checked

if TYPE_CHECKING:
    from mycli.stack.task_definitions import Counts

RESOURCES = (
    "VPC with subnets and internet gateway",
    "ECS Fargate cluster and task definitions",
    "Lambda function and API Gateway",
    "DynamoDB table, CloudWatch log groups, EventBridge rule",
    "IAM roles and security group",
)


def show_resources() -> None:
    for line in RESOURCES:
        output.story(f"   - {line}")


def confirm_making(otherwise: str = "nothing was made") -> None:
    """Raises UsageError for anything but a yes that is written out."""
    prompts.confirm("Type 'yes' to confirm: ", ["yes"], otherwise)


def confirm_destroying() -> None:
    prompts.confirm("Continue? [y/N]: ", ["y", "yes"], "nothing was deleted")


def ask_for_git_credentials() -> dict[str, str]:
    """Kind -> text of what a person at a terminal gives; {} where he skips it."""
    output.story("\nGit credentials let tasks clone private repositories. They can be set later.")
    if prompts.ask("Configure git credentials? [y/N]: ").lower() not in ("y", "yes"):
        return {}
    titles = [credential.title for credential in CREDENTIALS]
    number = prompts.choose("Which", [*titles, "Skip"])
    if number == len(titles):
        return {}
    credential = CREDENTIALS[number]
    text = ask_for_credential(credential)
    return {credential.kind: text} if text else {}


def ask_for_credential(credential: Credential) -> str:
    if credential.kind == "ssh_private_key":
        return read_credential(credential, prompts.ask("File of the private key: "))
    return checked(credential, prompts.ask_hidden(f"{credential.title} (not shown): "))


def read_credential(credential: Credential, file: str) -> str:
    """The credential in a file, or in stdin for `-`. Raises UsageError."""
    text = prompts.read_secret(file, MAX_BYTES)
    # A key ends with a line break, and a token has none.
    return checked(credential, text if credential.kind == "ssh_private_key" else text.strip())


def read_credentials(files: Mapping[str, str | None]) -> dict[str, str]:
    """kind -> file, or - for stdin, to kind -> text. Raises UsageError."""
    if list(files.values()).count("-") > 1:
        raise UsageError("only one credential can come from stdin")
    found: dict[str, str] = {}
    for credential in CREDENTIALS:
        if file := files.get(credential.kind):
            found[credential.kind] = read_credential(credential, file)
    return found


def can_ask() -> bool:
    return sys.stdin.isatty()


@contextlib.contextmanager
def interruptible() -> Generator[None]:
    """Within it, Ctrl-C is answered with how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        output.story()
        output.warn("Interrupted: the same command finishes it")
        raise


def tell_changes(created: int, updated: int, deleted: int) -> None:
    counts = {"created": created, "updated": updated, "deleted": deleted}
    done = [f"{count} {verb}" for verb, count in counts.items() if count]
    output.done(f"The stack is up: {', '.join(done) if done else 'nothing to change'}")


def tell_configuration(
    profile: config.Profile, profile_name: str, git_credentials: Iterable[str], **more: str
) -> None:
    """How the stack is reached. more: other lines, by their titles with _ for a space."""
    have = set(git_credentials)
    output.result(f"Configuration saved to {config.config_path()} (profile {profile_name})")
    output.fields(
        {
            "API Endpoint": profile.api_endpoint,
            "Region": profile.region,
            **{name.replace("_", " "): value for name, value in more.items()},
            "Git access": ", ".join(c.title for c in CREDENTIALS if c.kind in have),
        },
        indent=2,
    )


def tell_new_key(api_key: str) -> None:
    output.result(f"\nYour API key: {api_key}")
    output.result("  (shown once; it is saved in the configuration, too)")


def tell_next_steps(profile_name: str) -> None:
    named = profile_name != config.DEFAULT_PROFILE
    flag = f" --profile {profile_name}" if named else ""
    output.result("\nNext steps:")
    output.result(f'  mycli exec -f{flag} --skip-git "echo hello"')
    output.result(f'  mycli exec -f{flag} --repo https://github.com/user/repo "make test"')


def tell_removed(
    tasks: int, definitions: Counts, resources: int, others: Iterable[str], leftovers: list[str]
) -> None:
    """others: what else is gone, in sentences."""
    if tasks:
        output.done(f"Stopped {counted(tasks, 'running task')}")
    output.done(f"Deleted {counted(definitions.deleted, 'task definition')}")
    output.done(f"Deleted {counted(resources, 'resource')}")
    for sentence in others:
        output.done(sentence)
    for arn in leftovers:
        output.warn(f"Left behind: {arn}")
    if not leftovers:
        output.result("Destruction complete: nothing of the stack is left.")


def of_built_images(repositories: int) -> str:
    return f"{repositories} {'repository' if repositories == 1 else 'repositories'} of built images"


def counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
