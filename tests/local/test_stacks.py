"""Stacks made, changed, interrupted and destroyed, by the program that AWS gets."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mycli import config
from mycli.client import Client
from mycli.errors import (
    ApiError,
    ConfigError,
    EndpointError,
    LocalAccountError,
    StackError,
    Unauthorized,
)
from mycli.local import account, stacks, teardown
from mycli.local.clients import clients_of
from mycli.local.ledger import Ledger
from mycli.local.place import load, place
from mycli.local.resources import KINDS
from mycli.local.stacks import Made, Options
from mycli.stack.registries import RegistryLogin
from tests.local.conftest import until
from tests.local.inventory import inventory

pytestmark = pytest.mark.usefixtures("ended")


def up(**options: Any) -> Made:
    return stacks.up(Options(runtime="process", **options), lambda _: None)


def destroy(stack_name: str = "mycli", keep_config: bool = False) -> teardown.Gone:
    return teardown.destroy(stack_name, keep_config, lambda _: None)


def ledger(stack_name: str = "mycli") -> Ledger:
    return Ledger.read(place().stacks / f"{stack_name}.json")


def run(made: Made, command: str, image: str | None = None) -> int | None:
    with Client(made.profile) as client:
        return client.exec(command, skip_git=True, image=image).wait()


def test_a_stack_is_made_used_and_destroyed_without_a_trace() -> None:
    first = up(stack_name="keeper")
    clients = clients_of(load())
    before = inventory(clients)
    made = up(credentials={"github_token": "ghp_token"})
    assert made.created > 30
    assert run(made, "exit 7", image="alpine:3") == 7
    for name, stack in (("mycli/api", "mycli"), ("keeper/api", "keeper")):
        tags = [{"Key": "mycli:stack", "Value": stack}]
        clients("ecr").create_repository(repositoryName=name, tags=tags)
    before["repositories"] = ["keeper/api"]
    gone = destroy()
    assert gone.leftovers == []
    assert gone.repositories == 1
    assert gone.definitions.deleted >= 2
    assert not gone.account_removed
    assert inventory(clients) == before
    assert run(first, "true") == 0
    assert destroy("keeper").account_removed
    assert not place().folder.exists()


def test_every_kind_of_resource_is_used_and_read() -> None:
    up(
        credentials={"github_token": "x", "gitlab_token": "y", "ssh_private_key": "z\n"},
        registries={"ghcr.io": RegistryLogin(username="me", password="p")},
    )
    clients = clients_of(load())
    resources = ledger().resources
    assert {resource.type for resource in resources} == set(KINDS)
    for resource in resources:
        assert KINDS[resource.type].read(clients, resource.id, resource.state), resource.title


def test_a_second_init_changes_nothing_and_keeps_the_key() -> None:
    first = up()
    resources = ledger().resources
    second = up()
    assert (second.created, second.updated, second.deleted) == (0, 0, 0)
    assert ledger().resources == resources
    assert second.profile == first.profile
    assert (first.new_key, second.new_key) == (True, False)


def test_a_key_is_drawn_anew_and_the_old_one_ends() -> None:
    first = up()
    assert run(first, "true") == 0
    second = up(rotate_key=True)
    assert second.new_key
    assert second.profile.api_key != first.profile.api_key
    assert config.load_profile() == second.profile
    assert run(second, "exit 3") == 3
    with pytest.raises(Unauthorized):
        run(first, "true")
    assert not up().new_key
    assert config.load_profile() == second.profile


def test_a_change_is_made_in_place_and_the_rest_left_alone() -> None:
    first = up()
    changed = up(image="alpine:3", github_host="git.example.com")
    # The template is replaced by its next revision, and the function told which.
    assert (changed.created, changed.updated, changed.deleted) == (1, 1, 1)
    assert changed.profile == first.profile
    clients = clients_of(load())
    template = clients("ecs").describe_task_definition(taskDefinition="mycli-task")
    [container] = template["taskDefinition"]["containerDefinitions"]
    assert container["image"] == "alpine:3"
    assert run(changed, "true") == 0
    unchanged = up()  # what was not said again is as it was
    assert (unchanged.created, unchanged.updated, unchanged.deleted) == (0, 0, 0)


def test_git_credentials_are_kept_changed_and_taken_away() -> None:
    made = up(credentials={"github_token": "first"})
    assert made.git_credentials == ["github_token"]
    assert up().git_credentials == ["github_token"]
    clients = clients_of(load())

    def token() -> str:
        found = clients("ssm").get_parameter(Name="/mycli/mycli/github-token", WithDecryption=True)
        return found["Parameter"]["Value"]

    assert token() == "first"
    assert up(credentials={"github_token": "second"}).updated == 1
    assert token() == "second"
    assert up(credentials={"github_token": ""}).git_credentials == []
    assert clients("ssm").describe_parameters()["Parameters"] == []


def test_logins_to_registries_are_kept_changed_and_taken_away() -> None:
    def login(password: str) -> dict[str, RegistryLogin]:
        return {"registry.example:5000": RegistryLogin(username="me", password=password)}

    def password() -> str:
        name = "mycli/mycli/registry/registry.example_5000"
        held = clients_of(load())("secretsmanager").get_secret_value(SecretId=name)
        return json.loads(held["SecretString"])["password"]

    up(registries=login("first"))
    account.stop()
    again = up()
    assert (again.created, again.updated, again.deleted) == (0, 0, 0)
    assert password() == "first"
    assert ledger().outputs["registries"] == ["registry.example:5000"]
    changed = up(registries=login("second"))
    assert (changed.created, changed.updated, changed.deleted) == (1, 0, 1)
    assert password() == "second"
    up(registries={"Registry.Example:5000": None})
    assert ledger().outputs["registries"] == []
    assert clients_of(load())("secretsmanager").list_secrets()["SecretList"] == []
    assert destroy().leftovers == []


def test_every_file_is_its_owners_alone(home: Path) -> None:
    run(up(), "true")
    for path in [home, *home.rglob("*")]:
        # What the function was unpacked from is in a folder that nobody else can enter.
        if not path.is_symlink() and path.is_relative_to(place().folder / "tmp") is False:
            allowed = 0o700 if path.is_dir() else 0o600
            assert stat.S_IMODE(path.stat().st_mode) & ~allowed == 0, path


def test_secrets_are_not_written_into_the_ledger() -> None:
    login = RegistryLogin(username="me", password="registry_secret")
    made = up(credentials={"github_token": "ghp_secret"}, registries={"ghcr.io": login})
    written = ledger().path.read_text()
    assert "ghp_secret" not in written
    assert "registry_secret" not in written
    assert made.profile.api_key not in written


def test_what_was_lost_is_made_again() -> None:
    made = up()
    clients = clients_of(load())
    clients("events").remove_targets(Rule="mycli-task-state", Ids=["orchestrator"])
    clients("events").delete_rule(Name="mycli-task-state")
    assert up().created == 2
    assert run(made, "true") == 0


def test_a_resource_that_the_program_no_longer_has_goes() -> None:
    up(credentials={"gitlab_token": "x"})
    changed = up(credentials={"gitlab_token": ""})
    assert changed.deleted == 2  # the parameter, and the template's revision that names it
    assert not [r for r in ledger().resources if r.doomed]


@pytest.mark.parametrize("after", [1, 12, 25])
def test_an_interrupted_init_is_finished_by_the_next(after: int) -> None:
    told: list[str] = []

    def interrupt(event: str) -> None:
        told.append(event)
        if len(told) > after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stacks.up(Options(runtime="process"), interrupt)
    saved = config.load_profiles()["default"]
    assert saved.api_endpoint.endswith("/unfinished")
    made = up()
    assert made.profile.api_key == saved.api_key
    assert made.new_key  # to be shown: the first init never came to that
    assert run(made, "true") == 0
    assert destroy().leftovers == []


@pytest.mark.parametrize("after", [3, 12, 25])
def test_an_interrupted_destroy_is_finished_by_the_next(after: int) -> None:
    made = up()
    told: list[str] = []

    def interrupt(event: str) -> None:
        told.append(event)
        if len(told) > after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        teardown.destroy("mycli", False, interrupt)
    assert account.stack_names(place()) == ["mycli"]
    with pytest.raises((ApiError, EndpointError)):
        run(made, "true")
    gone = destroy()
    assert gone.leftovers == []
    assert gone.account_removed


def test_init_after_an_interrupted_destroy_lets_executions_in_again() -> None:
    up()

    def interrupt(_: str) -> None:  # when new executions are refused, and nothing is gone yet
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        teardown.destroy("mycli", False, interrupt)
    assert run(up(), "true") == 0


def test_destroy_stops_what_runs() -> None:
    made = up()
    with Client(made.profile) as client:
        execution = client.exec("echo $$ > ../pid; exec sleep 300", skip_git=True)
    [folder] = until(lambda: list(place().tasks.glob("*/pid")))[:1]
    pid = int(until(folder.read_text))
    gone = destroy()
    assert gone.tasks == 1
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert execution.id


def test_destroy_tells_what_it_left_behind() -> None:
    up(stack_name="keeper")
    up()
    clients = clients_of(load())
    tag = {"Key": "mycli:stack", "Value": "mycli"}
    tags = [{"ResourceType": "vpc", "Tags": [tag]}]
    vpc = clients("ec2").create_vpc(CidrBlock="10.9.0.0/16", TagSpecifications=tags)["Vpc"]
    clients("iam").create_role(RoleName="of-mine", AssumeRolePolicyDocument="{}", Tags=[tag])
    clients("logs").create_log_group(logGroupName="/mine", tags={"mycli:stack": "mycli"})
    clients("ssm").put_parameter(Name="/mine", Type="String", Value="x", Tags=[tag])
    left = destroy().leftovers
    assert [arn.rpartition(":")[2] for arn in left] == [
        f"vpc/{vpc['VpcId']}",
        "role/of-mine",
        "/mine",
        "parameter/mine",
    ]


def test_two_stacks_live_side_by_side_and_one_goes() -> None:
    one, two = up(), up(stack_name="second")
    assert (one.profile_name, two.profile_name) == ("default", "second")
    assert run(one, "exit 1") == 1
    assert run(two, "exit 2", image="alpine:3") == 2
    assert destroy().profiles == ["default"]
    assert run(two, "exit 3", image="alpine:3") == 3
    assert list(config.load_profiles()) == ["second"]
    assert destroy("second").account_removed


def test_a_stack_whose_daemon_was_stopped_is_destroyed_all_the_same() -> None:
    up()
    account.stop()
    assert destroy().account_removed


def test_destroy_keeps_the_profile_if_it_is_asked_to() -> None:
    made = up()
    assert destroy(keep_config=True).profiles == []
    assert config.load_profiles() == {"default": made.profile}
    # The account is another one now, so the old profile must go first, or a name be given.
    with pytest.raises(ConfigError, match="another stack"):
        up()
    assert up(profile="new").profile_name == "new"


def test_there_must_be_such_a_stack() -> None:
    with pytest.raises(StackError, match="no stack mycli"):
        destroy()
    up(stack_name="other")
    with pytest.raises(StackError, match="no stack mycli") as failure:
        destroy()
    assert failure.value.hint == "there is: other"


def test_another_stacks_profile_is_not_overwritten() -> None:
    theirs = config.Profile(api_endpoint="https://example.com/prod/execute", api_key="sk_live_x")
    config.save_profile(theirs)
    with pytest.raises(ConfigError, match="another stack") as failure:
        up()
    assert "--profile" in failure.value.hint
    assert config.load_profiles() == {"default": theirs}
    assert not place().folder.exists()
    assert up(profile="local").profile_name == "local"
    assert config.load_profiles()["default"] == theirs


def test_a_lost_profile_gets_a_new_key() -> None:
    first = up()
    config.remove_profile("default")
    second = up()
    assert second.new_key
    assert second.profile.api_key != first.profile.api_key
    assert run(second, "true") == 0
    with pytest.raises(ApiError):
        run(first, "true")


def test_the_runtime_is_the_accounts() -> None:
    up()
    with pytest.raises(LocalAccountError, match="--runtime process"):
        stacks.up(Options(stack_name="second", runtime="container"), lambda _: None)


def test_two_commands_do_not_work_on_one_stack() -> None:
    up()
    with ledger().mine(), pytest.raises(LocalAccountError, match="another mycli is working"):
        up()


def test_a_program_that_fails_tells_why_once() -> None:
    up()
    clients = clients_of(load())
    # In the way of the second stack's table.
    clients("dynamodb").create_table(
        TableName="second-executions",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    with pytest.raises(LocalAccountError, match="ResourceInUseException"):
        up(stack_name="second")
    clients("dynamodb").delete_table(TableName="second-executions")
    assert run(up(stack_name="second"), "true") == 0


def test_apply_ends_when_nobody_asks_it_for_anything(home: Path) -> None:
    up()
    ended = subprocess.run(
        [sys.executable, "-m", "mycli.local.apply"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def test_executions_survive_a_kill_of_the_daemon() -> None:
    made = up()
    with Client(made.profile) as client:
        finished = client.exec("echo kept; exit 7", skip_git=True)
        assert finished.wait() == 7
        running = client.exec("sleep 300", skip_git=True)
        until(lambda: client.status(running.id).status == "RUNNING")
    os.kill(account.status()["pid"], 9)
    until(lambda: not account.is_running(place()))
    account.start(load())
    with Client(made.profile) as client:
        told = client.status(finished.id)
        assert (told.status, told.exit_code) == ("STOPPED", 7)
        assert "kept" in list(client.logs(finished.id, follow=False))
        until(lambda: client.status(running.id).finished)
        lost = client.status(running.id)
        assert lost.exit_code is None
        assert "the task was running" in (lost.stopped_reason or "")
        assert client.exec("true", skip_git=True).wait() == 0


def test_the_ledger_tells_where_it_is_damaged() -> None:
    path = place().stacks / "mycli.json"
    config.write_private(path, json.dumps({"resources": [{}]}).encode())
    with pytest.raises(LocalAccountError, match="cannot be read"):
        Ledger.read(path)
