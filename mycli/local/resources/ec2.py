"""The network: VPC, gateway, subnets, routes and security group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mycli.local.resources.kind import (
    SOON,
    Clients,
    Kind,
    Properties,
    by_inputs,
    exists,
    tag_changes,
    tag_list,
)


def _tags(resource_type: str, inputs: Properties) -> dict[str, Any]:
    tags = tag_list(inputs.get("tags"))
    return {"TagSpecifications": [{"ResourceType": resource_type, "Tags": tags}]} if tags else {}


def _strays(describe: str, listed: str, id: str) -> Callable[[Clients, Properties], list[str]]:
    """What carries the same tags: they name the stack and the resource."""

    def found(clients: Clients, inputs: Properties) -> list[str]:
        tags: Properties = inputs["tags"]
        filters = [{"Name": f"tag:{name}", "Values": [text]} for name, text in tags.items()]
        return [item[id] for item in getattr(clients("ec2"), describe)(Filters=filters)[listed]]

    return found


def _retag(clients: Clients, id: str, old: Properties, new: Properties) -> None:
    added, removed = tag_changes(old, new)
    if added:
        clients("ec2").create_tags(Resources=[id], Tags=tag_list(added))
    if removed:
        clients("ec2").delete_tags(Resources=[id], Tags=[{"Key": name} for name in removed])


def _only_tags(clients: Clients, id: str, old: Properties, new: Properties) -> dict[str, Any]:
    _retag(clients, id, old, new)
    return {}


def _create_vpc(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    ec2 = clients("ec2")
    id = ec2.create_vpc(CidrBlock=inputs["cidrBlock"], **_tags("vpc", inputs))["Vpc"]["VpcId"]
    ec2.get_waiter("vpc_available").wait(VpcIds=[id], WaiterConfig=SOON)
    _set_dns(clients, id, inputs)
    return id, {}


def _set_dns(clients: Clients, id: str, inputs: Properties) -> None:
    for name in ("EnableDnsSupport", "EnableDnsHostnames"):
        wanted = {"Value": bool(inputs.get(name[0].lower() + name[1:]))}
        clients("ec2").modify_vpc_attribute(VpcId=id, **{name: wanted})


def _update_vpc(clients: Clients, id: str, old: Properties, new: Properties) -> dict[str, Any]:
    _set_dns(clients, id, new)
    _retag(clients, id, old, new)
    return {}


VPC = Kind(
    create=_create_vpc,
    read=lambda clients, id, _: exists(
        lambda: clients("ec2").describe_vpcs(VpcIds=[id])["Vpcs"], "InvalidVpcID.NotFound"
    ),
    update=_update_vpc,
    delete=lambda clients, id, _: clients("ec2").delete_vpc(VpcId=id),
    replaced_by=frozenset({"cidrBlock"}),
    strays=_strays("describe_vpcs", "Vpcs", "VpcId"),
)


def _create_gateway(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    ec2 = clients("ec2")
    made = ec2.create_internet_gateway(**_tags("internet-gateway", inputs))["InternetGateway"]
    ec2.attach_internet_gateway(InternetGatewayId=made["InternetGatewayId"], VpcId=inputs["vpcId"])
    return made["InternetGatewayId"], {}


def _delete_gateway(clients: Clients, id: str, state: Properties) -> None:
    ec2 = clients("ec2")
    exists(
        lambda: ec2.detach_internet_gateway(InternetGatewayId=id, VpcId=state["vpcId"]),
        "Gateway.NotAttached",
    )
    ec2.delete_internet_gateway(InternetGatewayId=id)


INTERNET_GATEWAY = Kind(
    create=_create_gateway,
    read=lambda clients, id, _: exists(
        lambda: clients("ec2").describe_internet_gateways(InternetGatewayIds=[id])[
            "InternetGateways"
        ],
        "InvalidInternetGatewayID.NotFound",
    ),
    update=_only_tags,
    delete=_delete_gateway,
    replaced_by=frozenset({"vpcId"}),
    strays=_strays("describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
)


def _create_subnet(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    ec2 = clients("ec2")
    made = ec2.create_subnet(
        VpcId=inputs["vpcId"],
        CidrBlock=inputs["cidrBlock"],
        AvailabilityZone=inputs["availabilityZone"],
        **_tags("subnet", inputs),
    )
    id = made["Subnet"]["SubnetId"]
    ec2.get_waiter("subnet_available").wait(SubnetIds=[id], WaiterConfig=SOON)
    return id, {}


SUBNET = Kind(
    create=_create_subnet,
    read=lambda clients, id, _: exists(
        lambda: clients("ec2").describe_subnets(SubnetIds=[id])["Subnets"],
        "InvalidSubnetID.NotFound",
    ),
    update=_only_tags,
    delete=lambda clients, id, _: clients("ec2").delete_subnet(SubnetId=id),
    replaced_by=frozenset({"vpcId", "cidrBlock", "availabilityZone"}),
    strays=_strays("describe_subnets", "Subnets", "SubnetId"),
)


def _create_route_table(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    made = clients("ec2").create_route_table(VpcId=inputs["vpcId"], **_tags("route-table", inputs))
    return made["RouteTable"]["RouteTableId"], {}


ROUTE_TABLE = Kind(
    create=_create_route_table,
    read=lambda clients, id, _: exists(
        lambda: clients("ec2").describe_route_tables(RouteTableIds=[id])["RouteTables"],
        "InvalidRouteTableID.NotFound",
    ),
    update=_only_tags,
    delete=lambda clients, id, _: clients("ec2").delete_route_table(RouteTableId=id),
    replaced_by=frozenset({"vpcId"}),
    strays=_strays("describe_route_tables", "RouteTables", "RouteTableId"),
)


def _route(inputs: Properties) -> dict[str, str]:
    return {
        "RouteTableId": inputs["routeTableId"],
        "DestinationCidrBlock": inputs["destinationCidrBlock"],
    }


def _create_route(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    clients("ec2").create_route(**_route(inputs), GatewayId=inputs["gatewayId"])
    return f"{inputs['routeTableId']}_{inputs['destinationCidrBlock']}", {}


def _has_route(clients: Clients, _: str, state: Properties) -> bool:
    def routes() -> bool:
        tables = clients("ec2").describe_route_tables(RouteTableIds=[state["routeTableId"]])
        found = tables["RouteTables"][0]["Routes"]
        wanted = state["destinationCidrBlock"]
        return any(route.get("DestinationCidrBlock") == wanted for route in found)

    return exists(routes, "InvalidRouteTableID.NotFound")


def _update_route(clients: Clients, _: str, __: Properties, new: Properties) -> dict[str, Any]:
    clients("ec2").replace_route(**_route(new), GatewayId=new["gatewayId"])
    return {}


ROUTE = Kind(
    create=_create_route,
    read=_has_route,
    update=_update_route,
    delete=lambda clients, _, state: clients("ec2").delete_route(**_route(state)),
    replaced_by=frozenset({"routeTableId", "destinationCidrBlock"}),
    strays=by_inputs,
)


def _associate(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    made = clients("ec2").associate_route_table(
        RouteTableId=inputs["routeTableId"], SubnetId=inputs["subnetId"]
    )
    return made["AssociationId"], {}


def _is_associated(clients: Clients, id: str, state: Properties) -> bool:
    def associations() -> bool:
        tables = clients("ec2").describe_route_tables(RouteTableIds=[state["routeTableId"]])
        found = tables["RouteTables"][0]["Associations"]
        return any(association["RouteTableAssociationId"] == id for association in found)

    return exists(associations, "InvalidRouteTableID.NotFound")


def _associations(clients: Clients, inputs: Properties) -> list[str]:
    [table] = clients("ec2").describe_route_tables(RouteTableIds=[inputs["routeTableId"]])[
        "RouteTables"
    ]
    return [
        association["RouteTableAssociationId"]
        for association in table["Associations"]
        if association.get("SubnetId") == inputs["subnetId"]
    ]


ROUTE_TABLE_ASSOCIATION = Kind(
    create=_associate,
    read=_is_associated,
    delete=lambda clients, id, _: clients("ec2").disassociate_route_table(AssociationId=id),
    strays=_associations,
)


def _create_security_group(clients: Clients, inputs: Properties) -> tuple[str, dict[str, Any]]:
    ec2 = clients("ec2")
    made = ec2.create_security_group(
        GroupName=inputs["name"],
        Description=inputs["description"],
        VpcId=inputs["vpcId"],
        **_tags("security-group", inputs),
    )
    _set_rules(clients, made["GroupId"], inputs)
    return made["GroupId"], {}


def _set_rules(clients: Clients, id: str, inputs: Properties) -> None:
    """Make the group's rules those of the inputs: EC2 gives a new group one that lets all out."""
    ec2 = clients("ec2")
    group = ec2.describe_security_groups(GroupIds=[id])["SecurityGroups"][0]
    for direction, there in (("egress", "IpPermissionsEgress"), ("ingress", "IpPermissions")):
        if group[there]:
            revoke = getattr(ec2, f"revoke_security_group_{direction}")
            revoke(GroupId=id, IpPermissions=group[there])
        if rules := [_permission(rule) for rule in inputs.get(direction) or []]:
            authorize = getattr(ec2, f"authorize_security_group_{direction}")
            authorize(GroupId=id, IpPermissions=rules)


def _permission(rule: Properties) -> dict[str, Any]:
    every = rule["protocol"] == "-1"
    ports = {} if every else {"FromPort": int(rule["fromPort"]), "ToPort": int(rule["toPort"])}
    ranges = [{"CidrIp": block} for block in rule.get("cidrBlocks") or []]
    return {"IpProtocol": rule["protocol"], "IpRanges": ranges, **ports}


def _update_security_group(
    clients: Clients, id: str, old: Properties, new: Properties
) -> dict[str, Any]:
    _set_rules(clients, id, new)
    _retag(clients, id, old, new)
    return {}


SECURITY_GROUP = Kind(
    create=_create_security_group,
    read=lambda clients, id, _: exists(
        lambda: clients("ec2").describe_security_groups(GroupIds=[id])["SecurityGroups"],
        "InvalidGroup.NotFound",
    ),
    update=_update_security_group,
    delete=lambda clients, id, _: clients("ec2").delete_security_group(GroupId=id),
    replaced_by=frozenset({"name", "description", "vpcId"}),
    strays=_strays("describe_security_groups", "SecurityGroups", "GroupId"),
)

KINDS = {
    "aws:ec2/vpc:Vpc": VPC,
    "aws:ec2/internetGateway:InternetGateway": INTERNET_GATEWAY,
    "aws:ec2/subnet:Subnet": SUBNET,
    "aws:ec2/routeTable:RouteTable": ROUTE_TABLE,
    "aws:ec2/route:Route": ROUTE,
    "aws:ec2/routeTableAssociation:RouteTableAssociation": ROUTE_TABLE_ASSOCIATION,
    "aws:ec2/securityGroup:SecurityGroup": SECURITY_GROUP,
}
