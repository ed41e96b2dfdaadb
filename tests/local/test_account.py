"""The daemon's life: started, stopped, killed, started twice, its port taken."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mycli import config
from mycli.errors import LocalAccountError
from mycli.local import account
from mycli.local.clients import clients_of
from mycli.local.daemon import MAX_LOG_BYTES
from mycli.local.place import load, place
from tests.local.conftest import new_account, until

pytestmark = pytest.mark.usefixtures("ended")


def pid() -> int:
    found = account.status()["pid"]
    assert found
    return found


def kill() -> None:
    os.kill(pid(), signal.SIGKILL)
    until(lambda: not account.is_running(place()))


def test_it_starts_stops_and_starts_again_as_the_same_account() -> None:
    made = new_account()
    assert account.proves(made)
    assert account.stop()
    assert not account.proves(made)
    assert not account.stop()
    account.start(load())
    assert load() == made
    assert clients_of(made)("sts").get_caller_identity()["Account"] == made.account_id


def test_start_of_what_runs_leaves_it_alone() -> None:
    made, before = new_account(), pid()
    account.start(made)
    assert pid() == before


def test_its_keys_are_drawn_at_random(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    accounts = set[str]()
    for name in ("one", "two"):
        monkeypatch.setenv("MYCLI_HOME", str(tmp_path / name))
        with account.exclusive(place()):
            made = account.create("process")
        accounts |= {made.account_id, made.access_key_id, made.secret_access_key}
        accounts |= {made.daemon_secret}
        assert made.secret_access_key not in repr(made)
    assert len(accounts) == 8


def test_no_secret_is_in_the_daemons_arguments_or_environment() -> None:
    made = new_account()
    process = Path(f"/proc/{pid()}")
    if not process.exists():
        pytest.skip("there is no /proc here")
    shown = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    for secret in (made.access_key_id, made.secret_access_key, made.daemon_secret):
        assert secret.encode() not in shown


def test_the_users_own_environment_stays_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-users-own")
    monkeypatch.setenv("SOME_TOKEN", "the-users-own")
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    made = new_account()
    process = Path(f"/proc/{pid()}/environ")
    if process.exists():
        assert b"the-users-own" not in process.read_bytes()
    assert clients_of(made)("ecs").list_clusters()["clusterArns"] == []


def test_it_listens_on_this_machine_only() -> None:
    made = new_account()
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))  # some address of this machine that is not 127.0.0.1
        other = "127.0.0.2"
        assert probe.connect_ex((other, made.port)) != 0


def test_a_kill_is_noticed_and_mended() -> None:
    made = new_account()
    kill()
    assert account.status()["running"] is False
    account.start(made)
    assert account.proves(made)


def test_a_stale_pid_in_the_lock_is_nobodys() -> None:
    """The lock tells the truth: the pid of a dead daemon may be somebody else's by now."""
    new_account()
    kill()
    place().lock.write_text(f"{os.getpid()}\n")
    assert account.status()["running"] is False
    assert account.stop() is False  # and this process lives on


def test_a_taken_port_is_told() -> None:
    made = new_account()
    account.stop()
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", made.port))
        squatter.listen()
        with pytest.raises(LocalAccountError, match=f"port {made.port}"):
            account.start(made)
    account.start(made)
    assert account.proves(made)


def test_two_starts_at_once_are_one_daemon() -> None:
    made = new_account()
    account.stop()
    program = "from mycli.local import account, place; account.start(place.load())"
    starts = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(3)]
    assert [start.wait(60) for start in starts] == [0, 0, 0]
    assert account.proves(made)


def test_a_second_daemon_never_gets_the_account() -> None:
    new_account()
    second = subprocess.run(
        [sys.executable, "-m", "mycli.local.daemon", str(place().folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert "running already" in second.stderr


def test_a_damaged_account_is_told() -> None:
    config.write_private(place().account, b'{"account_id": "1"')
    with pytest.raises(LocalAccountError, match="cannot be read"):
        load()


def test_what_goes_wrong_at_the_start_is_told() -> None:
    made = new_account()
    account.stop()
    place().logs.mkdir(exist_ok=True)
    place().tasks.rmdir()
    place().tasks.write_text("in the way of the folder")
    with pytest.raises(LocalAccountError, match="the daemon ended while it started") as failure:
        account.start(made)
    assert "FileExistsError" in failure.value.hint


def test_a_log_that_has_grown_long_is_put_aside() -> None:
    made = new_account()
    account.stop()
    place().log.write_bytes(b"x" * (MAX_LOG_BYTES + 1))
    account.start(made)
    assert place().log.stat().st_size < MAX_LOG_BYTES
    assert place().log.with_suffix(".old").stat().st_size > MAX_LOG_BYTES


def test_a_home_may_be_named_from_where_one_stands(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MYCLI_HOME", "relative")
    made = new_account()
    account.stop()
    account.start(made)
    assert account.proves(made)


def test_the_log_is_shown() -> None:
    made = new_account()
    assert any(f"ready on 127.0.0.1:{made.port}" in line for line in account.log_lines(False))


def test_without_an_account_there_is_a_hint() -> None:
    with pytest.raises(LocalAccountError, match="no account"):
        load()
    assert account.status()["account_id"] is None
    assert account.stop() is False


def test_an_idle_connection_does_not_hold_up_the_end() -> None:
    made = new_account()
    connection = http.client.HTTPConnection("127.0.0.1", made.port)
    connection.request("GET", "/")
    connection.getresponse().read()
    assert account.stop()
    connection.close()
