"""The way of a command through a stack that the engine made: API Gateway, function, task.

The account on this machine stands for AWS here, because in it all of that runs, with IAM enforced.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mycli import Client
from mycli.local import account
from mycli.local.clients import clients_of
from mycli.local.place import Account
from mycli.stack import package, wheel
from mycli.stack.automation import Settings, Stack
from tests.engine.conftest import API_KEY
from tests.engine.provider import Provider
from tests.local.conftest import new_account, until
from tests.local.inventory import inventory


@pytest.fixture
def here(home: Path, bcrypt_wheel: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An account on this machine that this process takes for AWS."""
    (home / "cache").mkdir(parents=True)
    (home / "cache" / wheel.NAME).write_bytes(bcrypt_wheel.read_bytes())
    made = new_account()
    provider = Provider(clients_of(made))
    for name, value in {
        "AWS_ENDPOINT_URL": made.origin,
        "AWS_ACCESS_KEY_ID": made.access_key_id,
        "AWS_SECRET_ACCESS_KEY": made.secret_access_key,
        "AWS_REGION": made.region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "PULUMI_DEBUG_PROVIDERS": f"aws:{provider.port}",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }.items():
        monkeypatch.setenv(name, value)
    yield made
    provider.close()
    account.stop()


def test_a_command_runs_and_destroy_ends_what_runs(here: Account, tmp_path: Path) -> None:
    clients = clients_of(here)
    before = inventory(clients)
    stack = Stack("mycli", state="file")
    made = stack.up(Settings(api_key=API_KEY))
    # The code is the same; bcrypt is this machine's, and no more Lambda's.
    package.build(tmp_path / "function.zip", package.installed_bcrypt())
    clients("lambda").update_function_code(
        FunctionName=made.outputs.function, ZipFile=(tmp_path / "function.zip").read_bytes()
    )
    with Client(endpoint=made.outputs.api_endpoint, api_key=API_KEY) as client:
        ran = client.exec("echo through all of it; exit 5", image="alpine:3", skip_git=True)
        assert list(ran.logs()) == ["through all of it"]
        assert ran.wait() == 5
        endless = client.exec("sleep 1000", skip_git=True)
        until(lambda: endless.status().status == "RUNNING")
    assert stack.running_executions() == 1

    gone = stack.destroy()
    assert gone.tasks == 1
    assert gone.definitions.families == 3  # the template, alpine, and the default image
    assert gone.leftovers == []
    assert inventory(clients) == before
