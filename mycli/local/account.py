"""The AWS account on this machine: made, started, stopped, looked at, and taken away.

It is a daemon, one for each MYCLI_HOME. Whether it runs is known by its lock, never by a pid alone:
the kernel frees a lock whatever death its holder dies.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hmac
import http.client
import importlib.util
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from mycli import config
from mycli.errors import LocalAccountError
from mycli.local.containers import find_engine, need_engine
from mycli.local.guard import PROVE_PATH, proof
from mycli.local.permissions import new_key_id
from mycli.local.place import Account, Place, place, read
from mycli.local.trees import remove_tree

_T = TypeVar("_T")

REGION = "us-east-1"
START_SECONDS = 30.0
STOP_SECONDS = 20.0
# All that the daemon, and so every task, gets of this process's environment.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "MYCLI_HOME", "TMPDIR", "TZ", "USER", "LOGNAME")
_ENGINE = ("DOCKER_HOST", "CONTAINER_HOST", "XDG_RUNTIME_DIR")  # where Docker or Podman is found


def create(runtime: str | None) -> Account:
    """The account, made where there was none. Call it within `exclusive`.

    runtime: `process` or `container`; None for what the account has, or finds when it is made.
    """
    if not all(map(importlib.util.find_spec, ("ministack", "cryptography"))):
        reason = "the packages for an account on this machine are not installed"
        raise LocalAccountError(reason, "pip install 'mycli[local]'")
    at = place()
    sweep()
    account = read(at)
    if account is None or (runtime and runtime != account.runtime):
        account = _changed(at, account, runtime or _best_runtime())
    return account


def start(account: Account) -> None:
    """Have the account's daemon run.

    Raises LocalAccountError, with the end of the daemon's log where that says more.
    """
    at = place()
    with exclusive(at):
        if not is_running(at):
            _launch(at)
    if not proves(account):
        raise LocalAccountError(
            f"what answers on port {account.port} is not this account",
            "`mycli local stop`, then `mycli local start`",
        )


def _changed(at: Place, account: Account | None, runtime: str) -> Account:
    """A new account, or the old one with another runtime. Its file is written."""
    if account:
        if stacks := stack_names(at):
            raise LocalAccountError(
                f"tasks run as --runtime {account.runtime} here: that is chosen by the first init",
                "to change it, destroy every stack first: "
                + "; ".join(f"mycli destroy --stack-name {name}" for name in stacks),
            )
        _end(at)
        account = dataclasses.replace(account, runtime=runtime)
    else:
        account = Account(
            account_id=str(secrets.randbelow(9 * 10**11) + 10**11),
            region=REGION,
            port=_free_port(),
            runtime=runtime,
            access_key_id=new_key_id("AKIA"),
            secret_access_key=secrets.token_urlsafe(30),
            daemon_secret=secrets.token_hex(32),
        )
    if runtime == "container":
        need_engine()
    config.write_private(at.account, json.dumps(dataclasses.asdict(account)).encode())
    return account


def _best_runtime() -> str:
    return "container" if find_engine() else "process"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stack_names(at: Place) -> list[str]:
    """The stacks that the account has, finished or not."""
    return sorted(path.stem for path in at.stacks.glob("*.json"))


def is_running(at: Place) -> bool:
    return _holder(at) is not None


def _holder(at: Place) -> int | None:
    """The pid of the daemon that holds the lock, 0 while it has not said, None if there is none."""
    try:
        lock = os.open(at.lock, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.read(lock, 32) or 0)
    finally:
        os.close(lock)
    return None


def _launch(at: Place) -> None:
    """Start the daemon; back when it answers. ^C leaves it starting, which does no harm."""
    kept = {*_INHERITED, *_ENGINE}
    clean = {name: value for name, value in os.environ.items() if name in kept}
    try:
        launched = subprocess.run(
            [sys.executable, "-P", "-m", "mycli.local.daemon", str(at.folder)],
            env=clean,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        reason = f"the daemon did not start within {START_SECONDS:.0f} s"
        raise LocalAccountError(reason, log_tail(at)) from None
    if launched.returncode != 0:
        reason, _, hint = launched.stderr.strip().partition("\n")
        raise LocalAccountError(reason or "the daemon ended while it started", hint or log_tail(at))


def log_tail(at: Place, lines: int = 15) -> str:
    """The end of the daemon's log, to be shown."""
    if not at.log.exists():
        return ""
    return "\n  ".join(at.log.read_text(errors="replace").splitlines()[-lines:])


def log_lines(follow: bool) -> Iterator[str]:
    """The daemon's log, line by line; following it ends only by an interrupt."""
    path = place().log
    path.touch(mode=0o600, exist_ok=True)
    with path.open(errors="replace") as file:
        while True:
            for line in file:
                yield line.rstrip("\n")
            if not follow:
                return
            time.sleep(0.2)


def status() -> dict[str, Any]:
    """How the account stands; account_id is None where there is none."""
    at = place()
    account, pid = read(at), _holder(at)
    return {
        "running": pid is not None,
        "pid": pid or None,
        "address": account.origin if account else None,
        "account_id": account.account_id if account else None,
        "region": account.region if account else None,
        "runtime": account.runtime if account else None,
        "stacks": stack_names(at),
        "folder": str(at.folder),
    }


def stop() -> bool:
    """End the daemon and what it runs; False where it was not running. The account stays."""
    at = place()
    if not at.folder.exists():
        return False
    with exclusive(at):
        return _end(at)


def remove_stack(name: str) -> bool:
    """Take away what is noted of a stack, and the account with its last one; whether it went."""
    at = place()
    with exclusive(at):
        last = stack_names(at) == [name]
        if last:
            _remove(at)
        else:
            (at.stacks / f"{name}.json").unlink()
    return last


def remove() -> None:
    """Take away the account with all that it has, in whatever state it is."""
    at = place()
    with exclusive(at):
        _remove(at)


def _remove(at: Place) -> None:
    """In one step, as whoever looks must find it whole or not at all."""
    _end(at)
    at.folder.rename(_gone(at))
    sweep()


def sweep() -> None:
    """Finish a removal that was cut short."""
    remove_tree(_gone(place()))


def _gone(at: Place) -> Path:
    return at.folder.with_name("local.gone")


def _end(at: Place) -> bool:
    pid = _wait(lambda: _holder(at) or not is_running(at), STOP_SECONDS) and _holder(at)
    if not pid:
        return False
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        if _wait(lambda: not is_running(at), STOP_SECONDS):
            return True
    raise LocalAccountError(f"the daemon (process {pid}) does not end")


def _wait(condition: Callable[[], _T], seconds: float) -> _T:
    """The condition's first true value, or its last one when the time is over."""
    deadline = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() <= deadline:
        time.sleep(0.01)
    return value


@contextlib.contextmanager
def exclusive(at: Place) -> Generator[None]:
    """Within it, no other command makes, starts, stops or removes the account."""
    lock = _wait(lambda: _command_lock(at), START_SECONDS + STOP_SECONDS)
    if lock is None:
        raise LocalAccountError("another mycli command is starting or stopping the account")
    with lock:
        yield


def _command_lock(at: Place) -> BinaryIO | None:
    """The lock, held until it is closed; None while another command has it."""
    for folder in (at.folder.parent, at.folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = at.folder / "command.lock"
    try:
        lock = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "rb+")
    except FileNotFoundError:  # the folder was taken away just now
        return None
    with contextlib.suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever had it may have taken the folder away: then this lock keeps nobody out.
        if os.path.samestat(os.fstat(lock.fileno()), path.stat()):
            return lock
    lock.close()
    return None


def proves(account: Account) -> bool:
    """Whether the account's own daemon answers on its port."""
    nonce = secrets.token_hex(16)
    connection = http.client.HTTPConnection("127.0.0.1", account.port, timeout=10)
    try:
        connection.request("GET", f"{PROVE_PATH}?nonce={nonce}")
        answer = json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    expected = proof(account.daemon_secret, nonce, account.origin)
    return hmac.compare_digest(str(answer.get("proof", "")), expected)
