"""boto3 clients of the account on this machine, for its owner."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Generator
from typing import Any, cast

from mycli.connection import prove
from mycli.errors import LocalAccountError
from mycli.local.place import Account


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
    patient = Config(retries={"total_max_attempts": 2}, connect_timeout=5, proxies={})
    proved = _proved_connections(account)
    made: dict[str, Any] = {}
    lock = threading.Lock()  # a session must not make two clients at once

    def client(service: str) -> Any:
        with lock:
            if service not in made:
                origin = account.origin
                made[service] = session.client(service, endpoint_url=origin, config=patient)
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
    """What the account refuses, or does not answer any more, becomes a LocalAccountError."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise LocalAccountError(
            str(error),
            "run the same command again to go on; the daemon's log may say more: mycli local logs",
        ) from None
