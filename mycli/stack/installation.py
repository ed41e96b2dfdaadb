"""Install the Pulumi engine and its aws plugin into mycli's home, once.

The vendor's own installer fetches the engine, in a process of its own: it can be timed, watched and
ended. What it makes is put in place whole, so an interrupted one leaves nothing half-done.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.metadata
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mycli.errors import EngineError

if TYPE_CHECKING:
    from mycli.stack.invocation import Engine

MB = 1_000_000
ENGINE_MB, PLUGIN_MB = 500, 800  # unpacked
FETCHED = 1.5  # how much more it is while the archive is there, too
FETCH_SECONDS = 1800.0
TELL_SECONDS = 10.0

OnEvent = Callable[[str], None]
Fetch = Callable[[Path], None]  # puts bin/pulumi, and what belongs to it, into the folder


def check_room(home: Path, *, engine: bool, plugin: bool) -> None:
    """Raise EngineError where the disk has no room for what is still missing."""
    needed = (ENGINE_MB * engine + PLUGIN_MB * plugin) * FETCHED * MB
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise EngineError(
            f"the Pulumi engine and its aws plugin need {needed / MB:,.0f} MB in {home}, "
            f"and {free / MB:,.0f} MB are free",
            "make room, or set MYCLI_HOME to a folder on another disk",
        )


def install_engine(
    root: Path,
    version: str,
    flaw: Callable[[Path], str | None],
    on_event: OnEvent,
    fetch: Fetch | None = None,
) -> None:
    """Put the engine into the folder `root`, unless another process just has.

    flaw: what is wrong with the engine in a folder; None: nothing. Raises EngineError.
    """
    root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(root.parent / "install.lock", on_event):
        if (root / "bin" / "pulumi").exists() and not flaw(root):
            return
        for stale in root.parent.glob(".new-*"):  # of one that was killed
            shutil.rmtree(stale, ignore_errors=True)
        draft = Path(tempfile.mkdtemp(dir=root.parent, prefix=".new-"))
        try:
            on_event(f"Installing the Pulumi engine {version} (about {ENGINE_MB} MB, once)")
            with _told(draft, on_event):
                (fetch or _fetch)(draft)
            if wrong := flaw(draft):
                raise EngineError(f"the Pulumi engine that was fetched {wrong}", "try it again")
            shutil.rmtree(root, ignore_errors=True)
            draft.rename(root)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def plugin_version() -> str:
    """The version of the aws plugin that pulumi_aws asks the engine for."""
    # Without importing pulumi_aws, which takes a third of a second.
    file = importlib.metadata.distribution("pulumi-aws").locate_file("pulumi_aws")
    named = json.loads((Path(str(file)) / "pulumi-plugin.json").read_text("utf-8"))
    return named["version"]


def has_plugin(home: Path) -> bool:
    """Whether the engine will find the aws plugin without fetching it."""
    attached = os.environ.get("PULUMI_DEBUG_PROVIDERS", "").split(",")
    if any(entry.startswith("aws:") for entry in attached) or shutil.which("pulumi-resource-aws"):
        return True
    folder = home / "plugins" / f"resource-aws-v{plugin_version()}"
    # The engine keeps a file beside it as long as it is not whole.
    partial = folder.with_name(f"{folder.name}.partial")
    return (folder / "pulumi-resource-aws").exists() and not partial.exists()


def install_plugin(engine: Engine, home: Path, on_event: OnEvent) -> None:
    """Let the engine fetch the aws plugin: it locks by itself, and finishes what is half-done."""
    from pulumi.automation import LocalWorkspace
    from pulumi.automation.errors import CommandError

    version = plugin_version()
    on_event(f"Installing Pulumi's aws plugin {version} (about {PLUGIN_MB} MB, once)")
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mycli-") as folder, _told(home, on_event):
        workspace = LocalWorkspace(
            work_dir=folder,
            pulumi_home=str(home),
            env_vars={"PULUMI_SKIP_UPDATE_CHECK": "1"},
            pulumi_command=engine,
        )
        try:
            workspace.install_plugin("aws", f"v{version}")
        except CommandError as error:
            said = str(error).partition("\n stderr: ")[2].strip().splitlines()
            why = said[-1].removeprefix("error: ") if said else "the engine does not say why"
            raise EngineError(
                f"Pulumi's aws plugin {version} could not be fetched: {why}", network_hint()
            ) from None


def network_hint() -> str:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        if proxy := os.environ.get(name):
            shown = re.sub(r"//[^@/]*@", "//", proxy)  # without a password
            return f"check the network, and the proxy: {name} is {shown}"
    return "check the network; behind a proxy set HTTPS_PROXY"


def _fetch(root: Path) -> None:
    """By the vendor's installer. Raises EngineError."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "mycli.stack.fetch_engine", str(root)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        process_group=0,  # the installer starts others: they end with it
    )
    with process:
        try:
            said, _ = process.communicate(timeout=FETCH_SECONDS)
        except subprocess.TimeoutExpired:
            raise EngineError(
                f"the Pulumi engine could not be fetched in {FETCH_SECONDS / 60:.0f} minutes",
                network_hint(),
            ) from None
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        lines = [line for line in said.splitlines() if line.strip()]
        why = lines[-1].strip() if lines else f"exit code {process.returncode}"
        raise EngineError(f"the Pulumi engine could not be fetched: {why}", network_hint())


@contextlib.contextmanager
def _alone(lock: Path, on_event: OnEvent) -> Generator[None]:
    """Within it, no other process installs."""
    with os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT, 0o600), "rb+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_event("Waiting for another mycli, which is installing the Pulumi engine")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _told(folder: Path, on_event: OnEvent) -> Generator[None]:
    """Within it, every few seconds, how much there is in the folder that was not there before."""
    before, over, began = _size(folder), threading.Event(), time.monotonic()

    def tell() -> None:
        while not over.wait(TELL_SECONDS):
            size, seconds = (_size(folder) - before) / MB, time.monotonic() - began
            on_event(f"Still installing: {size:,.0f} MB on the disk after {seconds:.0f} s")

    teller: Any = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def _size(folder: Path) -> int:
    size = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # it comes and goes
                size += (Path(path) / name).lstat().st_size
    return size
