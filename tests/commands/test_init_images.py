"""mycli init --register-image, and the question for images."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mycli import Client
from mycli.local import account
from tests.a_terminal import answer
from tests.conftest import Mycli

LOCAL = ("init", "--local", "--runtime", "process")


@pytest.fixture(autouse=True)
def ended(home: Path) -> Iterator[None]:
    yield
    account.stop()


def named() -> dict[str, str]:
    with Client() as client:
        return {image.name: image.image for image in client.images()}


def test_images_are_named_once_the_stack_is_up(mycli: Mycli) -> None:
    pairs = ("--register-image", "tf=hashicorp/terraform:1.6", "--register-image", "py=python:3.13")
    ran = mycli(*LOCAL, "--force", *pairs)
    assert ran.code == 0, ran
    assert "`--image tf` now means hashicorp/terraform:1.6" in ran.err
    assert named() == {"tf": "hashicorp/terraform:1.6", "py": "python:3.13"}
    again = json.loads(mycli(*LOCAL, "--json", "--register-image", "py=python:3.14").out)
    assert [image["image"] for image in again["images"]] == ["python:3.14"]
    assert again["created"] == 0


@pytest.mark.parametrize("pair", ["terraform", "Big=alpine", "=alpine", "a=", "a=two words"])
def test_a_name_that_cannot_be_makes_nothing(mycli: Mycli, home: Path, pair: str) -> None:
    ran = mycli(*LOCAL, "--force", "--register-image", pair)
    assert ran.code == 2
    assert "--register-image: " in ran.err
    assert not home.exists()


def test_who_makes_a_stack_at_a_terminal_is_asked_for_images() -> None:
    question = "(Enter: none): "
    code, shown = answer(
        list(LOCAL), {"to confirm: ": "yes\n", question: "a=b c\n", "such as": "tf=x/y:1, py=z\n"}
    )
    assert code == 0, shown
    assert "a=b c" in shown
    assert named() == {"tf": "x/y:1", "py": "z"}
    code, shown = answer(list(LOCAL), {})
    assert (code, question in shown) == (0, False)
