"""The address of a git repository: what git, and the ssh that it starts, take as nothing else."""

from __future__ import annotations

import re

from orchestrator.wire.checks import is_text
from orchestrator.wire.messages import WireError, invalid

# No user and no host begins with a dash, or is not ASCII, or hides something behind a %.
_USER = r"[A-Za-z0-9_][A-Za-z0-9_.+-]*"
_HOST = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_URL_REPO = re.compile(
    rf"(?:https|http|ssh)://(?:{_USER}(?:@{_HOST})?@)?"
    rf"(?:{_HOST}|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{{1,5}}))?(?:/.*)?"
)
_SCP_REPO = re.compile(rf"(?:{_USER}@{_HOST}:(?!//)|{_HOST}:(?!/))(?P<path>[^:-].*)")


def repo_protocol(repo: str) -> str:
    """The transport git will use for this address: https, ssh, http or file.

    Raises WireError (400) for whatever git, or the ssh that it starts, would take as something
    else: an option, a remote helper (`ext::sh -c ...`), a path; and for an address with a token.
    """
    is_text("repo", repo)
    scheme, separator, rest = repo.partition("://")
    netloc = rest.partition("/")[0] if separator else ""
    if scheme == "file" and not netloc and repo.isprintable() and " " not in repo:
        return "file"
    if ":" in netloc.rpartition("@")[0] or (scheme in ("https", "http") and "@" in netloc):
        raise _has_token()
    pattern = _URL_REPO if separator else _SCP_REPO
    if not repo.isprintable() or " " in repo or not (found := pattern.fullmatch(repo)):
        raise _is_no_address(repo)
    if not separator and "@" in found["path"].partition("/")[0]:  # user:token@host:path
        raise _has_token()
    if separator and not 0 < int(found["port"] or "22") < 65536:
        raise _is_no_address(repo)
    return scheme if separator else "ssh"


def _is_no_address(repo: str) -> WireError:
    # Whatever stands in front of an @ may be a token.
    shown = re.sub(r".*(?:@|%40)", "…@", repo, flags=re.DOTALL)[:80]
    allowed = (
        "an address such as https://github.com/user/repo, ssh://git@host/repo or git@host:repo"
    )
    return invalid("repo", f"is {shown!r}", allowed)


def _has_token() -> WireError:
    return invalid(
        "repo",
        "has a user name or token in it",
        "an address without one: git credentials are kept in the stack, never in a request",
    )


def strip_credentials(repo: str) -> str:
    """The address without a token or password: `https://TOKEN@host/x` becomes `https://host/x`.

    The user of an ssh address stays: it is part of the address, not a secret.
    """
    scheme, separator, rest = repo.partition("://")
    netloc, slash, path = rest.partition("/")
    if not separator or "@" not in netloc:
        return repo
    user, _, host = netloc.rpartition("@")
    kept = f"{user.partition(':')[0]}@" if scheme == "ssh" else ""
    return f"{scheme}://{kept}{host}{slash}{path}"
