"""What a start of the command takes, in instructions: the same each time, as its time is not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fake_endpoint import ID, KEY, STATUS, FakeEndpoint

pytestmark = pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind counts them")

CACHEGRIND = (
    "valgrind",
    "--tool=cachegrind",
    "--cache-sim=no",
    f"--cachegrind-out-file={os.devnull}",
)


def instructions(*words: str, **environment: str) -> int:
    """Of a second run: the first one compiles what is not compiled yet."""
    where = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": "0", **environment}
    command = (sys.executable, *words)
    subprocess.run(command, env=where, check=True, capture_output=True)
    ran = subprocess.run(
        (*CACHEGRIND, *command), env=where, check=True, capture_output=True, text=True
    )
    [counted] = re.findall(r"I\s+refs:\s+([\d,]+)", ran.stderr)
    return int(counted.replace(",", ""))


def test_a_start_is_so_many_times_that_of_python(endpoint: FakeEndpoint, tmp_path: Path) -> None:
    endpoint.says("status", STATUS)
    reached = {"MYCLI_API_ENDPOINT": endpoint.url, "MYCLI_API_KEY": KEY}
    home = {"HOME": str(tmp_path), "MYCLI_HOME": str(tmp_path)}

    bare = instructions("-c", "pass")
    shown = instructions("-m", "mycli", "--help", **home)
    asked = instructions("-m", "mycli", "status", ID, **home, **reached)

    assert shown <= 8 * bare
    assert asked <= 20 * bare
