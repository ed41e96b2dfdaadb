from __future__ import annotations

import dataclasses
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.families import family_names, sanitized, short_name
from orchestrator.locks import HELD_SECONDS, alone
from orchestrator.task_definitions import (
    MAX_REMEMBERED,
    Revision,
    find,
    fingerprint,
    forget,
)
from tests.orchestrator.conftest import Account, Died, Hooks, make_template

SECRETS = [
    {"name": "MYCLI_GITHUB_TOKEN", "valueFrom": "arn:aws:ssm:us-east-1:123456789012:parameter/x"}
]


def described(account: Account, arn: str) -> dict[str, Any]:
    answer = account.runtime.ecs.describe_task_definition(taskDefinition=arn, include=["TAGS"])
    tags = {tag["key"]: tag["value"] for tag in answer.get("tags", [])}
    return {**answer["taskDefinition"], "tags": tags}


def new_process(account: Account, template: str | None = None) -> None:
    """Forget all that a warm process remembers; maybe with another template."""
    account.runtime.remembered.clear()
    if template:
        settings = dataclasses.replace(account.runtime.settings, template=template)
        account.runtime.settings = settings


def register_foreign(account: Account, family: str, image: str, stack: str | None) -> str:
    """A definition under our name that we did not register."""
    tags = [{"key": "mycli:stack", "value": stack}] if stack else []
    return account.runtime.ecs.register_task_definition(
        family=family,
        containerDefinitions=[{"name": "executor", "image": image, "memory": 512}],
        cpu="256",
        memory="512",
        **({"tags": tags} if tags else {}),
    )["taskDefinition"]["taskDefinitionArn"]


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("alpine:latest", "alpine-latest"),
        ("ubuntu:22.04", "ubuntu-22-04"),
        ("hashicorp/terraform:1.6", "hashicorp-terraform-1-6"),
        ("python:3.11-slim", "python-3-11-slim"),
        ("My_Registry:5000/Team/App@sha256:AB", "my-registry-5000-team-app-sha256-ab"),
        ("a" * 60, "a" * 50),
        ("a" * 49 + ":b", "a" * 49),
        ("a" * 47 + "/_./b", "a" * 47),
        ("image:", "image"),
    ],
)
def test_an_image_as_part_of_a_name(image: str, name: str) -> None:
    assert sanitized(image) == name


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,511}", fullmatch=True), st.booleans())
def test_every_image_has_names_that_ecs_takes(image: str, with_git: bool) -> None:
    for family in family_names("mycli", image, with_git=with_git):
        assert family.startswith("mycli-task-")
        assert len(family) <= 255
        assert set(family) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_the_template_is_registered_again_with_the_image_put_in(account: Account) -> None:
    revision = find(account.runtime, "hashicorp/terraform:1.6", with_repo=True)

    registered = described(account, revision.arn)
    template = described(account, account.runtime.settings.template)
    [executor] = registered.pop("containerDefinitions")
    [original] = template.pop("containerDefinitions")
    assert executor.pop("image") == "hashicorp/terraform:1.6"
    assert original.pop("image") == "ubuntu:22.04"
    assert {n: v for n, v in executor.items() if v} == {n: v for n, v in original.items() if v}
    assert registered["family"] == "mycli-task-hashicorp-terraform-1-6"
    assert registered["tags"].keys() == {"mycli:stack", "mycli:template"}
    assert registered["tags"]["mycli:stack"] == "mycli"
    assert len(registered["tags"]["mycli:template"]) == 16
    for name in ("taskRoleArn", "executionRoleArn", "networkMode", "cpu", "memory"):
        assert registered[name] == template[name]
    assert registered["runtimePlatform"] == template["runtimePlatform"]
    assert registered["requiresCompatibilities"] == ["FARGATE"]


def test_a_revision_says_what_it_is(account: Account) -> None:
    revision = find(account.runtime, "alpine", with_repo=False)

    assert (revision.cpu, revision.memory, revision.architecture) == (256, 512, "X86_64")
    assert not revision.cached


def test_the_same_image_uses_the_same_revision(account: Account) -> None:
    first = find(account.runtime, "alpine:latest", with_repo=False)
    new_process(account)

    second = find(account.runtime, "alpine:latest", with_repo=False)

    assert second == dataclasses.replace(first, reason="")


def test_what_is_remembered_costs_no_call(account: Account) -> None:
    find(account.runtime, "alpine:latest", with_repo=False)
    account.calls.clear()

    find(account.runtime, "alpine:latest", with_repo=False)

    assert account.calls == []


def test_what_is_remembered_is_bounded(account: Account) -> None:
    remembered = account.runtime.remembered
    find(account.runtime, "alpine", with_repo=False)
    remembered |= {("revision", str(number), ""): None for number in range(MAX_REMEMBERED)}

    find(account.runtime, "debian", with_repo=False)

    assert len(remembered) < 3


def test_the_answer_says_whether_and_why_it_was_registered(account: Account) -> None:
    def exec_(image: str) -> tuple[bool, str]:
        answer = account.ok("exec", command="true", skip_git=True, image=image)
        return answer["task_definition_cached"], answer["task_definition_reason"]

    assert exec_("alpine:1") == (False, "first use of this image")
    assert exec_("alpine:1") == (True, "")
    assert exec_("alpine/1") == (False, "its name was taken")
    new_process(account)
    assert exec_("alpine/1") == (True, "")
    new_process(account, make_template(account.runtime.ecs, command=["tomorrow's script"]))
    assert exec_("alpine:1") == (False, "the stack's template changed")


def test_a_repeat_answers_the_same_reason(account: Account) -> None:
    body = {"command": "true", "skip_git": True, "request_id": "a-request"}

    assert account.ok("exec", **body) == account.ok("exec", **body) | {"status": "starting"}


def test_another_architecture_is_a_family_of_its_own(account: Account) -> None:
    new_process(account, make_template(account.runtime.ecs, secrets=SECRETS))
    x86 = find(account.runtime, "alpine", with_repo=False)
    arm = find(account.runtime, "alpine", with_repo=False, arch="arm64")
    git = find(account.runtime, "alpine", with_repo=True, arch="arm64")

    assert [short_name(found.arn) for found in (x86, arm, git)] == [
        "mycli-task-alpine:1",
        "mycli-task-alpine-arm64:1",
        "mycli-task-alpine-arm64-git:1",
    ]
    assert described(account, arm.arn)["runtimePlatform"]["cpuArchitecture"] == "ARM64"
    new_process(account)
    for arch, its_own in ((None, x86), ("x86_64", x86), ("arm64", arm)):
        assert find(account.runtime, "alpine", with_repo=False, arch=arch).arn == its_own.arn


def test_an_image_cannot_pass_for_another_architecture(account: Account) -> None:
    find(account.runtime, "alpine", with_repo=False, arch="arm64")

    pretender = find(account.runtime, "alpine:arm64", with_repo=False)

    assert pretender.architecture == "X86_64"
    assert described(account, pretender.arn)["containerDefinitions"][0]["image"] == "alpine:arm64"


def test_an_execution_on_another_architecture_says_so(account: Account) -> None:
    execution_id = account.start(arch="arm64", cpu=512, memory=1024)

    found = account.ok("status", execution_id=execution_id)

    assert (found["arch"], found["cpu"], found["memory"]) == ("arm64", 512, 1024)
    [task] = account.tasks()
    assert task["taskDefinitionArn"].endswith("mycli-task-ubuntu-22-04-arm64:1")


def test_a_shell_is_a_family_of_its_own(account: Account) -> None:
    """Or the ordinary use of the image and this one would register by turns."""
    plain = find(account.runtime, "busybox", with_repo=False)
    shell = find(account.runtime, "busybox", with_repo=False, shell="/busybox/sh")

    assert described(account, shell.arn)["containerDefinitions"][0]["entryPoint"] == [
        "/busybox/sh",
        "-c",
    ]
    new_process(account)
    assert find(account.runtime, "busybox", with_repo=False, shell="/bin/sh").arn == plain.arn
    assert find(account.runtime, "busybox", with_repo=False, shell="/busybox/sh").arn == shell.arn
    assert plain.arn.endswith("mycli-task-busybox:1")


ODD_IMAGES = [
    "alpine:latest",
    "alpine/latest",
    "Alpine:LATEST",
    "a_b:c",
    "a-b:c",
    "alpine@sha256:" + "0123456789abcdef" * 4,
    "alpine@sha256:" + "fedcba9876543210" * 4,
    "registry.example:5000/team/app:1",
    "a" * 300,
    "b" * 50 + "/one",
    "b" * 50 + "/two",
]


def test_each_odd_image_has_its_own_family_the_same_one_every_time(account: Account) -> None:
    def families() -> dict[str, str]:
        found = {image: find(account.runtime, image, with_repo=False) for image in ODD_IMAGES}
        assert all(
            described(account, revision.arn)["containerDefinitions"][0]["image"] == image
            for image, revision in found.items()
        )
        return {image: short_name(revision.arn) for image, revision in found.items()}

    first = families()
    new_process(account)

    assert len({name.partition(":")[0] for name in first.values()}) == len(ODD_IMAGES)
    assert all(name.endswith(":1") for name in first.values())
    assert families() == first


def test_an_image_stays_in_its_family_when_the_one_it_gave_way_to_is_gone(
    account: Account,
) -> None:
    colon = find(account.runtime, "alpine:latest", with_repo=False)
    slash = find(account.runtime, "alpine/latest", with_repo=False)
    account.runtime.ecs.deregister_task_definition(taskDefinition=colon.arn)
    new_process(account)

    assert find(account.runtime, "alpine/latest", with_repo=False).arn == slash.arn


@pytest.mark.parametrize("others", [["alpine:3"], ["alpine/3"], ["alpine:3", "alpine/3"]])
def test_requests_for_a_new_image_at_once_make_one_family_and_one_revision(
    account: Account, others: list[str]
) -> None:
    """Functions that have all seen that nothing is there, and then register in real threads."""
    images = ["alpine:3", "alpine:3", *others]
    seen, tripped = threading.Barrier(len(images)), threading.local()

    def all_have_seen(**_: object) -> None:
        if not getattr(tripped, "once", False):
            tripped.once = True
            seen.wait(30)

    account.runtime.sleep = lambda _: time.sleep(0.01)
    dynamodb = account.runtime.dynamodb
    dynamodb.meta.events.register("provide-client-params.dynamodb.PutItem", all_have_seen)
    try:
        with ThreadPoolExecutor(len(images)) as threads:
            found = list(threads.map(partial(find_cold, account), images))
    finally:
        dynamodb.meta.events.unregister("provide-client-params.dynamodb.PutItem", all_have_seen)

    assert [revision.arn.endswith(":1") for revision in found] == [True] * len(images)
    assert len({(i, r.arn) for i, r in zip(images, found, strict=True)}) == len(set(images))
    assert account.calls.count("RegisterTaskDefinition") == len(set(images))


def find_cold(account: Account, image: str) -> Revision:
    """As a process of its own would."""
    return find(dataclasses.replace(account.runtime, remembered={}), image, with_repo=False)


def test_a_lock_that_a_dead_function_holds_is_waited_for_and_no_longer(account: Account) -> None:
    families = family_names("mycli", "alpine", with_git=False)
    with pytest.raises(Died):
        alone(account.runtime, families[0], die)
    before = account.clock.seconds

    find(account.runtime, "alpine", with_repo=False)

    assert 0 < account.clock.seconds - before <= HELD_SECONDS + 1


def test_a_lock_of_a_time_to_come_holds_nobody_up(account: Account) -> None:
    with pytest.raises(Died):
        alone(account.runtime, "mycli-task-alpine", die)
    account.clock.seconds -= 3600  # the clock was set back
    before = account.clock.seconds

    find(account.runtime, "alpine", with_repo=False)

    assert account.clock.seconds == before


def test_a_failed_registration_gives_its_lock_back(account: Account, hooks: Hooks) -> None:
    hooks.fail("ecs.RegisterTaskDefinition", "ThrottlingException", "Rate exceeded")

    assert account.ask("exec", command="true", skip_git=True)[0] == 429
    assert account.items() == []


def die() -> None:
    raise Died


def test_two_images_of_one_name_have_a_family_each(account: Account) -> None:
    colon = find(account.runtime, "alpine:latest", with_repo=False)
    slash = find(account.runtime, "alpine/latest", with_repo=False)

    assert colon.arn.endswith("mycli-task-alpine-latest:1")
    assert slash.arn.endswith("mycli-task-alpine-latest-" + slash.arn[-10:])
    assert described(account, slash.arn)["containerDefinitions"][0]["image"] == "alpine/latest"
    new_process(account)
    assert find(account.runtime, "alpine/latest", with_repo=False).arn == slash.arn
    assert find(account.runtime, "alpine:latest", with_repo=False).arn == colon.arn


def test_two_functions_that_race_for_a_name_run_their_own_image(
    account: Account, hooks: Hooks
) -> None:
    """Both see that the family is not there, then both register it."""
    slash: list[Any] = []

    def race(_: str) -> None:
        if not slash:
            slash.append(None)
            slash[0] = find(account.runtime, "alpine/latest", with_repo=False)

    hooks.watch("before-call.ecs.RegisterTaskDefinition", race)

    colon = find(account.runtime, "alpine:latest", with_repo=False)

    for revision, image in ((colon, "alpine:latest"), (slash[0], "alpine/latest")):
        assert described(account, revision.arn)["containerDefinitions"][0]["image"] == image
    new_process(account)
    for image in ("alpine:latest", "alpine/latest"):
        again = find(account.runtime, image, with_repo=False)
        assert described(account, again.arn)["containerDefinitions"][0]["image"] == image


def test_another_template_is_another_revision(account: Account) -> None:
    old = find(account.runtime, "alpine", with_repo=False)
    new_process(account, make_template(account.runtime.ecs, command=["tomorrow's script"]))

    new = find(account.runtime, "alpine", with_repo=False)

    assert (old.arn[-2:], new.arn[-2:]) == (":1", ":2")
    assert not new.cached
    script = described(account, new.arn)["containerDefinitions"][0]["command"]
    assert script == ["tomorrow's script"]


def test_another_default_image_is_no_other_template(account: Account) -> None:
    old = find(account.runtime, "alpine", with_repo=False)
    new_process(account, make_template(account.runtime.ecs, image="debian:12"))

    assert find(account.runtime, "alpine", with_repo=False).arn == old.arn


def test_git_credentials_stand_in_a_family_of_their_own(account: Account) -> None:
    new_process(account, make_template(account.runtime.ecs, secrets=SECRETS))

    with_git = find(account.runtime, "alpine", with_repo=True)
    without = find(account.runtime, "alpine", with_repo=False)

    assert with_git.arn.endswith("mycli-task-alpine-git:1")
    assert without.arn.endswith("mycli-task-alpine:1")
    [executor] = described(account, with_git.arn)["containerDefinitions"]
    assert executor["secrets"] == SECRETS
    [executor] = described(account, without.arn)["containerDefinitions"]
    assert not executor.get("secrets")


def test_a_stack_without_credentials_has_one_family(account: Account) -> None:
    with_repo = find(account.runtime, "alpine", with_repo=True)
    without = find(account.runtime, "alpine", with_repo=False)

    assert with_repo.arn == without.arn
    assert without.cached


def test_an_image_cannot_pass_for_the_family_with_credentials(account: Account) -> None:
    new_process(account, make_template(account.runtime.ecs, secrets=SECRETS))
    find(account.runtime, "alpine", with_repo=True)

    pretender = find(account.runtime, "alpine:git", with_repo=False)

    [executor] = described(account, pretender.arn)["containerDefinitions"]
    assert executor["image"] == "alpine:git"
    assert not executor.get("secrets")


def test_credentials_that_are_added_later_are_another_revision(account: Account) -> None:
    before = find(account.runtime, "alpine", with_repo=True)
    new_process(account, make_template(account.runtime.ecs, secrets=SECRETS))

    after = find(account.runtime, "alpine", with_repo=True)
    without = find(account.runtime, "alpine", with_repo=False)

    assert after.arn.endswith("mycli-task-alpine-git:1")
    assert without.arn == before.arn


@pytest.mark.parametrize("stack", [None, "another"])
def test_a_family_that_is_not_ours_is_not_touched(account: Account, stack: str | None) -> None:
    register_foreign(account, "mycli-task-alpine", "alpine", stack)

    revision = find(account.runtime, "alpine", with_repo=False)

    assert "mycli-task-alpine-" in revision.arn
    families = account.runtime.ecs.list_task_definitions(familyPrefix="mycli-task-alpine")
    assert sum(arn.endswith("alpine:1") for arn in families["taskDefinitionArns"]) == 1
    assert not any(arn.endswith("alpine:2") for arn in families["taskDefinitionArns"])


def test_a_family_made_by_hand_under_our_tag_is_passed_over(account: Account) -> None:
    account.runtime.ecs.register_task_definition(
        family="mycli-task-alpine",
        containerDefinitions=[{"name": "other", "image": "alpine", "memory": 512}],
        tags=[{"key": "mycli:stack", "value": "mycli"}],
    )

    revision = find(account.runtime, "alpine", with_repo=False)

    assert revision.reason == "its name was taken"


def test_when_both_names_are_taken_the_right_image_still_runs(account: Account) -> None:
    for family in family_names("mycli", "alpine", with_git=False):
        register_foreign(account, family, "something/else", "mycli")

    revision = find(account.runtime, "alpine", with_repo=False)

    assert described(account, revision.arn)["containerDefinitions"][0]["image"] == "alpine"


def test_a_deregistered_family_is_registered_again(account: Account) -> None:
    first = find(account.runtime, "alpine", with_repo=False)
    account.runtime.ecs.deregister_task_definition(taskDefinition=first.arn)
    forget(account.runtime, first.arn)

    assert find(account.runtime, "alpine", with_repo=False).arn.endswith("mycli-task-alpine:2")


def test_a_throttled_look_up_is_a_429_and_registers_nothing(account: Account, hooks: Hooks) -> None:
    hooks.fail("ecs.DescribeTaskDefinition", "ThrottlingException", "Rate exceeded")

    assert account.ask("exec", command="true", skip_git=True)[0] == 429
    assert "RegisterTaskDefinition" not in account.calls
    assert account.items() == []


def test_the_fingerprint_does_not_depend_on_the_order_of_a_mapping() -> None:
    assert fingerprint({"a": 1, "b": {"c": 2, "d": 3}}) == fingerprint(
        {"b": {"d": 3, "c": 2}, "a": 1}
    )
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    assert len(fingerprint({})) == 16


def test_the_order_in_which_ecs_lists_variables_is_no_other_template(account: Account) -> None:
    variables = [{"name": name, "value": name.lower()} for name in "ABC"]
    new_process(account, make_template(account.runtime.ecs, environment=variables))
    first = find(account.runtime, "alpine", with_repo=False)
    new_process(account, make_template(account.runtime.ecs, environment=variables[::-1]))

    assert find(account.runtime, "alpine", with_repo=False).arn == first.arn
