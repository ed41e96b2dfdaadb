"""Where the account on this machine keeps what it knows, and who it is.

Everything is under {MYCLI_HOME}/local, folders 0700 and files 0600.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from mycli import config
from mycli.errors import LocalAccountError


@dataclass(frozen=True)
class Place:
    """The files of the account."""

    folder: Path

    @property
    def account(self) -> Path:
        return self.folder / "account.json"

    @property
    def lock(self) -> Path:
        """Locked by the daemon while it lives; holds its pid."""
        return self.folder / "daemon.lock"

    @property
    def log(self) -> Path:
        return self.folder / "daemon.log"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def registry(self) -> Path:
        """The layers of images. Their manifests are among the state."""
        return self.folder / "registry"

    @property
    def stacks(self) -> Path:
        return self.folder / "stacks"

    @property
    def tasks(self) -> Path:
        return self.folder / "tasks"

    @property
    def scratch(self) -> Path:
        return self.folder / "tmp"


@dataclass(frozen=True, kw_only=True)
class Account:
    account_id: str
    region: str
    port: int
    runtime: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    daemon_secret: str = field(repr=False)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def registry(self) -> str:
        """The host of its container registry, as it stands in an image's name."""
        return f"127.0.0.1:{self.port}"


def place() -> Place:
    return Place(config.home().absolute() / "local")


def read(at: Place) -> Account | None:
    """The account that is there, running or not.

    Raises LocalAccountError where it is damaged, ConfigError where others can read its secrets.
    """
    try:
        config.refuse_open(at.account)
        return Account(**json.loads(at.account.read_bytes()))
    except FileNotFoundError:
        if at.state.exists():  # an account was here, whose key is gone
            raise damaged(at.account, "it is missing") from None
        return None
    except (OSError, ValueError, TypeError) as error:
        raise damaged(at.account, error) from None


def damaged(path: Path, reason: object) -> LocalAccountError:
    """The error for a file of the account that cannot be used any more."""
    return LocalAccountError(
        f"{path} cannot be read: {reason}",
        "put it back from a backup, or begin anew: `mycli local reset` gives up the account, "
        "with its stacks, records and logs",
    )


def load() -> Account:
    """The account that is there. Raises LocalAccountError where there is none."""
    found = read(place())
    if found is None:
        raise LocalAccountError("there is no account on this machine", "mycli init --local")
    return found
