"""The user's configuration: private, whole or not at all, and who goes before whom."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest

from mycli import ConfigError
from mycli.config import (
    Profile,
    config_path,
    load_profile,
    load_profiles,
    refuse_open,
    remove_profile,
    save_profile,
    write_private,
)
from mycli.local.place import place, read
from mycli.project import Settings
from orchestrator.wire import ExecRequest
from tests.fake_endpoint import KEY

ONE = Profile(api_endpoint="https://one.example/prod/execute", api_key=KEY, region="us-east-1")
TWO = Profile(api_endpoint="https://two.example/prod/execute", api_key=KEY, stack_name="second")


def write(text: str) -> Path:
    path = config_path()
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_what_is_saved_is_found_again(home: Path) -> None:
    save_profile(ONE)
    save_profile(TWO, "second")
    assert load_profiles() == {"default": ONE, "second": TWO}
    assert load_profile() == ONE
    assert load_profile("second") == TWO
    assert config_path() == home / "config.yaml"


def test_the_default_profile_stands_at_the_top() -> None:
    save_profile(ONE)
    assert config_path().read_text().startswith(f"api_endpoint: {ONE.api_endpoint}\napi_key: sk_")


def test_only_the_owner_can_read_it(home: Path) -> None:
    before = os.umask(0)
    try:
        save_profile(ONE)
    finally:
        os.umask(before)
    assert config_path().stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604])
def test_a_file_that_others_can_read_is_refused(mode: int) -> None:
    save_profile(ONE)
    config_path().chmod(mode)
    with pytest.raises(ConfigError, match="others can read") as caught:
        load_profile()
    assert f"chmod 600 {config_path()}" in caught.value.hint
    with pytest.raises(ConfigError):
        save_profile(TWO, "second")


def test_an_account_that_others_can_read_is_refused() -> None:
    write_private(place().account, b"{}")
    place().account.chmod(0o644)
    with pytest.raises(ConfigError, match="others can read"):
        read(place())


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o703])
def test_a_folder_that_others_can_write_to_is_refused(home: Path, mode: int) -> None:
    """There they could put a configuration of their own, and be sent the commands."""
    save_profile(ONE)
    home.chmod(mode)
    with pytest.raises(ConfigError, match="others can write") as caught:
        load_profile()
    assert caught.value.hint == f"chmod go-w {home}"
    home.chmod(0o755)
    assert load_profile() == ONE


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("name", ["", "config.yaml"])
def test_a_file_of_another_user_is_refused(name: str) -> None:
    with tempfile.TemporaryDirectory() as shared:  # pytest's own folders are shut to others
        home = Path(shared)
        write_private(home / "config.yaml", b"")
        for path in (home, home / "config.yaml"):
            os.chown(path, 1, 1)
        os.seteuid(1)
        refuse_open(home / "config.yaml")
        os.seteuid(0)
        home.chmod(0o755)
        os.chown(home / name, 2, 2)
        os.seteuid(1)
        try:
            with pytest.raises(ConfigError, match="belongs to another user"):
                refuse_open(home / "config.yaml")
        finally:
            os.seteuid(0)


def test_a_link_stays_a_link(home: Path, tmp_path: Path) -> None:
    kept = tmp_path / "dotfiles" / "mycli.yaml"
    home.mkdir()
    config_path().symlink_to(kept)
    save_profile(ONE)
    assert config_path().is_symlink()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert load_profile() == ONE
    kept.chmod(0o644)
    with pytest.raises(ConfigError, match="others can read"):
        load_profile()


def test_it_is_written_whole_or_not_at_all(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_profile(ONE)
    before = config_path().read_bytes()

    def disk_full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space"):
        save_profile(TWO)
    assert config_path().read_bytes() == before
    assert list(home.iterdir()) == [config_path()], "and no draft is left behind"


def test_the_last_profile_takes_the_file_along() -> None:
    save_profile(ONE)
    save_profile(TWO, "second")
    remove_profile("default")
    assert load_profiles() == {"second": TWO}
    remove_profile("never there")
    remove_profile("second")
    assert not config_path().exists()


def test_the_environment_stands_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    save_profile(ONE)
    save_profile(TWO, "second")
    other_key = KEY.replace("0", "1")
    monkeypatch.setenv("MYCLI_PROFILE", "second")
    assert load_profile() == TWO
    monkeypatch.setenv("MYCLI_API_KEY", other_key)
    assert load_profile().api_key == other_key
    assert load_profile().api_endpoint == TWO.api_endpoint
    monkeypatch.setenv("MYCLI_API_ENDPOINT", "https://ci.example/execute")
    assert load_profile() == Profile(api_endpoint="https://ci.example/execute", api_key=other_key)


def test_a_profile_that_is_named_goes_before_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save_profile(TWO, "second")
    monkeypatch.setenv("MYCLI_API_ENDPOINT", "https://ci.example/execute")
    monkeypatch.setenv("MYCLI_API_KEY", KEY.replace("0", "1"))
    assert load_profile("second") == TWO


def test_an_endpoint_of_the_environment_never_gets_the_key_of_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save_profile(ONE)
    monkeypatch.setenv("MYCLI_API_ENDPOINT", "https://elsewhere.example/execute")
    with pytest.raises(ConfigError, match="MYCLI_API_KEY is not"):
        load_profile()


def test_nothing_is_configured() -> None:
    with pytest.raises(ConfigError, match="not configured yet") as caught:
        load_profile()
    assert "mycli init" in caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("api_endpiont: https://x", "unknown key 'api_endpiont'", "did you mean api_endpoint?"),
        (f"api_key: {KEY}", "api_endpoint is missing", "mycli configure"),
        ("profiles: 7", "profiles must be a mapping", ""),
        ("profiles: {a: 7}", "profile a: must be a mapping", ""),
        ("profiles: {a: {colour: red}}", "profile a: unknown key 'colour'", "known keys"),
        ("api_endpoint: 7", "api_endpoint must be text", "quotes"),
        ("api_endpoint: 2024-02-01", "api_endpoint must be text", "quotes"),
        ("api_endpoint: 2024-02-30", "day is out of range", "quotes"),
        ("[" * 2000, "nested too deeply", ""),
        ("- a", "must be a mapping", ""),
        ("a: [", "line 1", ""),
    ],
)
def test_a_file_that_cannot_be(text: str, message: str, hint: str) -> None:
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        load_profile()
    assert str(path) in caught.value.message
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_an_error_in_the_file_does_not_tell_the_key() -> None:
    write(f"api_endpoint: https://x\napi_key: {KEY}\n  bad: indent")
    with pytest.raises(ConfigError) as caught:
        load_profile()
    assert KEY not in caught.value.message + caught.value.hint


def test_secrets_are_in_no_repr() -> None:
    profile = Profile(api_endpoint="http://127.0.0.1:1/x", api_key=KEY, daemon_secret="of-daemon")
    assert KEY not in repr(profile)
    assert "of-daemon" not in repr(profile)
    assert "of-user" not in repr(ExecRequest(command="true", skip_git=True, env={"A": "of-user"}))
    assert "of-user" not in repr(Settings(env={"A": "of-user"}))


@pytest.mark.parametrize(
    ("endpoint", "loopback"),
    [
        ("http://127.0.0.1:4566/x", True),
        ("http://localhost/x", True),
        ("http://[::1]:80/x", True),
        ("https://abc.example/x", False),
        ("http://127.0.0.1.example.com/x", False),
        ("http://[::1", False),
        ("", False),
    ],
)
def test_what_is_on_this_machine(endpoint: str, loopback: bool) -> None:
    assert Profile(api_endpoint=endpoint, api_key=KEY).is_loopback is loopback


def test_write_private_makes_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    write_private(path, b"\x00content")
    assert path.read_bytes() == b"\x00content"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_stack_that_was_not_finished_is_not_talked_to() -> None:
    save_profile(Profile(api_endpoint="https://one.example/unfinished", api_key=KEY))
    with pytest.raises(ConfigError, match="was not finished") as raised:
        load_profile()
    assert "mycli init" in raised.value.hint
