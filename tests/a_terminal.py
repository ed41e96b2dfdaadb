"""A person at a terminal who answers questions."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def answer(words: list[str], answers: Mapping[str, str]) -> tuple[int, str]:
    """The exit code of mycli with these words, and all that the terminal showed.

    answers: the end of each question, in their order, and what is typed then.
    """
    ours, theirs = pty.openpty()
    asking = subprocess.Popen(
        [Path(sys.executable).with_name("mycli"), *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,  # so that it has no other terminal
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # Linux, where the other end is closed
        for question, typed in answers.items():
            while question.encode() not in shown:
                shown += os.read(ours, 1000)
            os.write(ours, typed.encode())
        while more := os.read(ours, 1000):
            shown += more
    os.close(ours)
    return asking.wait(30), shown.decode()
