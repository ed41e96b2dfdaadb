"""Lambda on this machine: the function sees what AWS would give it, and nothing of this house."""

from __future__ import annotations

import contextlib
import importlib.util
import queue
import threading
from pathlib import Path
from typing import Any

from mycli.local import emulator

# What Lambda's Python has besides its standard library. All else must be in the zip.
_PROVIDED = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3")

# How many processes a function has at most; a request that finds none free waits for one.
_PROCESSES = 8

# How long to wait for the first line that an invocation printed, and for one more.
_PRINTED_SECONDS = (0.002, 0.0002)

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
    runtime.Worker._drain_stderr_bounded = _printed
    _share_processes(emulator.service("lambda_svc"))


def _printed(worker: Any) -> str:
    """What an invocation printed. Ours print before they answer: the emulator waits 50 ms."""
    lines: list[str] = []
    with contextlib.suppress(queue.Empty):
        while True:
            lines.append(worker._stderr_queue.get(timeout=_PRINTED_SECONDS[bool(lines)]))
    return "\n".join(lines)


def _share_processes(lambdas: Any) -> None:
    """The emulator starts a process for each request at once: a hundred for a hundred followers."""
    acquire, release = lambdas.acquire_worker, lambdas.release_worker
    free = threading.BoundedSemaphore(_PROCESSES)

    def acquire_worker(*function: Any, **options: Any) -> Any:
        free.acquire()
        return acquire(*function, **options)

    def release_worker(worker: Any) -> None:  # None where it was lost
        release(worker)
        free.release()

    lambdas.acquire_worker, lambdas.release_worker = acquire_worker, release_worker
