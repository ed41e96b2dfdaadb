"""What somebody deleted by hand: doctor, preview and refresh say it, and up makes it anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from mycli import config
from mycli.errors import StackError
from mycli.stack.automation import Settings, Stack
from tests.engine.conftest import API_KEY, Cloud
from tests.engine.moto_server import REGION
from tests.engine.test_commands import type_in

Clients = Callable[[str], Any]


def function(of: Clients) -> None:
    of("lambda").delete_function(FunctionName="mycli-orchestrator")


def table(of: Clients) -> None:
    of("dynamodb").delete_table(TableName="mycli-executions")


def security_group(of: Clients) -> None:
    named = [{"Name": "group-name", "Values": ["mycli-fargate-sg"]}]
    [group] = of("ec2").describe_security_groups(Filters=named)["SecurityGroups"]
    of("ec2").delete_security_group(GroupId=group["GroupId"])


def role(of: Clients) -> None:
    iam, name = of("iam"), "mycli-lambda-role"
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def api(of: Clients) -> None:
    [found] = of("apigateway").get_rest_apis()["items"]
    of("apigateway").delete_rest_api(restApiId=found["id"])


def cluster(of: Clients) -> None:
    of("ecs").delete_cluster(cluster="mycli-cluster")


def log_group(of: Clients) -> None:
    of("logs").delete_log_group(logGroupName="/aws/mycli/mycli")


def rule(of: Clients) -> None:
    of("events").remove_targets(Rule="mycli-task-state", Ids=["orchestrator"])
    of("events").delete_rule(Name="mycli-task-state")


def permission(of: Clients) -> None:
    of("lambda").remove_permission(
        FunctionName="mycli-orchestrator", StatementId="AllowAPIGatewayInvoke"
    )


def way_out(of: Clients) -> None:
    [table] = of("ec2").describe_route_tables(
        Filters=[{"Name": "tag:mycli:stack", "Values": ["mycli"]}]
    )["RouteTables"]
    of("ec2").delete_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock="0.0.0.0/0")


MADE_ANEW = {"Function", "Table", "SecurityGroup", "Role", "RestApi"}


def test_what_was_deleted_by_hand_is_made_anew(cloud: Cloud) -> None:
    stack = Stack("mycli", state="file")
    stack.up(Settings(api_key=API_KEY))
    [api_id] = cloud.has()["apis"]
    before = counts(cloud)
    for delete in (function, table, security_group, role, api):
        delete(cloud.account.clients)

    there = next(check for check in doctor(cloud, api_id) if check["check"] == "stack")
    assert there["verdict"] == "fail"
    for what in ("mycli-orchestrator", "mycli-executions", "the REST API"):
        assert what in there["said"]
    assert "mycli init" in there["hint"]

    seen = stack.preview()
    assert {step.type for step in seen.steps if step.operation == "create"} >= MADE_ANEW
    cloud.provider.steps.clear()
    up = stack.up()
    assert up.changes.created == seen.changes.created == len(cloud.provider.steps)
    assert counts(cloud) == before
    assert up.outputs.takes(API_KEY)

    function(cloud.account.clients)
    with pytest.raises(StackError, match="gone from the account") as refused:
        stack.update_function()
    assert "mycli init" in refused.value.hint
    told: list[str] = []
    assert stack.refresh(told.append).deleted == 3  # its two permissions went with it
    assert "Gone from the account: Function orchestrator" in told
    cloud.run_task()
    gone = stack.destroy()
    assert (gone.tasks, gone.leftovers) == (1, [])
    assert cloud.has() == {}


def doctor(cloud: Cloud, api_id: str) -> list[dict[str, str]]:
    """What the command finds, on a machine that reaches nothing but the account."""
    endpoint = f"https://{api_id}.execute-api.{REGION}.amazonaws.com/prod/execute"
    profile = config.Profile(
        api_endpoint=endpoint, api_key=API_KEY, region=REGION, stack_name="mycli", state="file"
    )
    config.save_profile(profile, config.DEFAULT_PROFILE)
    cloud.environment["HTTPS_PROXY"] = "http://127.0.0.1:1"
    return json.loads(type_in(cloud, "doctor", "--json").out)["checks"]


@pytest.mark.soak
@pytest.mark.parametrize(
    "delete",
    [function, table, security_group, role, api, cluster, log_group, rule, permission, way_out],
)
def test_any_one_that_was_deleted_is_made_anew(cloud: Cloud, delete: Callable[..., None]) -> None:
    stack = Stack("mycli", state="file")
    stack.up(Settings(api_key=API_KEY))
    before = counts(cloud)
    delete(cloud.account.clients)
    assert stack.up().changes.created
    assert counts(cloud) == before
    assert not stack.refresh().any
    assert stack.destroy().leftovers == []
    assert cloud.has() == {}


def counts(cloud: Cloud) -> dict[str, int]:
    return {kind: len(found) for kind, found in cloud.has().items()}
