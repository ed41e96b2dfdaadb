"""Hosts and logins as they are given, and what the account holds of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from mycli.errors import StackError, UsageError
from mycli.stack import registries
from mycli.stack.deployment import Snapshot
from mycli.stack.inputs import Kept, choose
from mycli.stack.registries import RegistryLogin, checked, checked_host
from mycli.stack.results import Settings

from .conftest import Declare

LOGIN = RegistryLogin(username="someone", password="dckr-SECRET")


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("ghcr.io", "ghcr.io"),
        ("GHCR.io", "ghcr.io"),
        ("docker.io", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
        ("registry.example:5000", "registry.example:5000"),
        ("localhost", "localhost"),
        ("127.0.0.1:5000", "127.0.0.1:5000"),
    ],
)
def test_a_host_is_as_images_name_it(given: str, host: str) -> None:
    assert checked_host(given) == host


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ("https://ghcr.io", "its name alone"),
        ("https://index.docker.io/v1/", "its name alone"),
        ("ghcr.io/me", "its name alone"),
        ("me", "its name alone"),  # a user's name on Docker Hub
        ("", "its name alone"),
        ("ghcr.io:", "its name alone"),
        ("a_b.example", "its name alone"),  # its secret's name would be another host's
        ("ghcr.io\n", None),
        ("x" * 300 + ".io", "its name alone"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "this account's images"),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", "this account's images"),
        ("public.ecr.aws", "this account's images"),
    ],
)
def test_what_is_no_host_is_refused_with_the_reason(given: str, word: str | None) -> None:
    if word is None:
        assert checked_host(given) == "ghcr.io"
        return
    with pytest.raises(UsageError) as error:
        checked_host(given)
    assert word in str(error.value.hint)


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("", "secret"),
        ("a:b", "secret"),
        ("a\nb", "secret"),
        ("me", ""),
        ("me", "sec-\nret"),
        ("me", "sec-\x00ret"),
        ("me", "sec-ret" * 10_000),
    ],
)
def test_a_login_that_no_registry_takes_is_refused_and_not_told(
    username: str, password: str
) -> None:
    with pytest.raises(UsageError) as error:
        RegistryLogin(username=username, password=password)
    assert "sec-" not in f"{error.value!r}{error.value.hint}"


def test_a_password_is_in_no_repr() -> None:
    assert "SECRET" not in repr(LOGIN)


def test_as_many_registries_as_the_functions_environment_takes(declare: Declare) -> None:
    stack = "x" * 24

    def hosts(number: int) -> dict[str, RegistryLogin | None]:
        return {f"registry-{index:02}.example.com:5000": LOGIN for index in range(number)}

    fitting = next(n for n in range(100, 0, -1) if _is_taken(stack, hosts(n)))
    assert fitting >= 12
    with pytest.raises(UsageError, match=f"{fitting + 1} registries are too many") as error:
        checked(stack, hosts(fitting + 1))
    assert "registry-logout" in str(error.value.hint)
    config = json.dumps({host: {"username": "a", "password": "b"} for host in hosts(fitting)})
    image = f"registry.example.com/{'x' * 255}:latest"
    declared = declare(stack, registry_credentials=config, default_image=image)
    function = declared["resources"]["Function:orchestrator"]["inputs"]
    variables = function["environment"]["variables"]
    # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: 4 KB for all of them
    assert sum(len(name) + len(value) for name, value in variables.items()) < 4096
    # Taking away what is there always works.
    many: dict[str, RegistryLogin | None] = dict.fromkeys(hosts(100), None)
    assert checked(stack, many) == many


def _is_taken(stack: str, logins: dict[str, RegistryLogin | None]) -> bool:
    try:
        return bool(checked(stack, logins))
    except UsageError:
        return False


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield boto3.client("secretsmanager", region_name="us-east-1")


def test_what_is_kept_is_read_again_byte_for_byte(secrets: Any) -> None:
    login = RegistryLogin(username="rö", password='p"a\\ß word')
    config = json.loads(registries.as_config({"docker.io": login}))
    text = json.dumps(config["docker.io"])  # as the program writes it
    secrets.create_secret(Name="mycli/dev/registry/docker.io", SecretString=text)
    told: list[str] = []
    kept = registries.read(secrets, "dev", ["docker.io", "ghcr.io"], told.append)
    assert kept == {"docker.io": login}
    assert registries.as_config(kept) == registries.as_config({"docker.io": login})
    [gone] = told
    assert "login of ghcr.io is gone" in gone


def test_a_password_is_hidden_in_whatever_form_an_error_repeats_it() -> None:
    login = RegistryLogin(username="me", password='p"a word')
    settings = Settings(api_key="sk_live_" + "0" * 64, registries={"ghcr.io": login})
    hidden = choose("dev", settings, Snapshot(), Kept(), "function.zip").secrets
    assert {'p"a word', 'p\\"a word'} <= set(hidden)


def test_a_secret_that_somebody_deleted_for_later_is_gone(secrets: Any) -> None:
    name = registries.secret_name("dev", "registry.example:5000")
    secrets.create_secret(Name=name, SecretString="{}")
    secrets.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    told: list[str] = []
    assert registries.read(secrets, "dev", ["registry.example:5000"], told.append) == {}
    assert len(told) == 1


@pytest.mark.parametrize("text", ["SECRET", "[]", '{"username": "SECRET"}', '"SECRET"'])
def test_a_secret_that_is_no_login_is_not_written_over(secrets: Any, text: str) -> None:
    secrets.create_secret(Name="mycli/dev/registry/ghcr.io", SecretString=text)
    with pytest.raises(StackError) as error:
        registries.read(secrets, "dev", ["ghcr.io"], lambda _: None)
    assert "mycli registry-login ghcr.io" in str(error.value.hint)
    assert "SECRET" not in f"{error.value}{error.value.hint}"
