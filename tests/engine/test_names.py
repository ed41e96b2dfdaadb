"""What an up makes, as the account itself shows it: every name and every tag."""

from __future__ import annotations

from typing import Any, cast

from tests.engine.conftest import Cloud, Standing
from tests.engine.moto_server import REGION

NAMES = {
    "clusters": ["mycli-cluster"],
    "functions": ["mycli-orchestrator"],
    "log groups": ["/aws/lambda/mycli-orchestrator", "/aws/mycli/mycli"],
    "parameters": ["/mycli/mycli/github-token"],
    "roles": ["mycli-lambda-role", "mycli-task-execution-role", "mycli-task-role"],
    "rules": ["mycli-task-state"],
    "secrets": ["mycli/mycli/registry/ghcr.io"],
    "tables": ["mycli-executions"],
    "task definitions": ["mycli-task"],
}
# By the tag Name; what EC2 makes by itself with a VPC has none.
NETWORK = {
    "gateways": ["mycli-igw"],
    "groups": ["mycli-fargate-sg", None],
    "route tables": ["mycli-public", None],
    "subnets": ["mycli-public-1", "mycli-public-2"],
    "vpcs": ["mycli-vpc"],
}


def last(arn: str) -> str:
    """Its name, without a revision."""
    return arn if arn.startswith(("/", "mycli/")) else arn.rpartition("/")[2].partition(":")[0]


def names(cloud: Cloud, ids: list[str]) -> list[Any]:
    """What EC2's resources are called by their tags, None for those without."""
    tags = cloud.account.clients("ec2").describe_tags(
        Filters=[{"Name": "resource-id", "Values": ids}, {"Name": "key", "Values": ["Name"]}]
    )["Tags"]
    named = {tag["ResourceId"]: tag["Value"] for tag in tags}
    return sorted((named.get(id) for id in ids), key=str)


def test_everything_has_its_exact_name(standing: Standing) -> None:
    cloud, has = standing.cloud, standing.cloud.has()
    has["parameters"] = [name for name in has["parameters"] if "passphrase" not in name]
    # Several revisions of one family, where another test has changed it.
    assert {kind: sorted({last(name) for name in has[kind]}) for kind in NAMES} == NAMES
    found = {kind: names(cloud, has[kind]) for kind in NETWORK}
    assert found == {kind: sorted(expected, key=str) for kind, expected in NETWORK.items()}
    assert set(has) == {*NAMES, *NETWORK, "apis", "buckets"}
    [api] = cloud.account.clients("apigateway").get_rest_apis()["items"]
    assert api["name"] == "mycli-api"


def tags_of(cloud: Cloud) -> dict[str, Any]:
    """What each kind's own service says of its tags, without what has none."""
    has, of = cloud.has(), cloud.account.clients
    [api], [function], [table] = has["apis"], has["functions"], has["tables"]
    region, account = REGION, cloud.account.account_id
    own = {
        "api": of("apigateway").get_rest_api(restApiId=api)["tags"],
        "stage": of("apigateway").get_stage(restApiId=api, stageName="prod")["tags"],
        "cluster": of("ecs").list_tags_for_resource(resourceArn=has["clusters"][0])["tags"],
        "template": of("ecs").list_tags_for_resource(resourceArn=has["task definitions"][0])[
            "tags"
        ],
        "function": of("lambda").get_function(FunctionName=function)["Tags"],
        "table": of("dynamodb").list_tags_of_resource(
            ResourceArn=f"arn:aws:dynamodb:{region}:{account}:table/{table}"
        )["Tags"],
        "rule": of("events").list_tags_for_resource(
            ResourceARN=f"arn:aws:events:{region}:{account}:rule/{has['rules'][0]}"
        )["Tags"],
        "parameter": of("ssm").list_tags_for_resource(
            ResourceType="Parameter", ResourceId="/mycli/mycli/github-token"
        )["TagList"],
        "secret": of("secretsmanager").describe_secret(SecretId=has["secrets"][0])["Tags"],
    }
    for name in has["roles"]:
        own[name] = of("iam").list_role_tags(RoleName=name)["Tags"]
    for name in has["log groups"]:
        arn = f"arn:aws:logs:{region}:{account}:log-group:{name}"
        own[name] = of("logs").list_tags_for_resource(resourceArn=arn)["tags"]
    network = [id for kind in NETWORK for id in has[kind]]
    for tag in of("ec2").describe_tags(Filters=[{"Name": "resource-id", "Values": network}])[
        "Tags"
    ]:
        own.setdefault(tag["ResourceId"], []).append(tag)
    return own


def test_everything_that_takes_tags_says_whose_it_is(standing: Standing) -> None:
    found = tags_of(standing.cloud)
    assert len(found) == 20
    for what, tags in found.items():
        assert as_dict(tags)["mycli:stack"] == "mycli", what


def as_dict(tags: Any) -> dict[str, str]:
    """AWS has three ways to say them."""
    if isinstance(tags, dict):
        return cast("dict[str, str]", tags)
    pairs = [{name.lower(): text for name, text in tag.items()} for tag in tags]
    return {tag["key"]: tag["value"] for tag in pairs}
