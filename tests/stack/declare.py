"""Run in a process of its own: declare one stack against mocks, and print what was declared.

stdin: {"stack": name, "config": {key: text}, "main": path of a Pulumi program or null}.
stdout: {"resources": {"module:name": {...}}, "outputs": {name: {"value": ..., "secret": ...}}}.
The mocks are global to a process, and so is the event loop that they need.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import runpy
import sys
from collections.abc import Callable
from typing import Any

import pulumi
from pulumi.runtime import mocks, rpc, set_all_config, settings
from pulumi.runtime.stack import wait_for_rpcs

from mycli.stack.program import program

SECRET_KEYS = (
    "api_key_hash",
    "github_token",
    "gitlab_token",
    "registry_credentials",
    "ssh_private_key",
)
REGION, ACCOUNT = "eu-west-1", "123456789012"
INVOKES = {
    "aws:index/getRegion:getRegion": {"id": REGION, "region": REGION},
    "aws:index/getAvailabilityZones:getAvailabilityZones": {
        "id": REGION,
        "names": [f"{REGION}a", f"{REGION}b", f"{REGION}c"],
    },
}
# What AWS adds to the inputs. `{0}` is the resource's name, or family, in AWS.
OUTPUTS = {
    "ecs/cluster": {"arn": "ecs:{region}:{account}:cluster/{0}"},
    "ecs/taskDefinition": {"arn": "ecs:{region}:{account}:task-definition/{0}:7"},
    "cloudwatch/logGroup": {"arn": "logs:{region}:{account}:log-group:{0}"},
    "cloudwatch/eventRule": {"arn": "events:{region}:{account}:rule/{0}"},
    "dynamodb/table": {"arn": "dynamodb:{region}:{account}:table/{0}"},
    "iam/role": {"arn": "iam::{account}:role/{0}"},
    "secretsmanager/secret": {"arn": "secretsmanager:{region}:{account}:secret:{0}-a1B2c3"},
    "ssm/parameter": {"arn": "ssm:{region}:{account}:parameter{0}"},
    "lambda/function": {
        "arn": "lambda:{region}:{account}:function:{0}",
        "invokeArn": "apigateway:{region}:lambda:path/functions/{0}/invocations",
    },
    "apigateway/restApi": {"executionArn": "execute-api:{region}:{account}:{0}"},
}


class Account(mocks.Mocks):
    def call(self, args: mocks.MockCallArgs) -> Any:
        return INVOKES[args.token]

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        kind = args.typ.split(":")[1]
        named = args.inputs.get("name") or args.inputs.get("family") or args.name
        added = {
            key: "arn:aws:" + text.format(named, region=REGION, account=ACCOUNT)
            for key, text in OUTPUTS.get(kind, {}).items()
        }
        if kind == "apigateway/restApi":
            added["rootResourceId"] = "root"
        if kind == "apigateway/stage":
            added["invokeUrl"] = f"https://api.{REGION}.example/prod"
        return f"{args.name}-id", {**args.inputs, **added}


class RecordingMonitor(mocks.MockMonitor):
    """Keeps what the mocks do not see: dependencies, secrets and options."""

    def __init__(self) -> None:
        super().__init__(Account())
        self.declared: dict[str, dict[str, Any]] = {}

    def RegisterResource(self, request: Any) -> Any:
        if request.custom:
            inputs: dict[str, Any] = rpc.deserialize_properties(request.object)
            self.declared[_key(request.type, request.name)] = {
                "inputs": {name: _plain(value) for name, value in inputs.items()},
                "secret_inputs": sorted(n for n, v in inputs.items() if rpc.is_rpc_secret(v)),
                "dependencies": sorted(_key(*urn.split("::")[2:]) for urn in request.dependencies),
                "ignore_changes": list(request.ignoreChanges),
                "takes_tags": _takes_tags(request.type),
            }
        return super().RegisterResource(request)


def _key(type_: str, name: str) -> str:
    """`pulumi:pulumi:Stack$aws:ec2/vpc:Vpc` and `vpc` give `Vpc:vpc`."""
    return f"{type_.rpartition(':')[2]}:{name}"


def _takes_tags(type_: str) -> bool:
    _, path, class_name = type_.split(":")
    module = path.split("/")[0].replace("lambda", "lambda_")
    resource: Any = getattr(importlib.import_module(f"pulumi_aws.{module}"), class_name)
    return "tags" in inspect.signature(resource._internal_init).parameters


def _plain(value: Any) -> Any:
    value = rpc.unwrap_rpc_secret(value)
    return value.path if isinstance(value, pulumi.FileArchive) else value


async def _outputs(stack: Any) -> dict[str, Any]:
    outputs = {name: pulumi.Output.from_input(value) for name, value in stack.outputs.items()}
    return {
        name: {"value": await output.future(), "secret": await output.is_secret()}
        for name, output in outputs.items()
    }


def main() -> None:
    given = json.load(sys.stdin)
    # Pulumi's own code asks for a loop, and must find this one: made later, it hangs.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    monitor = RecordingMonitor()
    config = {f"mycli:{key}": text for key, text in given["config"].items()}
    set_all_config(config, [f"mycli:{key}" for key in SECRET_KEYS])
    mocks.set_mocks(
        monitor.mocks, project="mycli", stack=given["stack"], preview=False, monitor=monitor
    )
    run: Callable[[], object] = program
    if path := given["main"]:
        run = lambda: runpy.run_path(path, run_name="__main__")  # noqa: E731
    run()
    loop.run_until_complete(wait_for_rpcs())
    outputs = loop.run_until_complete(_outputs(settings.get_root_resource()))
    json.dump({"resources": monitor.declared, "outputs": outputs}, sys.stdout)


if __name__ == "__main__":
    main()
