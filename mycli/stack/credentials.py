"""The git credentials that a stack may hold, each an SSM SecureString of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from mycli.errors import UsageError


class Credential(NamedTuple):
    """kind: its key in the program's config. variable: what task.sh reads it from."""

    kind: str
    title: str
    variable: str

    @property
    def name(self) -> str:
        """As users and AWS call it: github-token."""
        return self.kind.replace("_", "-")

    def parameter(self, stack: str) -> str:
        return f"/mycli/{stack}/{self.name}"


CREDENTIALS = (
    Credential("github_token", "GitHub token", "MYCLI_GITHUB_TOKEN"),
    Credential("gitlab_token", "GitLab token", "MYCLI_GITLAB_TOKEN"),
    Credential("ssh_private_key", "SSH key", "MYCLI_SSH_PRIVATE_KEY"),
)
KINDS = tuple(credential.kind for credential in CREDENTIALS)
MAX_BYTES = 4096  # what a standard parameter of SSM holds
_TOKEN = re.compile(r"[!-~]*")


def checked(credential: Credential, text: str) -> str:
    """The text, unless no site could take it: else that would first be seen in somebody's clone.

    An empty text takes the credential away. Raises UsageError, which does not tell the text.
    """
    if credential.kind == "ssh_private_key":
        if text and not text.startswith("-----BEGIN "):
            hint = "it begins with -----BEGIN, as `ssh-keygen` writes it; not the .pub file"
            raise UsageError(f"that is no {credential.title}", hint)
    elif not _TOKEN.fullmatch(text):
        hint = "a token is one word of ASCII characters"
        raise UsageError(f"that is no {credential.title}", hint)
    return text


def read(
    ssm: Any, stack_name: str, kinds: Collection[str], on_event: Callable[[str], None]
) -> dict[str, str]:
    """Kind -> text of those that the account has; ssm is a boto3 client."""
    found: dict[str, str] = {}
    for credential in CREDENTIALS:
        if credential.kind in kinds:
            name = credential.parameter(stack_name)
            try:
                answer = ssm.get_parameter(Name=name, WithDecryption=True)
            except ssm.exceptions.ParameterNotFound:
                on_event(f"The {credential.title} is gone from {name}: the stack is without it")
            else:
                found[credential.kind] = answer["Parameter"]["Value"]
    return found
