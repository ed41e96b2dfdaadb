"""Take back what was made just before an engine was killed: it is in the account, not in the state.

The engine knows that it had begun to make a resource, with which properties, and no more. Nothing
that needs it was made after it, and nothing is in it yet, so it can go. A rerun makes it anew; else
it would fail as the name is taken, or leave a second one behind.

What is not in the table goes with another resource (an integration with its method), is one more
version of what stands (a secret's), or is pruned by its tag (task definitions).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from mycli.stack.names import STACK_TAG

Clients = Callable[[str], Any]
Inputs = dict[str, Any]


def take_back(
    clients: Clients, kind: str, inputs: Inputs, stack_name: str, known: Collection[str]
) -> bool:
    """Delete it, if it is there; whether it was.

    kind: the engine's, such as aws:ec2/vpc:Vpc. inputs: by the program's names. known: ids that the
    state has: one that is to be replaced has the same tags.
    """
    from botocore.exceptions import ClientError

    delete = _DELETERS.get(kind)
    if not delete:
        return False
    given = {**inputs, "stack": stack_name, "known": known}
    try:
        return delete(clients, given)
    except ClientError as error:
        # That it is not there: each service has a code of its own for it.
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404 or _is_absent(error):
            return False
        raise


def _is_absent(error: Any) -> bool:
    code: str = error.response["Error"]["Code"]
    return "NotFound" in code or code.startswith("NoSuch")


def _tagged(inputs: Inputs) -> list[dict[str, Any]]:
    tags = {**inputs["tags"], STACK_TAG: inputs["stack"]}
    return [{"Name": f"tag:{key}", "Values": [value]} for key, value in tags.items()]


def _is_ours(tags: Any, inputs: Inputs) -> bool:
    """tags: a mapping, or AWS's list of pairs, in whichever case the service writes them."""
    if isinstance(tags, list):
        pairs: list[dict[str, str]] = tags
        low = [{name.lower(): text for name, text in pair.items()} for pair in pairs]
        tags = {pair["key"]: pair["value"] for pair in low}
    return tags.get(STACK_TAG) == inputs["stack"]


def _in_ec2(listed: str, name: str, delete: str) -> Callable[[Clients, Inputs], bool]:
    """Of what has an id of its own, found by its tags. `Vpcs`, `VpcId`, `delete_vpc`."""

    def found_and_deleted(clients: Clients, inputs: Inputs) -> bool:
        ec2 = clients("ec2")
        describe = "describe" + "".join(f"_{c.lower()}" if c.isupper() else c for c in listed)
        found = getattr(ec2, describe)(Filters=_tagged(inputs))[listed]
        new = [thing for thing in found if thing[name] not in inputs["known"]]
        for thing in new:
            for attachment in thing.get("Attachments", ()):  # an internet gateway's
                ec2.detach_internet_gateway(
                    InternetGatewayId=thing[name], VpcId=attachment["VpcId"]
                )
            getattr(ec2, delete)(**{name: thing[name]})
        return bool(new)

    return found_and_deleted


def _route(clients: Clients, inputs: Inputs) -> bool:
    to = inputs["destinationCidrBlock"]
    clients("ec2").delete_route(RouteTableId=inputs["routeTableId"], DestinationCidrBlock=to)
    return True


def _association(clients: Clients, inputs: Inputs) -> bool:
    ec2 = clients("ec2")
    [table] = ec2.describe_route_tables(RouteTableIds=[inputs["routeTableId"]])["RouteTables"]
    found = [a for a in table["Associations"] if a.get("SubnetId") == inputs["subnetId"]]
    for association in found:
        ec2.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])
    return bool(found)


def _cluster(clients: Clients, inputs: Inputs) -> bool:
    ecs = clients("ecs")
    found = ecs.describe_clusters(clusters=[inputs["name"]], include=["TAGS"])["clusters"]
    ours = [c for c in found if c["status"] == "ACTIVE" and _is_ours(c["tags"], inputs)]
    for cluster in ours:
        ecs.delete_cluster(cluster=cluster["clusterArn"])
    return bool(ours)


def _log_group(clients: Clients, inputs: Inputs) -> bool:
    logs, name = clients("logs"), inputs["name"]
    groups = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    for group in groups:
        if group["logGroupName"] == name:
            arn = group["arn"].removesuffix(":*")
            if _is_ours(logs.list_tags_for_resource(resourceArn=arn)["tags"], inputs):
                logs.delete_log_group(logGroupName=name)
                return True
    return False


def _table(clients: Clients, inputs: Inputs) -> bool:
    dynamodb, name = clients("dynamodb"), inputs["name"]
    arn = dynamodb.describe_table(TableName=name)["Table"]["TableArn"]
    if not _is_ours(dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"], inputs):
        return False
    dynamodb.get_waiter("table_exists").wait(TableName=name)  # it cannot go while it is coming
    dynamodb.delete_table(TableName=name)
    dynamodb.get_waiter("table_not_exists").wait(TableName=name)
    return True


def _role(clients: Clients, inputs: Inputs) -> bool:
    iam, name = clients("iam"), inputs["name"]
    if not _is_ours(iam.get_role(RoleName=name)["Role"].get("Tags", []), inputs):
        return False
    iam.delete_role(RoleName=name)
    return True


def _role_policy(clients: Clients, inputs: Inputs) -> bool:
    clients("iam").delete_role_policy(RoleName=inputs["role"], PolicyName=inputs["name"])
    return True


def _parameter(clients: Clients, inputs: Inputs) -> bool:
    ssm, name = clients("ssm"), inputs["name"]
    ssm.get_parameter(Name=name)
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
    if not _is_ours(tags, inputs):
        return False
    ssm.delete_parameter(Name=name)
    return True


def _secret(clients: Clients, inputs: Inputs) -> bool:
    secrets = clients("secretsmanager")
    found = secrets.describe_secret(SecretId=inputs["name"])
    if "DeletedDate" in found or found["ARN"] in inputs["known"]:
        return False
    if not _is_ours(found.get("Tags", []), inputs):
        return False
    secrets.delete_secret(SecretId=found["ARN"], ForceDeleteWithoutRecovery=True)
    return True


def _function(clients: Clients, inputs: Inputs) -> bool:
    functions, name = clients("lambda"), inputs["name"]
    if not _is_ours(functions.get_function(FunctionName=name).get("Tags", {}), inputs):
        return False
    functions.delete_function(FunctionName=name)
    return True


def _permission(clients: Clients, inputs: Inputs) -> bool:
    clients("lambda").remove_permission(
        FunctionName=inputs["function"], StatementId=inputs["statementId"]
    )
    return True


def _rule(clients: Clients, inputs: Inputs) -> bool:
    events, name = clients("events"), inputs["name"]
    arn = events.describe_rule(Name=name)["Arn"]
    if not _is_ours(events.list_tags_for_resource(ResourceARN=arn)["Tags"], inputs):
        return False
    events.delete_rule(Name=name)
    return True


def _target(clients: Clients, inputs: Inputs) -> bool:
    clients("events").remove_targets(Rule=inputs["rule"], Ids=[inputs["targetId"]])
    return True


def _api(clients: Clients, inputs: Inputs) -> bool:
    gateway = clients("apigateway")
    pages = gateway.get_paginator("get_rest_apis").paginate()
    new = [
        api["id"]
        for page in pages
        for api in page["items"]
        if api["name"] == inputs["name"]
        and _is_ours(api.get("tags", {}), inputs)
        and api["id"] not in inputs["known"]
    ]
    for id in new:
        gateway.delete_rest_api(restApiId=id)
    return bool(new)


def _path(clients: Clients, inputs: Inputs) -> bool:
    gateway, api = clients("apigateway"), inputs["restApi"]
    for path in gateway.get_resources(restApiId=api)["items"]:
        if path.get("pathPart") == inputs["pathPart"] and path["id"] not in inputs["known"]:
            gateway.delete_resource(restApiId=api, resourceId=path["id"])
            return True
    return False


def _method(clients: Clients, inputs: Inputs) -> bool:
    clients("apigateway").delete_method(
        restApiId=inputs["restApi"],
        resourceId=inputs["resourceId"],
        httpMethod=inputs["httpMethod"],
    )
    return True


def _deployment(clients: Clients, inputs: Inputs) -> bool:
    gateway, api = clients("apigateway"), inputs["restApi"]
    found = [deployment["id"] for deployment in gateway.get_deployments(restApiId=api)["items"]]
    new = [id for id in found if id not in inputs["known"]]
    for id in new:
        gateway.delete_deployment(restApiId=api, deploymentId=id)
    return bool(new)


def _stage(clients: Clients, inputs: Inputs) -> bool:
    clients("apigateway").delete_stage(restApiId=inputs["restApi"], stageName=inputs["stageName"])
    return True


_DELETERS: dict[str, Callable[[Clients, Inputs], bool]] = {
    "aws:apigateway/deployment:Deployment": _deployment,
    "aws:apigateway/method:Method": _method,
    "aws:apigateway/resource:Resource": _path,
    "aws:apigateway/restApi:RestApi": _api,
    "aws:apigateway/stage:Stage": _stage,
    "aws:cloudwatch/eventRule:EventRule": _rule,
    "aws:cloudwatch/eventTarget:EventTarget": _target,
    "aws:cloudwatch/logGroup:LogGroup": _log_group,
    "aws:dynamodb/table:Table": _table,
    "aws:ec2/internetGateway:InternetGateway": _in_ec2(
        "InternetGateways", "InternetGatewayId", "delete_internet_gateway"
    ),
    "aws:ec2/route:Route": _route,
    "aws:ec2/routeTable:RouteTable": _in_ec2("RouteTables", "RouteTableId", "delete_route_table"),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": _association,
    "aws:ec2/securityGroup:SecurityGroup": _in_ec2(
        "SecurityGroups", "GroupId", "delete_security_group"
    ),
    "aws:ec2/subnet:Subnet": _in_ec2("Subnets", "SubnetId", "delete_subnet"),
    "aws:ec2/vpc:Vpc": _in_ec2("Vpcs", "VpcId", "delete_vpc"),
    "aws:ecs/cluster:Cluster": _cluster,
    "aws:iam/role:Role": _role,
    "aws:iam/rolePolicy:RolePolicy": _role_policy,
    "aws:lambda/function:Function": _function,
    "aws:lambda/permission:Permission": _permission,
    "aws:secretsmanager/secret:Secret": _secret,
    "aws:ssm/parameter:Parameter": _parameter,
}
