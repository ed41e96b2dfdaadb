from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mycli import config
from mycli.local import account
from mycli.local.clients import clients_of
from mycli.local.place import load, place
from tests.conftest import Mycli, type_in

LOCAL = ("init", "--local", "--runtime", "process")


@pytest.fixture(autouse=True)
def ended(home: Path) -> Iterator[None]:
    yield
    account.stop()


def test_it_shows_what_it_makes_and_goes_on_after_a_yes(
    mycli: Mycli, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in(monkeypatch, "yes\n")
    ran = mycli(*LOCAL)
    assert ran.code == 0, ran
    assert "ECS Fargate cluster" in ran.err
    assert "Type 'yes' to confirm: " in ran.err
    assert "Creating Vpc vpc" in ran.err
    assert "the image is not used" in ran.err
    profile = config.load_profile()
    assert profile.api_endpoint in ran.out
    assert profile.api_key in ran.out

    again = mycli(*LOCAL)  # asks nothing: nothing new is made
    assert again.code == 0, again
    assert "nothing to change" in again.err
    assert profile.api_key not in again.out + again.err


@pytest.mark.parametrize("answer", ["", "\n", "y\n", "no\n", "yess\n"])
def test_anything_but_yes_makes_nothing(
    mycli: Mycli, monkeypatch: pytest.MonkeyPatch, home: Path, answer: str
) -> None:
    type_in(monkeypatch, answer)
    ran = mycli(*LOCAL)
    assert ran.code == 2
    assert "nothing was made" in ran.err
    assert not home.exists()


def test_where_mycli_cannot_keep_its_files_it_says_what_decides_that(
    mycli: Mycli, home: Path
) -> None:
    home.touch()
    ran = mycli(*LOCAL, "--force")
    assert ran.code == 125
    assert ran.err == (
        f"✗ {home}: File exists\n"
        f"  mycli keeps its files in {home}, a folder that you can write to: see MYCLI_HOME\n"
    )


def test_ctrl_c_ends_it_at_once_and_the_next_init_goes_on(mycli: Mycli) -> None:
    program = Path(sys.executable).with_name("mycli")
    with subprocess.Popen([program, *LOCAL, "--force"], stderr=subprocess.PIPE, text=True) as init:
        assert init.stderr
        for line in init.stderr:
            if "Creating" in line:
                break
        init.send_signal(signal.SIGINT)
        told = init.stderr.read()
        assert init.wait(60) == 130
    assert "the same command finishes it" in told
    ran = mycli(*LOCAL, "--force")
    assert ran.code == 0, ran
    assert config.load_profile().api_key in ran.out
    assert mycli("destroy", "--force").code == 0
    assert not place().folder.exists()


def test_json_is_one_document(mycli: Mycli) -> None:
    made = json.loads(mycli(*LOCAL, "--force", "--stack-name", "dev", "--json").out)
    profile = config.load_profiles()["dev"]
    assert made["api_endpoint"] == profile.api_endpoint
    assert made["api_key"] == profile.api_key
    assert (made["stack_name"], made["profile"], made["runtime"]) == ("dev", "dev", "process")
    assert made["created"] > 30
    again = json.loads(mycli(*LOCAL, "--force", "--stack-name", "dev", "--json").out)
    assert (again["api_key"], again["created"]) == (None, 0)


def test_a_credential_comes_from_a_file_or_stdin(
    mycli: Mycli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("-----BEGIN KEY-----\r\nabc\r\n-----END KEY-----\r\n")
    type_in(monkeypatch, "ghp_secret\n")
    flags = ("--github-token-file", "-", "--ssh-key-file", str(tmp_path / "key"), "--force")
    ran = mycli(*LOCAL, *flags)
    assert ran.code == 0, ran
    assert "GitHub token, SSH key" in ran.out
    assert "ghp_secret" not in ran.out + ran.err
    ssm = clients_of(load())("ssm")

    def stored(name: str) -> str:
        found = ssm.get_parameter(Name=f"/mycli/mycli/{name}", WithDecryption=True)
        return found["Parameter"]["Value"]

    assert stored("github-token") == "ghp_secret"
    assert stored("ssh-private-key") == "-----BEGIN KEY-----\nabc\n-----END KEY-----\n"


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (("--github-token-file", "-", "--gitlab-token-file", "-"), "only one credential"),
        (("--github-token-file", "/no/such/file"), "cannot be read"),
        (("--stack-name", "my-task"), "-task"),
        (("--stack-name", "Big"), "lower-case"),
        (("--runtime", "vm"), "vm"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_made(
    mycli: Mycli, home: Path, flags: tuple[str, ...], reason: str
) -> None:
    ran = mycli("init", "--local", "--force", *flags)
    assert ran.code == 2
    assert reason in ran.err
    assert not home.exists()


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("--ssh-key-file", "ssh-ed25519 AAAA me@here\n"),
        ("--github-token-file", "two\nlines\n"),
        ("--gitlab-token-file", "t\u00f6ken"),
    ],
)
def test_what_no_site_could_take_is_refused_and_not_told(
    mycli: Mycli, tmp_path: Path, flag: str, text: str
) -> None:
    (tmp_path / "credential").write_text(text)
    ran = mycli(*LOCAL, "--force", flag, str(tmp_path / "credential"))
    assert ran.code == 2
    assert "that is no " in ran.err
    assert text.strip() not in ran.err


def test_a_credential_that_is_too_long_is_refused(mycli: Mycli, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("x" * 4097)
    ran = mycli(*LOCAL, "--force", "--github-token-file", str(tmp_path / "token"))
    assert ran.code == 2
    assert "4096 bytes" in ran.err
