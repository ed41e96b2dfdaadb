"""Lambda on this machine: the function sees what AWS would give it, and nothing of this house."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

from mycli.local import emulator

# What Lambda's Python has besides its standard library. All else must be in the zip.
_PROVIDED = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")

# Put in front of the emulator's own worker script, which sets the function's variables afterwards.
_ONLY_WHAT_LAMBDA_HAS = """
import os, sys, sysconfig
stdlib = sysconfig.get_path("stdlib")
sys.path[:] = [p for p in sys.path if p.startswith(stdlib) and not p.endswith("-packages")]
sys.path.append({provided!r})
lambdas_own = ("AWS_", "LAMBDA_", "_LAMBDA_", "_X_AMZN_", "_MINISTACK_")
for name in set(os.environ) - {{"LANG", "PATH", "TMPDIR", "TZ"}}:
    if not name.startswith(lambdas_own):
        del os.environ[name]
"""


def mend(provided: Path) -> None:
    """provided: a folder for links to what Lambda has besides the standard library."""
    provided.mkdir(mode=0o700, exist_ok=True)
    for name in _PROVIDED:
        spec = importlib.util.find_spec(name)
        if spec and spec.origin:
            source = Path(spec.origin)
            source = source.parent if source.name == "__init__.py" else source
            link = provided / source.name
            link.unlink(missing_ok=True)
            link.symlink_to(source)
    runtime = emulator.module("core.lambda_runtime")
    prologue = _ONLY_WHAT_LAMBDA_HAS.format(provided=str(provided))
    runtime._PYTHON_WORKER_SCRIPT = prologue + runtime._PYTHON_WORKER_SCRIPT
    # Here a function is ready once it is there.
    emulator.service("lambda_svc")._LAMBDA_STATE_TRANSITION_DELAY = 0
    # The emulator waits 50 ms for a line of log from an invocation that prints none.
    runtime.Worker._drain_stderr_bounded = functools.partialmethod(
        runtime.Worker._drain_stderr_bounded, first_line_wait=0.002
    )
