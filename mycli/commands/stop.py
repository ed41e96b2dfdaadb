"""mycli stop: end an execution before it ends by itself."""

from __future__ import annotations

from typing import Annotated

import typer

from mycli import output
from mycli.commands import Json, Name, Profile, connect


def stop(
    name: Name,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why; kept in the execution's record.")
    ] = None,
    profile: Profile = None,
    as_json: Json = False,
) -> None:
    """Stop an execution.

    Its command gets TERM, and KILL if it goes on for two minutes. Stopping one that has ended
    changes nothing.

    \b
    mycli stop 67a1a8f4a3b5
    mycli stop --reason "wrong branch" 67a1a8f4a3b5
    """
    with connect(profile) as client:
        execution = client.execution(name)
        status = execution.stop(reason)
        if as_json:
            output.json_document({"execution_id": execution.id, "status": status})
            return
        if status == "STOPPED":
            code = execution.status().exit_code
            told = "without an exit code" if code is None else f"already, exit code {code}"
            output.done(f"{name} had ended {told}")
        else:
            output.done(f"{name} is stopping")
