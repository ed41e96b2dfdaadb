"""What `mycli init` and `mycli destroy` ask and say of a stack in AWS."""

from __future__ import annotations

import dataclasses
from typing import Any

from mycli import output, prompts
from mycli.stack import telling
from mycli.stack.automation import Preview, Settings, Stack
from mycli.stack.setup import Gone, Made


def ask_before_making(stack: Stack, settings: Settings, *, force: bool) -> Settings:
    """Go on only after a yes; the settings, with what else was answered. Raises UsageError."""
    caller = stack.caller()
    if force:
        return settings
    is_new = stack.outputs() is None
    output.story(f"This {'makes' if is_new else 'updates'} AWS infrastructure in your account:")
    output.fields(_place(stack, caller.account, caller.arn), indent=3, beside=True)
    telling.show_resources()
    telling.confirm_making("nothing was made" if is_new else "nothing was changed")
    if is_new and not settings.credentials and telling.can_ask():
        return dataclasses.replace(settings, credentials=telling.ask_for_git_credentials())
    return settings


def ask_before_destroying(stack: Stack) -> None:
    caller = stack.caller()
    output.warn(
        f"This deletes the stack {stack.name}, the records and logs of its executions, and its "
        "credentials for git and registries."
    )
    output.fields(_place(stack, caller.account, caller.arn), indent=3, beside=True)
    if running := stack.running_executions():
        output.warn(f"{telling.counted(running, 'running execution')} would be stopped")
    if built := stack.repositories():
        output.warn(f"{telling.of_built_images(len(built))} would go: {', '.join(built)}")
    telling.confirm_destroying()


def _place(stack: Stack, account: str, arn: str) -> dict[str, str]:
    return {"Stack": stack.name, "Region": stack.region, "Account": account, "You are": arn}


def unlock(stack: Stack, *, force: bool) -> None:
    """Clear the lock of the stack's state, after asking. Raises UsageError without a yes."""
    if lock := stack.lock():
        output.warn(f"The stack is locked by {lock}")
    if not force:
        output.warn(f"Whoever changes the stack {stack.name} now would damage its state.")
        prompts.confirm("Clear the lock? [y/N]: ", ["y", "yes"], "the lock stays")
    stack.unlock()
    output.done("The lock is cleared")


def tell_preview(preview: Preview) -> None:
    for step in preview.steps:
        differ = f": {', '.join(step.properties)}" if step.properties else ""
        output.result(f"{step.operation} {step.type} {step.name}{differ}")
    if not preview.steps:
        output.result("Nothing would change")


def preview_document(stack: Stack, preview: Preview) -> dict[str, Any]:
    return {
        "stack_name": stack.name,
        "region": stack.region,
        "changes": dataclasses.asdict(preview.changes),
        "steps": [dataclasses.asdict(step) for step in preview.steps],
    }


def tell_made(made: Made) -> None:
    changes = made.changes
    telling.tell_changes(changes.created, changes.updated + changes.replaced, changes.deleted)
    profile = made.profile
    if profile is None:
        output.warn("This machine has no key of it: `mycli configure` takes one that you have")
        return
    telling.tell_configuration(profile, made.profile_name, made.outputs.git_credentials)
    if made.new_key:
        telling.tell_new_key(profile.api_key)
    if not made.key_fits:
        output.warn(
            f"The key in the profile {made.profile_name} is not the stack's: take the right one "
            "with `mycli configure`, or make a new one with `mycli init --rotate-key`"
        )
    telling.tell_next_steps(made.profile_name)


def made_document(made: Made) -> dict[str, Any]:
    return {
        "stack_name": made.stack_name,
        "profile": made.profile_name if made.profile else None,
        "api_endpoint": made.outputs.api_endpoint,
        "api_key": made.profile.api_key if made.profile and made.new_key else None,
        "region": made.outputs.region,
        "git_credentials": made.outputs.git_credentials,
        "created": made.changes.created,
        "updated": made.changes.updated + made.changes.replaced,
        "deleted": made.changes.deleted,
    }


def tell_gone(gone: Gone) -> None:
    done = gone.destroyed
    others = [f"Removed the profile {name} from the configuration" for name in gone.profiles]
    if done.state_removed:
        others.append("Deleted the bucket of Pulumi's state: that was its last stack")
    if done.repositories:
        others.insert(0, f"Deleted {telling.of_built_images(done.repositories)}")
    telling.tell_removed(done.tasks, done.definitions, done.resources, others, done.leftovers)


def gone_document(stack_name: str, gone: Gone) -> dict[str, Any]:
    done = gone.destroyed
    return {
        "stack_name": stack_name,
        "resources_deleted": done.resources,
        "tasks_stopped": done.tasks,
        "task_definitions": dict(vars(done.definitions)),
        "repositories_deleted": done.repositories,
        "profiles_removed": gone.profiles,
        "state_removed": done.state_removed,
        "leftovers": done.leftovers,
    }
