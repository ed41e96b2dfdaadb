"""What `mycli init --local` and `mycli destroy` ask and say of a stack on this machine."""

from __future__ import annotations

from typing import Any

from mycli import output
from mycli.local.containers import find_engine
from mycli.local.stacks import Made, Options
from mycli.local.teardown import Gone
from mycli.stack import telling


def ask_before_making(options: Options) -> None:
    """Go on only after a yes. Raises UsageError for anything else."""
    output.story(f"This makes the stack {options.stack_name} in an AWS account on this machine:")
    telling.show_resources()
    output.story("It is a daemon of yours; nothing of it is in AWS, and nothing costs money.")
    telling.confirm_making()


def ask_before_destroying(stack_name: str, last: bool) -> None:
    output.warn(
        f"This deletes the stack {stack_name}, the records and logs of its executions, the images "
        "built for it, and its credentials for git and registries."
    )
    if last:
        output.story("  It is the last one: the account on this machine goes with it.")
    telling.confirm_destroying()


def tell_made(made: Made) -> None:
    telling.tell_changes(made.created, made.updated, made.deleted)
    as_process = made.runtime == "process"
    if as_process:
        output.warn(
            "Tasks run as processes of yours: the image is not used, and nothing keeps a command "
            "from your files. With Docker or Podman: --runtime container"
        )
    tasks = "processes" if as_process else f"{find_engine()} containers"
    telling.tell_configuration(
        made.profile, made.profile_name, made.git_credentials, Tasks_run_as=tasks
    )
    if made.new_key:
        telling.tell_new_key(made.profile.api_key)
    telling.tell_next_steps(made.profile_name)


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
    others = [f"Removed the profile {name} from the configuration" for name in gone.profiles]
    if gone.account_removed:
        others.append("Removed the account on this machine: that was its last stack")
    if gone.repositories:
        others.insert(0, f"Deleted {telling.of_built_images(gone.repositories)}")
    telling.tell_removed(gone.tasks, gone.definitions, gone.resources, others, gone.leftovers)


def gone_document(stack_name: str, gone: Gone) -> dict[str, Any]:
    return {
        "stack_name": stack_name,
        "resources_deleted": gone.resources,
        "tasks_stopped": gone.tasks,
        "task_definitions": dict(vars(gone.definitions)),
        "repositories_deleted": gone.repositories,
        "profiles_removed": gone.profiles,
        "account_removed": gone.account_removed,
        "leftovers": gone.leftovers,
    }
