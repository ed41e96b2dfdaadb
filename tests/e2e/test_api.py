"""The Python API, as README shows it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import mycli

from .conftest import Machine


@pytest.fixture
def client(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Iterator[mycli.Client]:
    monkeypatch.setenv("MYCLI_HOME", str(machine.home))
    with mycli.Client() as client:
        yield client


def test_run_and_read_it(client: mycli.Client) -> None:
    run = client.exec(["printf", "%s\n", "one", "two words"], skip_git=True, env={"A": "b"})
    assert list(run.logs()) == ["one", "two words"]
    assert run.wait() == 0
    status = run.status()
    assert status.finished
    assert status.command == "printf '%s\n' one 'two words'"
    assert [line.text for line in client.execution(run.id).events() if line.phase == "output"] == [
        "one",
        "two words",
    ]


def test_stop_it(client: mycli.Client) -> None:
    run = client.exec("echo up; sleep 300", skip_git=True)
    assert next(iter(run.logs())) == "up"
    run.stop("not needed")
    assert run.wait() == 143


def test_errors_have_types(client: mycli.Client) -> None:
    with pytest.raises(mycli.ExecutionNotFound):
        client.execution("0123456789ab").status()
    with pytest.raises(mycli.UsageError, match="repo"):
        client.exec("true")
    with pytest.raises(mycli.UsageError, match="MYCLI_X"):
        client.exec("true", skip_git=True, env={"MYCLI_X": "1"})


def test_list_iterates_over_all(client: mycli.Client) -> None:
    mine = {client.exec(f"echo {number}", skip_git=True).id for number in range(3)}
    assert mine <= {status.execution_id for status in client.list()}
