"""A repository's lifecycle policy: which of its images are too many, or too old.

AWS carries it out within a day, here it is done with each push.
https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mycli.local import emulator, manifests

_DAY_SECONDS = 86_400
_SELECTED: dict[str, Callable[[list[str]], bool]] = {
    "any": lambda _: True,
    "tagged": bool,
    "untagged": lambda tags: not tags,
}


@dataclass(frozen=True)
class _Rule:
    priority: int
    selects: Callable[[list[str]], bool]
    by_age: bool
    count: int  # of images that stay, or of the days that each does

    def beyond(self, newest_first: list[manifests.Image], now: float) -> list[manifests.Image]:
        if not self.by_age:
            return newest_first[self.count :]
        oldest = now - self.count * _DAY_SECONDS
        return [image for image in newest_first if image["imagePushedAt"] < oldest]


def rules(policy: str) -> list[_Rule]:
    """A policy's rules, in their order. Raises ValueError for one that is not understood here."""
    try:
        found = [
            _rule(rule["rulePriority"], rule["selection"]) for rule in json.loads(policy)["rules"]
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a rule is not understood: {error}") from None
    return sorted(found, key=lambda rule: rule.priority)


def _rule(priority: int, selection: dict[str, Any]) -> _Rule:
    by_age = {"sinceImagePushed": True, "imageCountMoreThan": False}[selection["countType"]]
    if not selection.keys() <= {"tagStatus", "countType", "countUnit", "countNumber"}:
        raise ValueError("rules by the names of tags are not known here")
    if selection.get("countUnit", "days") != "days" or selection["countNumber"] < 1:
        raise ValueError("a rule counts images, or days")
    return _Rule(priority, _SELECTED[selection["tagStatus"]], by_age, selection["countNumber"])


def expired(repository: str, now: float) -> list[manifests.Image]:
    """The images that the policy gives up at this time (epoch seconds), if there is a policy.

    A rule does not touch what one of a higher priority looked at. What a list names stays.
    """
    policy = emulator.service("ecr")._lifecycle_policies.get(repository)
    gone: list[manifests.Image] = []
    looked_at: set[str] = set()
    newest_first = sorted(
        manifests.images(repository), key=lambda image: image["imagePushedAt"], reverse=True
    )
    for rule in rules(policy) if policy else ():
        found = [image for image in newest_first if rule.selects(image["imageTags"])]
        beyond = rule.beyond(found, now)
        gone += [image for image in beyond if image["imageDigest"] not in looked_at]
        looked_at |= {image["imageDigest"] for image in found}
    return [image for image in gone if not manifests.lists_with(repository, image["imageDigest"])]
