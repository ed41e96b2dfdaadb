"""What task.sh and its readers agree on.

task.sh prints the begin marker as a line of its own before the command's output, and the end
marker after it: on the same line where the output had no final newline. What it says in between
(that the time is up) begins with the same sign. CloudWatch cuts a line at 256 KB, so the end
marker has an end of its own: without it `exit code 1` could be what was left of `exit code 12`.
"""

from __future__ import annotations

import re


def sign(execution_id: str) -> str:
    return f"[mycli {execution_id}] "


def begin_marker(execution_id: str) -> str:
    return f"{sign(execution_id)}begin"


def end_marker(execution_id: str, exit_code: int) -> str:
    return f"{sign(execution_id)}exit code {exit_code}."


def split_end_marker(execution_id: str, message: str) -> tuple[str, int] | None:
    """The output in front of the end marker, and its exit code; None where there is no marker.

    A command could print a marker itself: it ends the following only, the record's exit code
    comes from ECS.
    """
    found = re.search(rf"{re.escape(sign(execution_id))}exit code ([0-9]{{1,3}})\.$", message)
    return (message[: found.start()], int(found[1])) if found else None
