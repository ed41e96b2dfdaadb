"""Task definitions and named images, by the command line, in the account on this machine."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mycli.local.clients import clients_of
from mycli.local.place import load

from .conftest import Machine


@pytest.fixture
def ecs(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MYCLI_HOME", str(machine.home))
    return clients_of(load())("ecs")


def listed(machine: Machine, *flags: str) -> dict[str, dict[str, Any]]:
    found = machine.json("list-task-definitions", *flags)["task_definitions"]
    return {f"{item['family']}:{item['revision']}": item for item in found}


def test_what_was_registered_is_said_and_then_listed(machine: Machine) -> None:
    name = "mycli-task-team-transparent-1-0:1"
    first = machine.run("exec", "--wait", "--skip-git", "--image", "team/transparent:1.0", "true")
    assert f"→ Registered task definition {name} (first use of this image)\n" in first.err
    again = machine.json("exec", "--skip-git", "--image", "team/transparent:1.0", "true")
    assert (again["task_definition_cached"], again["task_definition_reason"]) == (True, "")
    assert again["task_definition"].endswith(f"/{name}")
    of_image = listed(machine, "--image", "team/transparent:1.0")
    assert [*of_image] == [name]
    assert of_image[name]["executions"] == 2
    assert of_image[name]["last_used_at"] == again["created_at"]
    everything = listed(machine)
    assert everything[name] == of_image[name]
    assert [item["family"] for item in everything.values() if item["template"]] == ["mycli-task"]


def test_another_architecture_is_another_family(machine: Machine) -> None:
    own = machine.json("exec", "--skip-git", "--image", "team/built:1", "true")
    other = machine.json("exec", "--skip-git", "--image", "team/built:1", "--arch", "arm64", "true")
    assert other["task_definition"] == own["task_definition"].removesuffix(":1") + "-arm64:1"
    assert machine.json("status", other["execution_id"])["arch"] == "arm64"


def test_a_name_stands_for_an_image_until_it_is_taken_away(machine: Machine) -> None:
    size = ("--cpu", "512", "--memory", "1024", "--arch", "arm64")
    made = machine.json("register-image", "tool", "team/tool:1", "--entrypoint", "/bin/bash", *size)
    assert made["image"]["shell"] == "/bin/bash"
    ran = machine.run("exec", "--skip-git", "--image", "tool", "true")
    assert "  Image:        team/tool:1 (named tool)\n" in ran.out, ran
    [name] = re.findall("Execution ID: +([0-9a-f]+)", ran.out)
    execution = machine.json("status", name)
    shown = {name: execution[name] for name in ("image", "image_name", "cpu", "memory", "arch")}
    assert shown == {
        "image": "team/tool:1",
        "image_name": "tool",
        "cpu": 512,
        "memory": 1024,
        "arch": "arm64",
    }
    [named] = [image for image in machine.json("list-images")["images"] if image["name"]]
    assert (named["name"], named["executions"], len(named["families"])) == ("tool", 1, 1)
    machine.json("register-image", "tool", "team/tool:2")
    assert machine.json("exec", "--skip-git", "--image", "tool", "true")["image"] == "team/tool:2"
    assert machine.run("unregister-image", "tool").code == 0
    real = machine.json("exec", "--skip-git", "--image", "tool", "true")
    assert (real["image"], real["image_name"]) == ("tool", None)
    again = machine.run("unregister-image", "tool")
    assert (again.code, "no image named tool" in again.err) == (125, True), again


def test_cleanup_removes_what_nobody_uses(machine: Machine, ecs: Any) -> None:
    used = machine.json("exec", "--skip-git", "--image", "team/used:1", "sleep 60")
    for _ in range(3):
        ecs.register_task_definition(
            family="mycli-task-stale",
            containerDefinitions=[{"name": "executor", "image": "stale", "memory": 512}],
            cpu="256",
            memory="512",
            tags=[{"key": "mycli:stack", "value": "mycli"}],
        )
    ecs.deregister_task_definition(taskDefinition="mycli-task-stale:1")
    spared = machine.json("cleanup-task-definitions", "--dry-run", "--older-than=0s", "--keep=1")
    chosen = {item["arn"].rpartition("/")[2] for item in spared["chosen"]}
    assert {"mycli-task-stale:1", "mycli-task-stale:2"} <= chosen
    assert "mycli-task-stale:3" not in chosen
    ran = machine.run("cleanup-task-definitions", "--force", "--older-than=0s")
    assert ran.code == 0, ran
    assert "mycli-task-team-used-1:1 stays: a task runs it\n" in ran.err
    left = listed(machine, "--all")
    assert not any(name.startswith("mycli-task-stale") for name in left)
    assert {"mycli-task", "mycli-task-team-used-1"} <= {item["family"] for item in left.values()}
    assert machine.json("status", used["execution_id"])["status"] != "STOPPED"
    machine.run("stop", used["execution_id"])
