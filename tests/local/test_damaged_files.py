"""Whatever happens to a file of a stopped account is told, and there is a way on."""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mycli import config
from mycli.client import Client
from mycli.errors import ApiError, ConfigError, LocalAccountError, MycliError
from mycli.local import account, stacks, teardown
from mycli.local.place import load, place
from tests.local.conftest import until
from tests.soak import sizes

pytestmark = pytest.mark.usefixtures("ended")


@dataclass(frozen=True)
class Kept:
    """A home with a stack, whose daemon was killed, and the execution that it knew."""

    home: Path
    execution: str

    def files(self) -> list[Path]:
        """All that the account cannot do without, relative to the home."""
        local = self.home / "local"
        kept = [self.home / "config.yaml", local / "account.json", *local.glob("stacks/*.json")]
        kept += [*local.glob("state/**/*.*"), *local.glob("logs/**/task*")]
        return sorted(path.relative_to(self.home) for path in kept)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    home = tmp_path_factory.mktemp("kept") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MYCLI_HOME", str(home))
        made = stacks.up(stacks.Options(runtime="process"), lambda _: None)
        with Client(made.profile) as client:
            execution = client.exec("echo kept; exit 3", skip_git=True)
            assert execution.wait() == 3
        os.kill(account.status()["pid"], signal.SIGKILL)
        until(lambda: not account.is_running(place()))
        yield Kept(home, execution.id)


def put_back(kept: Kept, home: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)
    # Without the function's code: a process of it may still be there, and compiles it.
    scratch = shutil.ignore_patterns("ministack-lambda-*")
    shutil.copytree(kept.home, home, symlinks=True, ignore=scratch)


def damages(path: Path, draw: random.Random) -> list[bytes | None]:
    """What could stand in the file instead of what does. None: it is gone."""
    whole = path.read_bytes()
    cut = whole[: draw.randrange(len(whole))]
    at = draw.randrange(len(whole))
    flipped = whole[:at] + bytes([whole[at] ^ 1 << draw.randrange(8)]) + whole[at + 1 :]
    return [None, b"", cut, flipped, draw.randbytes(len(whole)), bytes(len(whole))]


def look() -> list[tuple[str, str, int | None]]:
    """What `mycli list` tells, once the account runs."""
    account.start(load())
    with Client(config.load_profile()) as client:
        return [(each.execution_id, each.status, each.exit_code) for each in client.list()]


@sizes(1, 2)
def test_it_is_told_or_does_no_harm(kept: Kept, home: Path, size: int) -> None:
    draw = random.Random(size)
    cases = [(file, damage) for file in kept.files() for damage in damages(kept.home / file, draw)]
    if size == 1:  # test_sealing.py has the sealed ones; of each other, one damage
        cases = [case for case in cases if case[0].suffix != ".sealed"][::7]
    for file, damage in cases * size:
        put_back(kept, home)
        (home / file).unlink()
        if damage is not None:
            config.write_private(home / file, damage)
        try:
            # Nobody can tell a journal that was cut off from one that has just begun.
            listed = look()
            assert (kept.execution, "STOPPED", 3) in listed or file.stem == "journal", damage
        except MycliError as told:
            is_clear(told, (file, damage))
        try:
            teardown.destroy("mycli", False, lambda _: None)
        except MycliError as told:
            is_clear(told, (file, damage))
            if isinstance(told, ConfigError):
                (home / "config.yaml").unlink()
            teardown.reset()
        assert not (home / "local").exists()


@pytest.mark.parametrize("name", ["local/account.json", "local/state/lambda-blobs/*"])
def test_what_is_missing_is_told_before_anything_runs(kept: Kept, home: Path, name: str) -> None:
    put_back(kept, home)
    [missing] = home.glob(name)
    missing.unlink()
    with pytest.raises(LocalAccountError, match=missing.name) as told:
        account.start(load())
    assert "mycli local reset" in told.value.hint
    teardown.reset()


def is_clear(told: MycliError, case: object) -> None:
    # A bit of the address in the configuration may make it another one's, who answers in his words.
    assert told.hint or isinstance(told, ApiError), case
    assert "\n" not in told.message, case
    assert "Traceback" not in told.message + told.hint, case
