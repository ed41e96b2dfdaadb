"""The program applied to moto, changed, and taken away: `python -m tests.local.on_moto FOLDER`.

moto is stricter than the local account about what must go first. Run as a process of its own, as
Pulumi's seam is one for the whole process. Prints what each step did, as JSON.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import sys
from pathlib import Path
from typing import Any

import boto3
from moto import mock_aws

from mycli.local.apply import Monitor, run
from mycli.local.deletion import delete_all
from mycli.local.ledger import Ledger
from mycli.local.resources import KINDS
from mycli.stack import package
from tests.engine.moto_server import without_validator
from tests.local.inventory import inventory


def main(folder: Path) -> None:
    client = functools.cache(functools.partial(boto3.client, region_name="us-east-1"))
    package.build(folder / "function.zip", package.installed_bcrypt())
    before = inventory(client)
    first = apply(client, folder, default_image="ubuntu:22.04", github_token="first")
    again = apply(client, folder, default_image="ubuntu:22.04", github_token="first")
    changed = apply(client, folder, default_image="alpine:3", github_token="second")
    without = apply(client, folder, default_image="alpine:3")
    secrets = client("secretsmanager")
    logged_in = apply(client, folder, default_image="alpine:3", registry_credentials=login("first"))
    other_login = apply(client, folder, default_image="alpine:3", registry_credentials=login("new"))
    held = secrets.get_secret_value(SecretId="mycli/mycli/registry/ghcr.io")["SecretString"]
    logged_out = apply(client, folder, default_image="alpine:3")
    # At once, under the name that was deleted a moment ago.
    apply(client, folder, default_image="alpine:3", registry_credentials=login("again"))
    ledger = Ledger.read(folder / "mycli.json")
    there = all(KINDS[r.type].read(client, r.id, r.state) for r in ledger.resources)
    delete_all(client, ledger, list(ledger.resources), lambda _: None)
    ecs = client("ecs")
    inactive = ecs.list_task_definitions(status="INACTIVE")["taskDefinitionArns"]
    after = inventory(client)
    for found in (before, after):
        del found["task definitions"]  # they are only deregistered, and pruned elsewhere
    report = {
        "first": first,
        "again": again,
        "changed": changed,
        "without": without,
        "logged in": logged_in,
        "other login": other_login,
        "held": held,
        "logged out": logged_out,
        "there": there,
        "inactive": len(inactive),
        "left": {name: after[name] for name in after if after[name] != before[name]},
    }
    print(json.dumps(report))  # noqa: T201 (it is what the test reads)


def login(password: str) -> str:
    return json.dumps({"ghcr.io": {"username": "me", "password": password}})


def apply(client: Any, folder: Path, **config: str) -> dict[str, list[str]]:
    ledger = Ledger.read(folder / "mycli.json")
    before = {(r.type, r.name): r for r in ledger.resources}
    monitor = Monitor(client, ledger)
    given = {
        "api_key_hash": "$2b$10$hash",
        "api_key_sha256_prefix": "12345678",
        "function_zip": str(folder / "function.zip"),
        "function_architecture": "x86_64",
        **config,
    }
    secret = ["api_key_hash", "github_token", "registry_credentials"]
    request = {"stack": "mycli", "config": given, "secrets": secret}
    ledger.outputs = asyncio.run(run(request, monitor))
    monitor.delete_the_rest()
    after = {(r.type, r.name): r for r in ledger.resources}
    same = {key for key in before.keys() & after.keys() if before[key] != after[key]}
    return {
        "new": sorted(f"{kind} {name}" for kind, name in after.keys() - before.keys()),
        "gone": sorted(f"{kind} {name}" for kind, name in before.keys() - after.keys()),
        "other": sorted(f"{kind} {name}" for kind, name in same),
    }


if __name__ == "__main__":
    without_validator()
    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    with mock_aws():
        main(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)
