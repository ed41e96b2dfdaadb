from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
API_KEY_HASH = "$2b$10$" + "h" * 53
CONFIG = {
    "api_key_hash": API_KEY_HASH,
    "api_key_sha256_prefix": "0123abcd",
    "function_zip": "/somewhere/function.zip",
}

Declare = Callable[..., dict[str, Any]]


def declare_process(
    stack: str, config: dict[str, str], main: str | None = None
) -> subprocess.CompletedProcess[str]:
    given = json.dumps({"stack": stack, "config": config, "main": main})
    # Without the caller's AWS_* and PULUMI_*: nothing of this machine may matter.
    environment = {"PATH": os.environ["PATH"], "HOME": os.devnull}
    return subprocess.run(
        [sys.executable, str(Path(__file__).with_name("declare.py"))],
        input=given,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="session")
def declare() -> Declare:
    """declare(stack, main=None, **config): what the program declares, as tests/stack/declare.py."""

    @functools.cache
    def cached(stack: str, main: str | None, config: tuple[tuple[str, str], ...]) -> str:
        ran = declare_process(stack, {**CONFIG, **dict(config)}, main)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def run(stack: str = "mycli", main: str | None = None, **config: str) -> dict[str, Any]:
        return json.loads(cached(stack, main, tuple(sorted(config.items()))))

    return run
