"""The user's configuration: ~/.mycli/config.yaml, its profiles, and the environment over it.

    api_endpoint: https://abc.execute-api.us-east-1.amazonaws.com/prod/execute
    api_key: sk_live_...
    region: us-east-1
    profiles:
      staging: {api_endpoint: ..., api_key: ..., region: ...}

What stands at the top is the profile `default`. The file is 0600 and written whole or not at all.
One that others can read, or could have written, is refused, as ssh refuses such a key.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import errno
import ipaddress
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from mycli.errors import ConfigError, MycliError

DEFAULT_PROFILE = "default"
UNFINISHED = "/unfinished"  # how the endpoint of a stack ends that is not made yet


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How to reach one stack. daemon_secret is set only for a stack on this machine.

    state: where Pulumi's state of the stack is, if not in the bucket of its account.
    """

    api_endpoint: str
    api_key: str = dataclasses.field(repr=False)
    region: str = ""
    stack_name: str = "mycli"
    state: str = ""
    daemon_secret: str = dataclasses.field(default="", repr=False)

    @property
    def is_local(self) -> bool:
        return bool(self.daemon_secret)

    @property
    def is_finished(self) -> bool:
        return not self.api_endpoint.endswith(UNFINISHED)

    @property
    def is_loopback(self) -> bool:
        """Whether the endpoint is on this machine: nothing sent to it crosses a network."""
        try:
            host = urlsplit(self.api_endpoint).hostname or ""
            return host == "localhost" or ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False


_PROFILE_KEYS = tuple(item.name for item in dataclasses.fields(Profile))


def home() -> Path:
    """The folder of everything mycli keeps for this user: `MYCLI_HOME`, or ~/.mycli."""
    return Path(os.environ.get("MYCLI_HOME") or Path.home() / ".mycli")


def config_path() -> Path:
    return home() / "config.yaml"


def load_profile(name: str | None = None) -> Profile:
    """The profile to use: `name`, else `MYCLI_PROFILE`, else `default`.

    MYCLI_API_ENDPOINT and MYCLI_API_KEY stand over the file (for CI), but not over a profile that
    is named: a flag goes before the environment. An endpoint from the environment never gets the
    key of the file. Raises ConfigError.
    """
    endpoint = "" if name else os.environ.get("MYCLI_API_ENDPOINT", "")
    key = "" if name else os.environ.get("MYCLI_API_KEY", "")
    if endpoint:
        if not key:
            raise ConfigError("MYCLI_API_ENDPOINT is set, MYCLI_API_KEY is not", "set both")
        return Profile(api_endpoint=endpoint, api_key=key)
    wanted = name or os.environ.get("MYCLI_PROFILE") or DEFAULT_PROFILE
    profiles = load_profiles()
    if wanted not in profiles:
        raise _no_such_profile(wanted, profiles)
    profile = profiles[wanted]
    if not profile.is_finished:
        raise ConfigError(
            f"the stack of the profile {wanted} was not finished", "run the same `mycli init` again"
        )
    return dataclasses.replace(profile, api_key=key) if key else profile


def _no_such_profile(wanted: str, profiles: Mapping[str, Profile]) -> ConfigError:
    if not profiles:
        return ConfigError(
            "mycli is not configured yet",
            "run `mycli init --local`, or `mycli configure` if a stack is there already",
        )
    known = ", ".join(sorted(profiles))
    return ConfigError(f"there is no profile {wanted!r} in {config_path()}", f"there is: {known}")


def load_profiles() -> dict[str, Profile]:
    """Every profile in the file, by name; none where there is no file. Raises ConfigError."""
    path = config_path()
    if path.exists():
        refuse_open(path)
    document = read_yaml(path) if path.exists() else {}
    named = document.pop("profiles", None) or {}
    if not isinstance(named, dict):
        raise ConfigError(f"{path}: profiles must be a mapping of names to profiles")
    tables = {DEFAULT_PROFILE: document, **named} if document else named
    return {str(name): _parse_profile(path, str(name), table) for name, table in tables.items()}


def _parse_profile(path: Path, name: str, table: object) -> Profile:
    where = f"{path}: profile {name}"
    if not isinstance(table, dict):
        raise ConfigError(f"{where}: must be a mapping")
    fields = cast("dict[str, object]", table)
    known = (*_PROFILE_KEYS, "profiles") if name == DEFAULT_PROFILE else _PROFILE_KEYS
    refuse_unknown_keys(where, fields, known)
    for key, value in fields.items():
        if not isinstance(value, str):
            raise ConfigError(f"{where}: {key} must be text", "write it in quotes")
    missing = [key for key in ("api_endpoint", "api_key") if not fields.get(key)]
    if missing:
        raise ConfigError(f"{where}: {missing[0]} is missing", "run `mycli configure`")
    return Profile(**cast("dict[str, str]", fields))


def save_profile(profile: Profile, name: str = DEFAULT_PROFILE) -> None:
    """Add the profile to the file, or replace it there."""
    _write_profiles({**load_profiles(), name: profile})


def remove_profile(name: str) -> None:
    """Take the profile out of the file; the file goes with its last profile."""
    profiles = load_profiles()
    profiles.pop(name, None)
    if profiles:
        _write_profiles(profiles)
    else:
        config_path().unlink(missing_ok=True)


def _write_profiles(profiles: Mapping[str, Profile]) -> None:
    import yaml

    tables = {
        name: {key: value for key, value in dataclasses.asdict(profile).items() if value}
        for name, profile in profiles.items()
    }
    document: dict[str, Any] = dict(tables.pop(DEFAULT_PROFILE, {}))
    if tables:
        document["profiles"] = tables
    write_private(config_path(), yaml.safe_dump(document, sort_keys=False).encode())


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all. Makes its folder (0700).

    A link stays one: what it leads to is replaced.
    """
    path = path.resolve()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:  # mkstemp made it 0600
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            Path(draft).unlink()
        if isinstance(error, OSError) and error.filename is None:  # a full disk does not say where
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


def unusable(error: OSError) -> MycliError:
    """What the system says of a file; of one of mycli's own, with what to look at."""
    said = error.strerror or str(error)
    if error.filename is None:
        return MycliError(said)
    path = Path(os.fsdecode(error.filename))
    ours = home().absolute()
    hint = ""
    if ours in (path.absolute(), *path.absolute().parents) and error.errno != errno.ENOSPC:
        hint = f"mycli keeps its files in {ours}, a folder that you can write to: see MYCLI_HOME"
    return MycliError(f"{path}: {said}", hint)


def refuse_open(path: Path) -> None:
    """Raise a ConfigError where another user can read the file, or could have written it."""
    if os.name != "posix":
        return
    file, folder = path.stat(), path.parent.stat()
    me = os.geteuid()
    for found, name in ((folder, path.parent), (file, path)):
        if me != 0 and found.st_uid not in (0, me):
            raise ConfigError(f"{name} belongs to another user", "it decides where commands go")
    if folder.st_mode & 0o022:
        raise ConfigError(f"others can write to {path.parent}", f"chmod go-w {path.parent}")
    if file.st_mode & 0o077:
        raise ConfigError(
            f"others can read {path}, which holds a secret key",
            f"chmod 600 {path}; if they may have read it, the key is no longer yours alone",
        )


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file, {} where it is empty. Raises ConfigError with the line."""
    import yaml

    try:
        document: object = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}:" if error.problem_mark else ""
        raise ConfigError(f"{path}:{line} {error.problem}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"{path}: cannot be read: {reason}", "correct it, or move it out of the way"
        ) from None
    except ValueError as error:  # 2024-02-30 looks like a date
        raise ConfigError(
            f"{path}: a value cannot be read: {error}", "write it in quotes if it is text"
        ) from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: must be a mapping of keys to values")
    return cast("dict[str, Any]", document)


def line_of(path: Path, *keys: str) -> int | None:
    """The line, counted from 1, on which a YAML file has the value of these nested keys."""
    import yaml

    node = yaml.compose(path.read_text(encoding="utf-8"))
    line = None
    for key in keys:
        if not isinstance(node, yaml.MappingNode):
            break
        for name, value in node.value:
            if name.value == key:
                line, node = name.start_mark.line + 1, value
                break
    return line


def refuse_unknown_keys(where: str, found: Iterable[object], known: Iterable[str]) -> None:
    """Raise a ConfigError that names the first unknown key and the nearest right one."""
    names = list(known)
    for key in found:
        if key not in names:
            near = difflib.get_close_matches(str(key), names, n=1)
            hint = f"did you mean {near[0]}?" if near else "known keys: " + ", ".join(names)
            raise ConfigError(f"{where}: unknown key {key!r}", hint)
