"""The Pulumi engine: one that is there and new enough, else one of mycli's own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mycli import config
from mycli.errors import EngineError

if TYPE_CHECKING:
    from mycli.stack.invocation import Engine

OnEvent = Callable[[str], None]


def pulumi_home() -> Path:
    """Where the engine keeps its plugins and settings: mycli's own, never the user's."""
    return config.home() / "pulumi"


def find(on_event: OnEvent) -> Engine:
    import subprocess

    from semver import VersionInfo

    from mycli.stack.invocation import Engine

    command = shutil.which("pulumi")
    if not command:
        raise EngineError("there is no pulumi")
    said = subprocess.check_output(
        [command, "version"], text=True, env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"}
    )
    return Engine(command, VersionInfo.parse(said.strip().removeprefix("v")))


def provide_plugin(engine: Engine, on_event: OnEvent) -> None:
    pass
