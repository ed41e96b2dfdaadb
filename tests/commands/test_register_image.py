"""mycli register-image and unregister-image."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Mycli
from tests.fake_endpoint import Answer, FakeEndpoint

NAMED = {
    "name": "terraform",
    "image": "hashicorp/terraform:1.6",
    "cpu": 1024,
    "memory": 2048,
    "arch": "arm64",
    "shell": "/busybox/sh",
    "registered_at": "2026-01-01T12:00:00Z",
}
FLAGS = ("--cpu", "1024", "--memory", "2048", "--arch", "arm64", "--entrypoint", "/busybox/sh")


def test_a_name_and_all_that_goes_with_it(configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.says("register_image", {"image": NAMED})
    ran = mycli("register-image", "terraform", "hashicorp/terraform:1.6", *FLAGS)
    assert ran.code == 0, ran
    [asked] = configured.asked("register_image")
    expected: dict[str, Any] = {**NAMED, "action": "register_image"}
    expected.pop("registered_at")
    assert asked == expected
    assert ran.out == (
        "Name:         terraform\n"
        "Image:        hashicorp/terraform:1.6\n"
        "CPU:          1024\n"
        "Memory:       2048\n"
        "Architecture: arm64\n"
        "Shell:        /busybox/sh\n"
    )
    # A name may be an image's own: what it means now is said.
    assert "✓ `--image terraform` now means hashicorp/terraform:1.6\n" in ran.err
    assert "terraform:latest" in ran.err


def test_as_json(configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.says("register_image", {"image": NAMED})
    ran = mycli("register-image", "terraform", "hashicorp/terraform:1.6", "--json")
    assert json.loads(ran.out) == {"image": NAMED, "replaced": None}
    configured.says("unregister_image", {})
    ran = mycli("unregister-image", "terraform", "--json")
    assert json.loads(ran.out) == {"name": "terraform"}


def test_what_the_name_meant_before_is_said(configured: FakeEndpoint, mycli: Mycli) -> None:
    before = {**NAMED, "image": "hashicorp/terraform:1.5", "memory": 2048, "arch": None}
    configured.says("register_image", {"image": NAMED, "replaced": before})
    ran = mycli("register-image", "terraform", "hashicorp/terraform:1.6")
    told = "it replaces hashicorp/terraform:1.5, cpu 1024, memory 2048, entrypoint /busybox/sh\n"
    assert told in ran.err
    assert "1.5" not in ran.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["Terraform", "x:1"], "NAME is 'Terraform'"),
        (["a/b", "x:1"], "NAME must be 1 to 40"),
        (["x", "-x"], "-x"),
        (["x", "x y"], "IMAGE is 'x y'"),
        (["x", "x:1", "--cpu", "1024"], "--cpu needs --memory too"),
        (["x", "x:1", "--cpu", "1024", "--memory", "512"], "--memory is 512"),
        (["x", "x:1", "--arch", "amd64"], "--arch is 'amd64'"),
        (["x", "x:1", "--entrypoint", "sh"], "--entrypoint is 'sh'"),
        (["x"], "IMAGE"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sent(
    words: list[str], said: str, configured: FakeEndpoint, mycli: Mycli
) -> None:
    ran = mycli("register-image", *words)
    assert (ran.code, ran.out) == (2, ""), ran
    assert said in ran.err
    assert configured.seen == []


def test_a_name_is_taken_away(configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.says("unregister_image", {})
    ran = mycli("unregister-image", "terraform")
    assert (ran.code, ran.out) == (0, "")
    assert "✓ The name terraform is gone" in ran.err
    assert configured.asked("unregister_image") == [
        {"action": "unregister_image", "name": "terraform"}
    ]


def test_a_name_that_is_not_there(configured: FakeEndpoint, mycli: Mycli) -> None:
    missing = {"error": "no image is named terraform", "hint": "`mycli list-images` shows them"}
    configured.says("unregister_image", Answer(missing, status=404))
    ran = mycli("unregister-image", "terraform")
    assert (ran.code, ran.out) == (125, "")
    assert ran.err == "✗ no image is named terraform\n  `mycli list-images` shows them\n"


def test_what_is_no_name_cannot_be_taken_away(configured: FakeEndpoint, mycli: Mycli) -> None:
    ran = mycli("unregister-image", "Terraform")
    assert (ran.code, ran.out) == (2, "")
    assert "NAME is 'Terraform'" in ran.err
    assert configured.seen == []
