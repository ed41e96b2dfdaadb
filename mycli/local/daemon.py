"""The daemon: the account on this machine, as one process. `account.py` starts and stops it.

    python -m mycli.local.daemon FOLDER

It takes the account's lock and port, goes into the background, and the command returns once the
account answers. What goes wrong before that is said on stderr, with a status other than 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import logging
import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path
from typing import Any

from mycli.errors import LocalAccountError
from mycli.local.place import Account, Place, read
from mycli.local.trees import remove_tree

ENDING_SECONDS = 10.0  # for the tasks to be gone
MAX_LOG_BYTES = 5 * 1024 * 1024  # looked at when the daemon starts
_BACKLOG = 256
_LOOK_SECONDS = 0.5  # whether the lock is still there
_READY = b"ready"


def main(folder: Path) -> None:
    """Become the daemon of the account in this folder; the calling process ends once it is up."""
    os.umask(0o077)
    place = Place(folder)
    account = read(place)
    if account is None:
        raise LocalAccountError(f"there is no account in {folder}")
    lock = _take_lock(place)
    listener = _take_port(account.port)
    ready, started = os.pipe()
    if os.fork():
        os.close(started)
        told = os.read(ready, 4096)
        sys.exit(0 if told == _READY else told.decode() or 1)
    os.close(ready)
    os.setsid()
    os.chdir(folder)
    _write_to(place.log)
    _write_pid(lock, os.getpid())
    try:
        asyncio.run(_serve(place, account, lock, listener, started))
    except LocalAccountError as error:
        os.close(lock)  # before anybody knows: who tries again at once must not take us for running
        os.write(started, _told(error).encode())


def _told(error: LocalAccountError) -> str:
    return f"{error.message}\n{error.hint}".strip()


def _take_lock(place: Place) -> int:
    """The lock is held by this process and its fork for as long as either lives."""
    lock = os.open(place.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LocalAccountError("the account on this machine is running already") from None
    _write_pid(lock, 0)  # that of the last daemon may be anybody's by now
    return lock


def _write_pid(lock: int, pid: int) -> None:
    """In the place of the old one: that needs no room on a full disk."""
    os.pwrite(lock, f"{pid:<31}\n".encode(), 0)


def _take_port(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        raise LocalAccountError(
            f"port {port}, which is this account's, cannot be used: {error.strerror}",
            "end what listens there (`ss -ltnp` shows it); the stacks' endpoints name this port",
        ) from None
    listener.listen(_BACKLOG)
    return listener


def _write_to(log: Path) -> None:
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        log.replace(log.with_suffix(".old"))
    nothing = os.open(os.devnull, os.O_RDONLY)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream, target in enumerate((nothing, written, written)):
        os.dup2(target, stream)


async def _serve(
    place: Place, account: Account, lock: int, listener: socket.socket, started: int
) -> None:
    import hypercorn.asyncio
    from hypercorn.config import Config

    tasks, app = _assemble(place, account)
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)

    async def announced(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return

        async def watched(message: Any) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                gc.freeze()  # the emulator stays: the collector would walk it in each long page
                os.write(started, _READY)
                os.close(started)
                logging.getLogger("mycli").warning("ready on 127.0.0.1:%s", account.port)

        try:
            await app(scope, receive, watched)
        except Exception as error:  # hypercorn would go on, and answer as an empty account
            await send({"type": "lifespan.startup.failed", "message": repr(error)})
            raise

    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.keep_alive_timeout = 75
    config.graceful_timeout = 1
    config.loglevel = "WARNING"
    watching = asyncio.create_task(_end_with(place.lock, lock))
    await hypercorn.asyncio.serve(announced, config, shutdown_trigger=ending.wait)
    watching.cancel()
    tasks.end_all(ENDING_SECONDS)


async def _end_with(path: Path, lock: int) -> None:
    """End at once when the lock is not there any more: nobody could tell that we are running.

    Nothing is written then: the account was taken away, or is another daemon's.
    """
    with contextlib.suppress(FileNotFoundError):
        while os.path.samestat(os.fstat(lock), path.stat()):
            await asyncio.sleep(_LOOK_SECONDS)
    logging.getLogger("mycli").error("%s is gone: this daemon ends", path)
    os._exit(1)


def _assemble(place: Place, account: Account) -> tuple[Any, Any]:
    """The emulator, mended, behind the guard."""
    from mycli.local import emulator

    for folder in (place.scratch, place.tasks):  # what a kill left there is of no use
        remove_tree(folder)
    for folder in (place.state, place.scratch, place.tasks):
        folder.mkdir(mode=0o700, exist_ok=True)
    emulator.configure(account.account_id, account.region, account.port, place.state, place.scratch)
    emulator.isolate()

    from mycli.local import (
        containers,
        durability,
        ecr_actions,
        ecs_actions,
        full_disk,
        functions,
        guard,
        log_streams,
        permissions,
        pulls,
        saved_state,
        sealing,
        tagging,
        task_events,
    )
    from mycli.local.blobs import Blobs
    from mycli.local.image_logins import ImageLogins
    from mycli.local.registry import Registry
    from mycli.local.registry_tokens import Tokens
    from mycli.local.tasks import Tasks

    emulator.keep_throttling_in_time()
    permissions.mend(account.account_id, account.access_key_id, account.secret_access_key)
    log_streams.mend(place.logs)
    functions.mend(place.scratch / "provided")
    seal = sealing.Seal(account.secret_access_key)
    journal = saved_state.Journal(place.state, seal)
    saved = saved_state.SavedState(place.state, seal, journal)
    engine = containers.need_engine() if account.runtime == "container" else None
    runtime = containers.runtime(engine, place.tasks, account.account_id)
    tokens, blobs = Tokens(account.secret_access_key, account.account_id), Blobs(place.registry)
    tasks = Tasks(runtime, ImageLogins(tokens, account.registry), place.tasks, journal)
    registry = Registry(blobs, account, place.registry, partial(saved.write, ["ecr"]))
    ecr_actions.mend(blobs, tokens, account.registry, partial(pulls.forget_soon, engine))
    durability.mend(saved, journal, (tasks.end_the_lost, registry.remove_unused))
    tasks.mend()
    ecs_actions.mend(tasks)
    tagging.mend()
    task_events.mend()
    app = registry.before(full_disk.telling(emulator.module("app").app, place.folder))
    knows_key, caller = permissions.knows_key, tokens.caller
    return tasks, guard.guard(app, account.port, account.daemon_secret, knows_key, caller)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except LocalAccountError as error:
        sys.exit(_told(error))
