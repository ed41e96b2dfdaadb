"""boto3 clients of the account on this machine, for its owner."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
from collections.abc import Callable, Generator
from typing import Any, cast

from mycli.connection import prove
from mycli.errors import LocalAccountError
from mycli.local.place import Account, place


def clients_of(account: Account) -> Callable[[str], Any]:
    """service name -> its boto3 client for this account, one for each service.

    Nothing of the user's own AWS configuration comes in: not his profile, keys, endpoints or proxy.
    Nothing is sent, and nobody believed, on a connection whose other end is not this account.
    """
    import boto3
    import botocore.session
    from botocore.config import Config

    ours = {"config_file": os.devnull, "credentials_file": os.devnull, "region": account.region}
    switched_off = ("profile", "use_fips_endpoint", "use_dualstack_endpoint", "ca_bundle")
    variables = {
        name: (None, None, value, None)
        for name, value in (ours | dict.fromkeys(switched_off)).items()
    }
    session = boto3.Session(
        account.access_key_id,
        account.secret_access_key,
        botocore_session=botocore.session.Session(session_vars=variables),
    )
    # Once: the daemon is near, and a create that failed half-way must not be told as a clash.
    once = Config(retries={"total_max_attempts": 1}, connect_timeout=5, proxies={})
    proved = _proved_connections(account)
    made: dict[str, Any] = {}
    lock = threading.Lock()  # a session must not make two clients at once

    def client(service: str) -> Any:
        with lock:
            if service not in made:
                origin = account.origin
                made[service] = session.client(service, endpoint_url=origin, config=once)
                manager = made[service]._endpoint.http_session._manager
                manager.pool_classes_by_scheme = {"http": proved}
            return made[service]

    return client


def _proved_connections(account: Account) -> Any:
    """A pool of connections on each of which the daemon has proved itself."""
    from botocore.awsrequest import AWSHTTPConnection, AWSHTTPConnectionPool

    class Proved(AWSHTTPConnection):
        def connect(self) -> None:
            super().connect()
            prove(cast("socket.socket", self.sock), account.origin, account.daemon_secret)

    class Pool(AWSHTTPConnectionPool):
        ConnectionCls = Proved

    return Pool


@contextlib.contextmanager
def errors_told() -> Generator[None]:
    """What the account refuses or cannot answer, or a full disk, becomes a LocalAccountError."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError, OSError) as error:
        # The daemon's answer says it in the same words as this process's own error.
        if any(os.strerror(number) in str(error) for number in (errno.ENOSPC, errno.EDQUOT)):
            raise LocalAccountError(
                f"the disk is full: {place().folder} cannot be written",
                "make room, and run the same command again",
            ) from None
        if isinstance(error, OSError):
            raise
        raise LocalAccountError(
            str(error),
            "run the same command again to go on; the daemon's log may say more: mycli local logs",
        ) from None
