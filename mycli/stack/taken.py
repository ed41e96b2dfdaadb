"""Whether a stack's names are free in the account, asked before the first of it is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mycli.errors import StackError
from mycli.stack.names import STACK_TAG

_OTHER_STATE = (
    "is its state somewhere else: --state, --region? If it is lost: delete by hand what carries "
    f"the tag {STACK_TAG}={{}}, or choose another --stack-name"
)


def check_free(clients: Callable[[str], Any], stack_name: str, region: str) -> None:
    """Raise StackError where the account has what such a stack is made of: its state is not here.

    clients: a service's name -> its boto3 client. Roles have one name in all regions, a VPC carries
    the stack's tag. AWS's own index of tags is not asked: it shows for minutes what is gone.
    """
    iam, ec2 = clients("iam"), clients("ec2")
    tagged = [{"Name": f"tag:{STACK_TAG}", "Values": [stack_name]}]
    if vpcs := ec2.describe_vpcs(Filters=tagged)["Vpcs"]:
        raise StackError(
            f"there is a stack {stack_name} in {region} ({vpcs[0]['VpcId']}) "
            "that this state does not know",
            _OTHER_STATE.format(stack_name),
        )
    role_name = f"{stack_name}-lambda-role"
    try:
        role = iam.get_role(RoleName=role_name)["Role"]
    except iam.exceptions.NoSuchEntityException:
        return
    if {"Key": STACK_TAG, "Value": stack_name} in role.get("Tags", []):
        raise StackError(
            f"there is a stack {stack_name} in this account that this state does not know, "
            f"perhaps in another region: its role {role_name} is",
            _OTHER_STATE.format(stack_name),
        )
    raise StackError(
        f"the account has a role {role_name} that mycli did not make", "another --stack-name"
    )
