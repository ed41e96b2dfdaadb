"""boto3 clients of the account on this machine, for its owner."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from mycli.local.place import Account


def clients_of(account: Account) -> Callable[[str], Any]:
    """service name -> its boto3 client for this account, one for each service.

    Nothing of the user's own AWS configuration comes in: not his profile, keys, endpoints or proxy.
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
    made: dict[str, Any] = {}
    lock = threading.Lock()  # a session must not make two clients at once

    def client(service: str) -> Any:
        with lock:
            if service not in made:
                origin = account.origin
                made[service] = session.client(service, endpoint_url=origin, config=patient)
            return made[service]

    return client
