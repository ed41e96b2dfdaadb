"""How a task runs on this machine: as a process of this user, or in a container.

Both are started through supervisor.py, which ends with this process whatever happens to it. A
process gets a scratch home, a scratch workspace and the declared environment; the image is not
used, and nothing keeps it from the user's files. A container gets the image, through the command
line of Docker or Podman, whichever answers.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mycli.errors import LocalAccountError
from mycli.local import clonable, pulls
from mycli.local.processes import CannotStart, Launch

OPEN_FILES = 65_535  # what a Fargate container gets
PROCESSES = 32_768
_ENGINES = ("docker", "podman")


Runtime = Callable[[str, Mapping[str, Any], Mapping[str, str], pulls.Wanted], Launch]
"""(task id, container definition, environment, image) -> what to run. Raises CannotStart."""


def find_engine() -> str | None:
    """The command of a container engine that answers, Docker before Podman."""
    for engine in filter(shutil.which, _ENGINES):
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            asked = subprocess.run(
                [engine, "version", "--format", "{{.Server.Version}}"],
                capture_output=True,
                timeout=10,
                check=False,
            )
            if asked.returncode == 0:
                return engine
    return None


def need_engine() -> str:
    """The same; raises LocalAccountError where there is none."""
    engine = find_engine()
    if engine is None:
        raise LocalAccountError(
            "neither Docker nor Podman answers",
            "start one of them, or run tasks as processes: --runtime process",
        )
    return engine


def runtime(engine: str | None, tasks: Path, account_id: str) -> Runtime:
    """Containers of this engine, or processes. tasks: where scratch folders go.

    Containers that a killed daemon of this account left are removed.
    """
    if engine is None:
        return partial(_as_process, tasks)
    label = f"mycli.account={account_id}"
    left = _engine(engine, "ps", "--all", "--quiet", "--filter", f"label={label}").stdout.split()
    if left:
        _engine(engine, "rm", "--force", *left)
    return partial(_as_container, engine=engine, label=label)


def _as_process(
    tasks: Path,
    task_id: str,
    definition: Mapping[str, Any],
    environment: Mapping[str, str],
    _: pulls.Wanted,
) -> Launch:
    scratch = tasks / task_id
    folders = {name: scratch / name for name in ("home", "tmp", "workspace")}
    for folder in folders.values():
        folder.mkdir(mode=0o700, parents=True)
    argv = [*(definition.get("entryPoint") or []), *(definition.get("command") or [])]
    if not argv:
        raise CannotStart("CannotStartContainerError: no command, and a process has no image")
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "HOME": str(folders["home"]),
        "TMPDIR": str(folders["tmp"]),
        "MYCLI_WORKSPACE": str(folders["workspace"]),
        **environment,
    }
    if image := environment.get("MYCLI_IMAGE"):  # what task.sh says of it must be true
        env["MYCLI_IMAGE"] = f"{image} (not used: a process of yours, without isolation)"
    wanted = Path(definition.get("workingDirectory") or folders["workspace"])
    cwd = wanted if wanted.is_dir() else folders["workspace"]
    return Launch(argv, env, str(cwd))


def _as_container(
    task_id: str,
    definition: Mapping[str, Any],
    environment: Mapping[str, str],
    wanted: pulls.Wanted,
    *,
    engine: str,
    label: str,
) -> Launch:
    """Make the container; it is started, attached, by the supervisor, and removed by it."""
    name, image = f"mycli-{task_id}", pulls.have(engine, wanted)
    entry_point = list(definition.get("entryPoint") or [])
    options = {
        # The tasks' own network: a repository served on this machine can be cloned.
        "--network": "host",
        "--workdir": definition.get("workingDirectory"),
        "--user": definition.get("user"),
        "--memory": f"{definition['memory']}m" if definition.get("memory") else None,
        "--entrypoint": entry_point[0] if entry_point else None,
    }
    argv = ["create", "--name", name, "--label", label]
    argv += [word for option, value in options.items() if value for word in (option, str(value))]
    argv += _limits() + clonable.mounts(environment.get("MYCLI_REPO"))
    # A variable by its name alone is taken from our environment: values are not for `ps` to show.
    # Only mycli's own go that way: another could change what the engine's command does.
    ours = {key: value for key, value in environment.items() if key.startswith("MYCLI_")}
    for key, value in environment.items():
        argv += ["--env", key if key in ours else f"{key}={value}"]
    argv += [image, *entry_point[1:], *(definition.get("command") or [])]
    made = _engine(engine, *argv, env={**os.environ, **ours})
    if made.returncode != 0:
        raise CannotStart(f"CannotCreateContainerError: {_last_line(made.stderr)}")
    return Launch(
        argv=[engine, "start", "--attach", name],
        env=dict(os.environ),
        cwd="/",
        # Not `rm` in one: how it ended is read first. A daemon that is gone reads nothing.
        at_end=[engine, "stop", "--time", "0", name],
        finish=partial(_finish, engine, name),
    )


def _finish(engine: str, name: str, _: int) -> int:
    """The container's own exit code: that of `start` may be the engine's. Removes the container."""
    state = '{"code": {{.State.ExitCode}}, "started": {{json .State.StartedAt}}}'
    asked = _engine(engine, "inspect", "--format", state, name)
    _engine(engine, "rm", "--force", name)
    if asked.returncode != 0:
        return 137  # it was removed by somebody else
    told = json.loads(asked.stdout)
    if told["started"].startswith("0001-"):
        raise CannotStart("CannotStartContainerError: see the log")
    return int(told["code"])


def _limits() -> list[str]:
    """What a Fargate container gets of open files; and no more of anything than we may give."""
    argv: list[str] = []
    for name, limit, wanted in (
        ("nofile", resource.RLIMIT_NOFILE, OPEN_FILES),
        ("nproc", resource.RLIMIT_NPROC, PROCESSES),
    ):
        _, hard = resource.getrlimit(limit)
        allowed = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        argv += ["--ulimit", f"{name}={allowed}:{allowed}"]
    return argv


def _engine(
    engine: str, *argv: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [engine, *argv], capture_output=True, text=True, check=False, env=env or os.environ
    )


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]
