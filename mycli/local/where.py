"""Where a stack is: in the account on this machine, or in AWS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mycli import config
from mycli.errors import AwsCredentialsError, UsageError

if TYPE_CHECKING:
    from mycli.stack.automation import Stack
    from mycli.stack.registries import RegistryLogin


@dataclass(frozen=True, kw_only=True)
class Where:
    """region and state are for a stack in AWS; None for their defaults. known: it is known where
    the stack is; else it is taken to be in AWS.
    """

    stack_name: str
    local: bool
    region: str | None = None
    state: str | None = None
    known: bool = True

    def stack(self) -> Stack:
        """The stack in AWS. Raises AwsCredentialsError where nobody knows it and AWS has no say."""
        from mycli.stack.automation import Stack
        from mycli.stack.aws import Aws

        if not self.known and not Aws(self.region).has_credentials():
            raise AwsCredentialsError(
                f"there is no stack {self.stack_name} on this machine, and there are no AWS "
                "credentials to look for it in AWS",
                _here() or "`mycli init --local` makes one here; for AWS, set AWS_PROFILE",
            )
        return Stack(self.stack_name, region=self.region, state=self.state)

    def pulls_images(self) -> bool:
        """Not where tasks are processes on this machine."""
        if not self.local:
            return True
        from mycli.local.place import load

        return load().runtime != "process"

    def is_own_registry(self, host: str) -> bool:
        """Whether it is that of the account on this machine, which lets its tasks in anyway."""
        if not self.local or not _is_here(self.stack_name):
            return False
        from mycli.local.place import load

        port = load().registry.rpartition(":")[2]
        return host in (f"127.0.0.1:{port}", f"localhost:{port}")

    def held(self) -> tuple[list[str], list[str]]:
        """What it has: the kinds of its git credentials, and the hosts of the registries that it
        logs in to.
        """
        if self.local:
            from mycli.local.teardown import find

            outputs = find(self.stack_name).outputs
            return outputs.get("git_credentials", []), outputs.get("registries", [])
        known = self.stack().outputs()
        return (known.git_credentials, known.registries) if known else ([], [])

    def set_git_credential(self, kind: str, text: str, on_event: Callable[[str], None]) -> None:
        """Keep this one from now on, or none for an empty text; all else stays as it is."""
        self._up(on_event, credentials={kind: text})

    def set_registry(
        self, host: str, login: RegistryLogin | None, on_event: Callable[[str], None]
    ) -> None:
        """Log in to this registry from now on, or for None no more; all else stays as it is."""
        self._up(on_event, registries={host: login})

    def _up(self, on_event: Callable[[str], None], **chosen: Any) -> None:
        if self.local:
            from mycli.local import stacks, teardown

            teardown.find(self.stack_name)  # an up would make one
            stacks.up(stacks.Options(stack_name=self.stack_name, **chosen), on_event)
        else:
            from mycli.stack.automation import Settings

            self.stack().up(Settings(**chosen), on_event, only_if_there=True)


def find(stack_name: str, *, local: bool, region: str | None, state: str | None) -> Where:
    """The stack of this name that is meant. Raises UsageError where it could be either of two.

    --local, or a region or a state, decides. Else it is where one of this name is known to be: in
    the account on this machine, or by a profile in AWS. One that nobody knows is in AWS.
    """
    if local and (region or state):
        raise UsageError("--local does not go with --region or --state")
    known = {
        profile.region: profile
        for profile in config.load_profiles().values()
        if profile.stack_name == stack_name and not profile.is_local
        if region in (None, profile.region)
    }
    here = local or (not region and not state and _is_here(stack_name))
    if here and known and not local:
        places = ["this machine: --local", *(f"{name}: --region {name}" for name in known)]
        raise UsageError(
            f"there are several stacks {stack_name}", "say which: " + ", ".join(places)
        )
    if here:
        return Where(stack_name=stack_name, local=True)
    if len(known) > 1:
        raise UsageError(
            f"there are several stacks {stack_name}, in {', '.join(sorted(known))}",
            "say which: --region",
        )
    saved_region, saved = next(iter(known.items()), (None, None))
    return Where(
        stack_name=stack_name,
        local=False,
        region=region or saved_region,
        state=state or (saved.state or None if saved else None),
        known=bool(saved or region or state),
    )


def _is_here(stack_name: str) -> bool:
    return stack_name in _names_here()


def _here() -> str:
    names = _names_here()
    if not names:
        return ""
    return f"on this machine there is: {', '.join(names)}; for AWS, set AWS_PROFILE"


def _names_here() -> list[str]:
    from mycli.local import account
    from mycli.local.place import place

    return account.stack_names(place())
