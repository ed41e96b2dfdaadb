"""What is on disk tells nobody a secret who has not the account's own."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mycli import config
from mycli.client import Client
from mycli.errors import LocalAccountError
from mycli.local import account, stacks
from mycli.local.clients import clients_of
from mycli.local.place import Place, load, place
from mycli.local.saved_state import SavedState
from mycli.local.sealing import Seal
from tests.local.conftest import new_account, prepare

pytestmark = pytest.mark.usefixtures("ended")

TOKEN = "ghp_a-canary-token"


@pytest.fixture
def at() -> Place:
    return place()


def files_with(folder: Path, *texts: str) -> list[tuple[Path, str]]:
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return [(path, text) for path in files for text in texts if text.encode() in files[path]]


def test_the_saved_state_holds_no_secret_in_clear(at: Place) -> None:
    options = stacks.Options(runtime="process", credentials={"github_token": TOKEN})
    made = stacks.up(options, lambda _: None)
    with Client(made.profile) as client:
        assert client.exec(": a-canary-command", skip_git=True).wait() == 0
    function = clients_of(load())("lambda").get_function_configuration
    environment = function(FunctionName="mycli-orchestrator")["Environment"]["Variables"]
    canaries = [TOKEN, environment["API_KEY_HASH"], made.profile.api_key, "a-canary-command"]
    for _ in range(2):  # the journal of a running account, and what it writes when it ends
        assert files_with(at.state, *canaries) == []
        assert files_with(at.stacks, *canaries) == []
        account.stop()
    assert {path.suffix for path in at.state.iterdir() if path.is_file()} == {".sealed"}


def test_a_state_in_clear_is_read_once_and_sealed(at: Place) -> None:
    made = new_account()
    own = prepare(made)
    own.clients("ssm").put_parameter(Name="/kept", Type="SecureString", Value=TOKEN)
    own.clients("dynamodb").create_table(
        TableName="table",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    account.stop()
    item = {"id": {"S": TOKEN}}
    table = f"arn:aws:dynamodb:{made.region}:{made.account_id}:table/table"
    entry = {"item": [table, TOKEN, "__no_sort__"], "value": item}
    (at.state / "journal").write_text(json.dumps(entry) + "\n")
    seal = Seal(made.secret_access_key)
    for path in at.state.glob("*.sealed"):
        path.with_suffix(".json").write_bytes(seal.open(path.read_bytes(), path))
        path.unlink()
    assert files_with(at.state, TOKEN)
    account.start(made)
    assert files_with(at.state, TOKEN) == []
    kept = own.clients("ssm").get_parameter(Name="/kept", WithDecryption=True)
    assert kept["Parameter"]["Value"] == TOKEN
    assert own.clients("dynamodb").scan(TableName="table")["Items"] == [item]


def contents(at: Place) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in at.state.glob("*.*") if path.is_file()}


def start_told() -> LocalAccountError:
    with pytest.raises(LocalAccountError) as failure:
        account.start(load())
    assert "Traceback" not in failure.value.message + failure.value.hint
    return failure.value


def change_key(at: Place) -> None:
    changed = dataclasses.replace(load(), secret_access_key="another")
    config.write_private(at.account, json.dumps(dataclasses.asdict(changed)).encode())


def cut_short(at: Place) -> None:
    os.truncate(at.state / "iam.sealed", 1000)


def take_away(at: Place) -> None:
    (at.state / "iam.sealed").unlink()


def put_a_folder_there(at: Place) -> None:
    take_away(at)
    (at.state / "iam.sealed").mkdir()  # cannot be read: root, too, sees that


def write(name: str, content: bytes) -> Callable[[Place], object]:
    return lambda at: (at.state / name).write_bytes(content)


def write_in_clear(at: Place) -> None:
    (at.state / "ssm.sealed").unlink()
    (at.state / "ssm.json").write_text("{]")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(change_key, id="another key"),
        pytest.param(cut_short, id="cut short"),
        pytest.param(take_away, id="missing"),
        pytest.param(put_a_folder_there, id="unreadable"),
        pytest.param(write("iam.sealed", b"\0" * 4096), id="zeros"),
        pytest.param(write("journal.sealed", b"\0" * 100 + b"\n"), id="zeros in the journal"),
        pytest.param(write_in_clear, id="in clear, and no JSON"),
    ],
)
def test_a_state_that_cannot_be_opened_is_told_and_left_alone(
    at: Place, damage: Callable[[Place], object]
) -> None:
    new_account()
    account.stop()
    damage(at)
    before = contents(at)
    told = start_told()
    assert str(at.state) in told.message
    assert "cannot be read" in told.message
    assert "mycli local reset" in told.hint
    assert contents(at) == before


def test_a_state_of_a_newer_emulator_is_not_misread(tmp_path: Path) -> None:
    (tmp_path / "iam.json").write_text('{"__ministack_format__": 99, "payload": {}}')
    saved = SavedState(tmp_path, Seal("secret"), journal=None)  # pyright: ignore[reportArgumentType]
    with pytest.raises(LocalAccountError, match="newer"):
        saved.read("iam")
