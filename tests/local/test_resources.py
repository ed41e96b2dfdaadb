"""Each kind of resource: made, changed in place and deleted, in the local account and on moto."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mycli.local.clients import clients_of
from mycli.local.ledger import Ledger, Resource
from mycli.local.place import load, place
from mycli.local.resources import KINDS, invoke
from mycli.local.resources.kind import Clients, changed
from mycli.local.stacks import Options, up
from tests.local.conftest import Running

ROOT = Path(__file__).parents[2]


def test_the_program_comes_and_goes_on_moto(tmp_path: Path) -> None:
    """moto is the stricter one about what must be deleted before what."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.local.on_moto", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert len(report["first"]["new"]) > 30
    assert report["again"] == {"new": [], "gone": [], "other": []}
    assert report["changed"]["other"] == [
        "aws:ecs/taskDefinition:TaskDefinition template",
        "aws:lambda/function:Function orchestrator",
        "aws:ssm/parameter:Parameter github-token",
    ]
    assert report["without"]["gone"] == ["aws:ssm/parameter:Parameter github-token"]
    secret = "aws:secretsmanager/secret:Secret registry-ghcr.io"
    version = "aws:secretsmanager/secretVersion:SecretVersion registry-ghcr.io"
    function, policy = (
        "aws:lambda/function:Function orchestrator",
        "aws:iam/rolePolicy:RolePolicy task-execution",
    )
    assert report["logged in"] == {
        "new": [secret, version],
        "gone": [],
        "other": [policy, function],
    }
    # The ARN stays, so that nothing else changes.
    assert report["other login"] == {"new": [], "gone": [], "other": [version]}
    assert json.loads(report["held"]) == {"username": "me", "password": "new"}
    assert report["logged out"]["gone"] == [secret, version]
    assert report["there"]
    assert report["inactive"] == 3  # task definitions are only deregistered, as by AWS's provider
    assert report["left"] == {}


# --- Changes in place -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Clients, Ledger]]:
    """A stack of this module's own, to be changed."""
    from mycli.local import account

    home = tmp_path_factory.mktemp("stack")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MYCLI_HOME", str(home))
        credentials = {"github_token": "token"}
        up(Options(runtime="process", credentials=credentials), lambda _: None)
        made = clients_of(load()), Ledger.read(place().stacks / "mycli.json")
    yield made
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MYCLI_HOME", str(home))
        account.stop()


def find(stack: tuple[Clients, Ledger], token: str) -> Resource:
    return next(resource for resource in stack[1].resources if resource.type == token)


def update(stack: tuple[Clients, Ledger], token: str, **changes: Any) -> Resource:
    """Change inputs of the stack's resource of this type in place; the resource as it was."""
    resource, kind = find(stack, token), KINDS[token]
    inputs = {**resource.inputs, **changes}
    assert kind.update
    assert not kind.must_replace(changed(resource.inputs, inputs))
    kind.update(stack[0], resource.id, resource.state, inputs)
    return resource


def test_a_vpcs_names_can_be_switched_off(stack: tuple[Clients, Ledger]) -> None:
    vpc = update(stack, "aws:ec2/vpc:Vpc", enableDnsHostnames=False)
    found = stack[0]("ec2").describe_vpc_attribute(VpcId=vpc.id, Attribute="enableDnsHostnames")
    assert found["EnableDnsHostnames"] == {"Value": False}


def test_a_groups_rules_are_those_that_are_declared(stack: tuple[Clients, Ledger]) -> None:
    rule = {"protocol": "tcp", "fromPort": 443, "toPort": 443, "cidrBlocks": ["10.0.0.0/8"]}
    group = update(stack, "aws:ec2/securityGroup:SecurityGroup", egress=[rule])
    found = stack[0]("ec2").describe_security_groups(GroupIds=[group.id])["SecurityGroups"][0]
    [egress] = found["IpPermissionsEgress"]
    assert (egress["IpProtocol"], egress["FromPort"], egress["ToPort"]) == ("tcp", 443, 443)
    assert [block["CidrIp"] for block in egress["IpRanges"]] == ["10.0.0.0/8"]
    assert found["IpPermissions"] == []


def test_a_route_is_pointed_elsewhere(stack: tuple[Clients, Ledger]) -> None:
    ec2 = stack[0]("ec2")
    other = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    route = update(stack, "aws:ec2/route:Route", gatewayId=other)
    tables = ec2.describe_route_tables(RouteTableIds=[route.inputs["routeTableId"]])["RouteTables"]
    assert other in [found.get("GatewayId") for found in tables[0]["Routes"]]


def test_a_table_gets_and_loses_an_index(stack: tuple[Clients, Ledger]) -> None:
    dynamodb, table = stack[0]("dynamodb"), find(stack, "aws:dynamodb/table:Table")
    by_month, by_task, by_definition = table.inputs["globalSecondaryIndexes"]
    item = {"execution_id": {"S": "6ab13b800000"}, "task_definition": {"S": "mycli-task-x:1"}}
    dynamodb.put_item(TableName=table.id, Item=item)
    update(stack, table.type, globalSecondaryIndexes=[by_month])

    def indexes() -> list[str]:
        found = dynamodb.describe_table(TableName=table.id)["Table"]
        return sorted(index["IndexName"] for index in found["GlobalSecondaryIndexes"])

    assert indexes() == ["by-month"]
    fewer = {**table.state, "globalSecondaryIndexes": [by_month]}
    every = {**table.inputs, "globalSecondaryIndexes": [by_month, by_task, by_definition]}
    assert KINDS[table.type].update is not None
    KINDS[table.type].update(stack[0], table.id, fewer, every)  # pyright: ignore[reportOptionalCall]
    assert indexes() == ["by-month", "by-task", "by-task-definition"]
    found = dynamodb.query(
        TableName=table.id,
        IndexName="by-task-definition",
        KeyConditionExpression="task_definition = :is",
        ExpressionAttributeValues={":is": item["task_definition"]},
    )
    assert found["Items"] == [item]  # what was there before the index was


def test_a_role_is_trusted_to_somebody_else(stack: tuple[Clients, Ledger]) -> None:
    statement = {"Effect": "Allow", "Principal": {"Service": "x"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = update(stack, "aws:iam/role:Role", assumeRolePolicy=document)
    found = stack[0]("iam").get_role(RoleName=role.id)["Role"]
    assert found["AssumeRolePolicyDocument"] == json.loads(document)


def test_logs_are_kept_for_longer(stack: tuple[Clients, Ledger]) -> None:
    group = update(stack, "aws:cloudwatch/logGroup:LogGroup", retentionInDays=30)
    found = stack[0]("logs").describe_log_groups(logGroupNamePrefix=group.id)["logGroups"]
    assert found[0]["retentionInDays"] == 30


def test_a_rule_hears_something_else(stack: tuple[Clients, Ledger]) -> None:
    pattern = json.dumps({"source": ["aws.other"]})
    rule = update(stack, "aws:cloudwatch/eventRule:EventRule", eventPattern=pattern)
    assert stack[0]("events").describe_rule(Name=rule.id)["EventPattern"] == pattern


def test_an_api_is_described_anew_and_throttled_more(stack: tuple[Clients, Ledger]) -> None:
    api = update(stack, "aws:apigateway/restApi:RestApi", description="new words")
    apigateway = stack[0]("apigateway")
    assert apigateway.get_rest_api(restApiId=api.id)["description"] == "new words"
    settings = {"throttlingRateLimit": 5, "throttlingBurstLimit": 6}
    update(stack, "aws:apigateway/methodSettings:MethodSettings", settings=settings)
    stage = apigateway.get_stage(restApiId=api.id, stageName="prod")
    assert stage["methodSettings"]["*/*"]["throttlingRateLimit"] == 5.0
    assert stage["methodSettings"]["*/*"]["throttlingBurstLimit"] == 6


def has_tag(stack: tuple[Clients, Ledger], resource: Resource, name: str) -> bool:
    tagging = stack[0]("resourcegroupstaggingapi")
    tagged = tagging.get_resources(TagFilters=[{"Key": name}])["ResourceTagMappingList"]
    arn = resource.state.get("arn", f"/{resource.id}")
    return any(mapping["ResourceARN"].endswith(arn) for mapping in tagged)


TAGGED = (
    "Vpc InternetGateway Subnet RouteTable SecurityGroup Cluster Role TaskDefinition Parameter "
    "LogGroup Table Function EventRule RestApi Stage"
)


@pytest.mark.parametrize("name", TAGGED.split())
def test_tags_are_changed_in_place(stack: tuple[Clients, Ledger], name: str) -> None:
    token = next(token for token in KINDS if token.endswith(f":{name}"))
    resource = find(stack, token)
    code = {"code": {"path": str(stack[1].path.parents[1] / "function.zip")}}
    more = code if name == "Function" else {}
    update(stack, token, tags={"new": "tag"}, **more)
    assert has_tag(stack, resource, "new")
    assert not has_tag(stack, resource, "mycli:stack")


def test_what_the_program_asks_the_provider(running: Running) -> None:
    clients = running.clients
    region = invoke(clients, "aws:index/getRegion:getRegion", {})
    assert region["region"] == running.account.region
    caller = invoke(clients, "aws:index/getCallerIdentity:getCallerIdentity", {})
    assert caller["accountId"] == running.account.account_id
    assert invoke(clients, "aws:index/getPartition:getPartition", {})["partition"] == "aws"
    token = "aws:index/getAvailabilityZones:getAvailabilityZones"
    zones = invoke(clients, token, {})
    assert len(zones["names"]) >= 2
    fewer = invoke(clients, token, {"excludeZoneIds": [zones["zoneIds"][0]]})
    assert fewer["names"] == zones["names"][1:]
