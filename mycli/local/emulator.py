"""ministack, the emulator behind the account on this machine: how its parts are reached and mended.

It ships no types and its seams are its own module globals, so its modules are `Any` here. The
version is pinned in pyproject.toml: each mend names what it mends, and tests/local would show it if
another version no longer needed it.
"""

from __future__ import annotations

import importlib
import os
import time
from pathlib import Path
from typing import Any

# What a stack of mycli is made of; the emulator answers nothing else.
SERVICES = "apigateway,dynamodb,ec2,ecr,ecs,events,iam,lambda,logs,secretsmanager,ssm,sts,tagging"


def configure(account_id: str, region: str, port: int, state: Path, scratch: Path) -> None:
    """Set what the emulator reads from the environment. Call it before anything is loaded."""
    os.environ |= {
        "AUTH": "true",
        "SERVICES": SERVICES,
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_ACCOUNT_ID": account_id,
        "MINISTACK_REGION": region,
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state),
        "TMPDIR": str(scratch),
        "LAMBDA_EXECUTOR": "local",
        "LAMBDA_WARM_TTL_SECONDS": "60",  # all but one warm process of a function go after that
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        # boto3 in the daemon's children must not look for credentials or a config of the user's.
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def isolate() -> None:
    """Keep the emulator from what it would do to the machine, and from what it need not speak.

    When it starts it removes the containers of every emulator like it, and runs scripts it finds in
    /etc. Its server changes to HTTP/2 before anybody is asked who may come in.
    """
    app = module("app")
    app._docker_socket_present = lambda: False
    app._reaper_docker_client = lambda: None
    app._collect_scripts = _none
    h11 = importlib.import_module("hypercorn.protocol.h11")
    h11.H11Protocol._check_protocol = _stay


def keep_throttling_in_time() -> None:
    """A clock that is set back takes tokens away from API Gateway: it refused all until it was
    that late again."""
    gateway = service("apigateway_v1")
    take, taken = gateway._take_token, gateway._throttle_state

    def take_token(slot: Any, limits: dict[str, Any]) -> bool:
        if slot in taken and taken[slot][1] > time.time():
            del taken[slot]
        return bool(take(slot, limits))

    gateway._take_token = take_token


async def _stay(*_request: Any) -> None:
    return None


def _none(*_folders: str) -> list[str]:
    return []


def module(name: str) -> Any:
    """One of the emulator's modules: `app`, `core.iam_evaluator`, `services.ecs`, ..."""
    return importlib.import_module(f"ministack.{name}")


def service(name: str) -> Any:
    """A service's module, loaded so that the emulator saves and restores its state."""
    return module("app")._get_module(name)
