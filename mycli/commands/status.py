"""mycli status: one execution as it stands."""

from __future__ import annotations

import dataclasses

from mycli import output
from mycli.commands import Json, Name, Profile, connect

# As whoever follows such an execution gets it.
_NO_EXIT_CODE = "none: the command never came to one (counts as failed, 125)"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def status(name: Name, profile: Profile = None, as_json: Json = False) -> None:
    """Show an execution: its status, its times, its exit code.

    \b
    mycli status 67a1a8f4a3b5
    mycli status --json 67a1a8f4a3b5 | jq .exit_code
    """
    from mycli import terminal

    with connect(profile) as client:
        found = client.status(name)
    if as_json:
        output.json_document(dataclasses.asdict(found))
        return
    lost = found.finished and found.exit_code is None
    output.fields(
        {
            "Status": found.status,
            "Desired Status": found.desired_status,
            "Exit Code": _NO_EXIT_CODE if lost else found.exit_code,
            "Reason": found.stopped_reason or ("no reason was given" if lost else None),
            "Created At": found.created_at,
            "Started At": found.started_at,
            "Stopped At": found.stopped_at,
            "Execution ID": found.execution_id,
            "Task ARN": found.task_arn,
            "Image": terminal.image(found),
            "CPU": None if found.cpu is None else f"{found.cpu / 1024:g} vCPU",
            "Memory": None if found.memory is None else f"{found.memory} MB",
            "Architecture": found.arch,
            "Repository": found.repo,
            "Branch": found.branch,
            "Command": found.command,
            "Folder": found.workdir,
            "Time Limit": found.timeout_seconds and _time(found.timeout_seconds),
            "Variables": " ".join(found.env_names),
            "Cost": None if found.cost_usd is None else f"${found.cost_usd:.6f} (an estimate)",
        }
    )


def _time(seconds: int) -> str:
    """As --timeout takes it: 90s, 30m, 2h."""
    whole = [(size, unit) for unit, size in _UNITS.items() if seconds % size == 0]
    size, unit = max(whole)
    return f"{seconds // size}{unit}"
