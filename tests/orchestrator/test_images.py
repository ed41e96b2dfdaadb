"""Named images: what they mean, and that a name hides nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.orchestrator.conftest import BEFORE, Account, Died, Fuse

from .test_revisions import everything

TERRAFORM: dict[str, Any] = {
    "name": "terraform",
    "image": "hashicorp/terraform:1.6",
    "cpu": 512,
    "memory": 1024,
    "arch": "arm64",
    "shell": "/busybox/sh",
}


def exec_(account: Account, **fields: object) -> dict[str, Any]:
    return account.ok("exec", command="true", skip_git=True, **fields)


def definition_of(account: Account, arn: str) -> dict[str, Any]:
    return account.runtime.ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]


def test_an_execution_by_name_is_one_of_its_image_as_it_was_named(account: Account) -> None:
    answer = account.ok("register_image", **TERRAFORM)
    assert answer["image"] == TERRAFORM | {"registered_at": "2026-09-21T14:13:20Z"}

    started = exec_(account, image="terraform")

    assert (started["image"], started["image_name"]) == (TERRAFORM["image"], "terraform")
    definition = definition_of(account, started["task_definition"])
    [executor] = definition["containerDefinitions"]
    assert executor["image"] == TERRAFORM["image"]
    assert executor["entryPoint"] == ["/busybox/sh", "-c"]
    assert definition["runtimePlatform"]["cpuArchitecture"] == "ARM64"
    [sent] = account.run_task_bodies
    assert (sent["overrides"]["cpu"], sent["overrides"]["memory"]) == ("512", "1024")
    [container] = sent["overrides"]["containerOverrides"]
    assert {"name": "MYCLI_IMAGE", "value": TERRAFORM["image"]} in container["environment"]
    found = account.ok("status", execution_id=started["execution_id"])
    told = {key: found[key] for key in ("image", "image_name", "cpu", "memory", "arch")}
    assert told == {
        "image": TERRAFORM["image"],
        "image_name": "terraform",
        "cpu": 512,
        "memory": 1024,
        "arch": "arm64",
    }


def test_the_request_has_the_last_word(account: Account) -> None:
    account.ok("register_image", **TERRAFORM)

    started = exec_(account, image="terraform", arch="x86_64", cpu=1024, memory=2048)

    found = account.ok("status", execution_id=started["execution_id"])
    assert (found["arch"], found["cpu"], found["memory"]) == ("x86_64", 1024, 2048)


def test_what_the_name_does_not_say_is_the_stacks(account: Account) -> None:
    account.ok("register_image", name="py", image="python:3.13")

    by_name, by_image = exec_(account, image="py"), exec_(account, image="python:3.13")

    assert by_name["task_definition"] == by_image["task_definition"]
    assert (by_image["image_name"], by_image["task_definition_cached"]) == (None, True)
    assert all("cpu" not in body["overrides"] for body in account.run_task_bodies)


def test_a_name_that_is_none_is_the_real_image(account: Account) -> None:
    started = exec_(account, image="ubuntu")

    assert (started["image"], started["image_name"]) == ("ubuntu", None)


def test_a_name_means_an_image_and_never_another_name(account: Account) -> None:
    account.ok("register_image", name="debian", image="ubuntu")
    account.ok("register_image", name="ubuntu", image="debian")

    assert exec_(account, image="debian")["image"] == "ubuntu"
    assert exec_(account, image="ubuntu")["image"] == "debian"


def test_the_default_image_is_never_a_name(account: Account) -> None:
    account.ok("register_image", name="ubuntu", image="debian")

    assert exec_(account)["image"] == "ubuntu:22.04"


def test_a_change_holds_at_once(account: Account) -> None:
    account.ok("register_image", name="py", image="python:3.12", arch="arm64")
    assert exec_(account, image="py")["image"] == "python:3.12"
    account.ok("register_image", name="py", image="python:3.13")
    changed = exec_(account, image="py")
    assert changed["image"] == "python:3.13"
    assert account.ok("status", execution_id=changed["execution_id"])["arch"] == "x86_64"

    assert account.ok("unregister_image", name="py") == {}

    assert exec_(account, image="py")["image_name"] is None


def test_what_a_name_meant_before_is_told_and_nothing_of_it_stays(account: Account) -> None:
    first = account.ok("register_image", **TERRAFORM)
    second = account.ok("register_image", name="terraform", image="alpine:3")

    assert first["replaced"] is None
    assert second["replaced"] == first["image"]
    [listed] = account.ok("list_images")["images"]
    assert listed == second["image"]
    assert (listed["cpu"], listed["shell"]) == (None, None)


def test_no_name_no_unregistering(account: Account) -> None:
    status, answer = account.ask("unregister_image", name="terraform")

    assert status == 404
    assert "terraform" in answer["error"]


@pytest.mark.parametrize("name", ["closing", "image", "lock", "request"])
def test_a_name_is_no_way_to_other_items(account: Account, name: str) -> None:
    account.ok("register_image", name=name, image="alpine")
    execution_id = account.start()

    assert account.ok("list")["executions"][0]["execution_id"] == execution_id
    assert len(account.ok("list")["executions"]) == 1
    account.ok("unregister_image", name=name)
    assert account.item(execution_id) is not None


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_the_list_is_by_name_in_pages(account: Account, limit: int) -> None:
    names = ["a", "a-b", "a0", "b", "terraform"]
    for name in reversed(names):
        account.ok("register_image", name=name, image="alpine:3")
    found: list[str] = []
    token = None
    for _ in range(10):
        page = account.ok("list_images", limit=limit, next_token=token)
        assert len(page["images"]) <= limit
        found += [image["name"] for image in page["images"]]
        token = page["next_token"]
        if token is None:
            break

    assert found == names


def test_no_images_and_no_tokens(account: Account) -> None:
    assert account.ok("list_images") == {"images": [], "next_token": None}
    for token in ("A", "../x", "a" * 41):
        assert account.ask("list_images", next_token=token)[0] == 400


def test_task_definitions_of_a_named_image(account: Account) -> None:
    account.ok("register_image", name="py", image="python:3.13")
    exec_(account, image="py")
    exec_(account, image="ubuntu:22.04")

    assert everything(account, image="py") == ["mycli-task-python-3-13:1"]


def test_a_repeat_is_the_same_execution_though_the_name_has_changed(
    account: Account, fuse: Fuse
) -> None:
    """Also where the first died before RunTask: what is sent then is what was recorded."""
    account.ok("register_image", **TERRAFORM)
    body = {"image": "terraform", "request_id": "a-request"}
    account.calls.clear()
    exec_(account, image="terraform")  # so that the next one's calls are known
    fuse.light(f"{BEFORE}.ecs", 0)
    with pytest.raises(Died):
        exec_(account, **body)
    account.ok("register_image", name="terraform", image="hashicorp/terraform:1.7")

    started = exec_(account, **body)

    assert started["image"] == TERRAFORM["image"]
    sent = account.run_task_bodies[-1]
    assert sent["overrides"]["cpu"] == "512"
    assert sent["taskDefinition"] == started["task_definition"]
    assert exec_(account, **body)["execution_id"] == started["execution_id"]
