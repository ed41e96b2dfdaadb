"""The git credentials that a stack may hold, each an SSM SecureString of its own."""

from __future__ import annotations

from typing import NamedTuple


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
