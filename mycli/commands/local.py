"""mycli local: the account on this machine, started, stopped and looked at."""

from __future__ import annotations

from typing import Annotated

import typer

from mycli import output
from mycli.commands import Json

app = typer.Typer(
    help="The AWS account on this machine: a daemon of yours.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def status(as_json: Json = False) -> None:
    """Show whether it runs, and what is in it."""
    from mycli.local import account

    found = account.status()
    if as_json:
        output.json_document(found)
    elif found["account_id"] is None:
        output.result("There is no account on this machine. `mycli init --local` makes one.")
    else:
        output.fields(
            {
                "Status": "running" if found["running"] else "stopped",
                "Process": found["pid"],
                "Address": found["address"],
                "Account": found["account_id"],
                "Region": found["region"],
                "Tasks run as": found["runtime"],
                "Stacks": ", ".join(found["stacks"]),
                "Folder": found["folder"],
            }
        )


@app.command()
def start(as_json: Json = False) -> None:
    """Start it again, as after the machine was off."""
    from mycli.local import account
    from mycli.local.place import load

    account.start(load())
    found = account.status()
    output.done(f"The account on this machine runs at {found['address']}")
    if as_json:
        output.json_document(found)


@app.command()
def stop(as_json: Json = False) -> None:
    """Stop it and the tasks that run in it. Its stacks, records and logs stay."""
    from mycli.local import account
    from mycli.local.place import load

    load()
    was_running = account.stop()
    output.done("Stopped" if was_running else "It was not running")
    if as_json:
        output.json_document(account.status())


@app.command()
def reset(
    force: Annotated[bool, typer.Option("--force", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Give it up, when its files are damaged.

    Its stacks, records and logs are gone then.
    """
    from mycli import prompts
    from mycli.local import teardown

    if not force:
        output.warn("This gives up the account on this machine: its stacks, records and logs.")
        prompts.confirm("Continue? [y/N]: ", ["y", "yes"], "nothing was deleted")
    profiles = teardown.reset()
    output.done("Removed the account on this machine")
    for name in profiles:
        output.done(f"Removed the profile {name} from the configuration")
    if as_json:
        output.json_document({"profiles_removed": profiles})


@app.command()
def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it is written.")] = False,
    as_json: Json = False,
) -> None:
    """Show the daemon's own log, for when something goes wrong."""
    from mycli.local import account
    from mycli.local.place import load

    load()
    if as_json:
        output.json_document({"lines": list(account.log_lines(follow=False))})
        return
    for line in account.log_lines(follow):
        output.result(line)
