"""Stack: make, change, look at and destroy a stack in AWS, from Python or behind the CLI.

from mycli import Stack

made = Stack("mycli", region="eu-west-1").up(on_event=print)
print(made.outputs.api_endpoint, made.api_key)
"""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mycli import config
from mycli.errors import StackError, StackLocked
from mycli.stack.credentials import CREDENTIALS
from mycli.stack.names import check_stack_name
from mycli.stack.results import (
    Caller,
    Changes,
    Destroyed,
    OnEvent,
    Outputs,
    Preview,
    Settings,
    Step,
    Up,
)

if TYPE_CHECKING:
    from mycli.stack.deployment import Deployment, Snapshot
    from mycli.stack.inputs import Inputs
    from mycli.stack.progress import Progress
    from mycli.stack.state import Backend

__all__ = [
    "Caller",
    "Changes",
    "Destroyed",
    "OnEvent",
    "Outputs",
    "Preview",
    "Settings",
    "Stack",
    "Step",
    "Up",
]

DEFAULT_REGION = "us-east-2"


def _quiet(_: str) -> None:
    pass


class Stack:
    """A stack in the account that boto3's credentials are of. Nothing is asked of AWS before a
    method is called.

    region: else AWS_REGION, AWS_DEFAULT_REGION, the AWS config, us-east-2. state: where Pulumi
    keeps the stack's state: None for a bucket in the account, "file" for {MYCLI_HOME}/state, or the
    URL of any Pulumi backend (with PULUMI_CONFIG_PASSPHRASE, or PULUMI_ACCESS_TOKEN).

    Every method raises StackError with a hint: AwsCredentialsError, EngineError and StackLocked
    where that is what happened. on_event is told what is done, in sentences, from another thread.
    """

    def __init__(
        self, name: str = "mycli", *, region: str | None = None, state: str | None = None
    ) -> None:
        """Raises UsageError for a name that cannot be."""
        self.name = check_stack_name(name)
        self.state = state
        self._region = region

    @functools.cached_property
    def region(self) -> str:
        return (
            self._region
            or os.environ.get("AWS_REGION")
            or self._session.region_name
            or DEFAULT_REGION
        )

    def caller(self) -> Caller:
        """Who the AWS credentials are of. Raises AwsCredentialsError where AWS takes none."""
        who = self._clients("sts").get_caller_identity()
        return Caller(account=who["Account"], arn=who["Arn"], region=self.region)

    def outputs(self) -> Outputs | None:
        """None: there is no such stack, or it was never finished."""
        known = self._known()
        return Outputs.read(known.outputs) if known else None

    def has_key(self) -> bool:
        """Whether the stack has an API key, and an up without one keeps it."""
        known = self._known()
        return bool(known and known.outputs.get("api_key_hash"))

    def preview(self, settings: Settings | None = None, on_event: OnEvent = _quiet) -> Preview:
        """What an up would do; nothing of the stack is made."""
        from mycli.stack.progress import Progress

        with self._prepared(settings or Settings(), on_event) as (deployment, _, inputs):
            progress = Progress(on_event, inputs.secrets)
            deployment.preview(_program(inputs), progress)
        return Preview(changes=progress.changes, steps=progress.steps)

    def up(self, settings: Settings | None = None, on_event: OnEvent = _quiet) -> Up:
        """Make the stack, or bring it up to date. Interrupted, it is finished by running it again.

        Whatever is not chosen stays as the stack has it, whichever machine made it.
        """
        from mycli.stack import executions
        from mycli.stack.progress import Progress

        with self._prepared(settings or Settings(), on_event) as (deployment, known, inputs):
            if known.pending:
                self._operate(deployment, _heal, on_event)
            progress = Progress(on_event, inputs.secrets)
            said = self._operate(
                deployment, lambda it, _: it.up(_program(inputs), progress), on_event
            )
        outputs = Outputs.read(said)
        if not outputs:
            raise StackError("the stack says too little of itself", "this is a fault of mycli")
        executions.accept_new(self._clients("dynamodb"), outputs.table)
        return Up(outputs=outputs, changes=progress.changes, api_key=inputs.api_key)

    def update_function(self, on_event: OnEvent = _quiet) -> Changes:
        """Replace the function's code by this version's, and change nothing else."""
        from mycli.stack.progress import Progress

        with self._prepared(Settings(), on_event) as (deployment, known, inputs):
            targets = [urn for urn in known.resources if ":Function::" in urn]
            if not targets:
                raise self._none()
            progress = Progress(on_event, inputs.secrets)
            self._operate(
                deployment,
                lambda it, _: it.up(_program(inputs), progress, target=targets),
                on_event,
            )
        return progress.changes

    def refresh(self, on_event: OnEvent = _quiet) -> Changes:
        """Bring the state in line with the account; how many resources differed (drift)."""
        from mycli.stack.progress import Progress

        with self._opened(on_event) as deployment:
            if not deployment or not deployment.snapshot():
                raise self._none()
            progress = Progress(on_event)
            self._operate(deployment, lambda it, _: it.refresh(progress), on_event)
        return progress.changes

    def destroy(self, on_event: OnEvent = _quiet) -> Destroyed:
        """Destroy the stack. Interrupted, it is finished by running it again.

        New executions are refused and running tasks stopped first. Needs nothing of this machine
        but the state, and neither the function nor the API. The bucket of the state goes with its
        last stack.
        """
        from mycli.stack import task_definitions
        from mycli.stack.leftovers import find_leftovers
        from mycli.stack.progress import Progress

        ecs = self._clients("ecs")
        with self._opened(on_event) as deployment:
            known = deployment.snapshot() if deployment else None
            if not deployment or not known:
                raise self._none()
            if known.pending:
                self._operate(deployment, _heal, on_event)
            tasks = self._end_executions(known, on_event)
            definitions = task_definitions.prune(ecs, self.name, on_event)
            progress = Progress(on_event)
            self._operate(deployment, lambda it, _: it.destroy(progress), on_event)
            # What deleting the template left of it: the provider only deregisters.
            definitions += task_definitions.prune(ecs, self.name, on_event)
            leftovers = find_leftovers(self._clients, self.name)
            deployment.remove()
            state_removed = not deployment.any_stacks() and self._remove_state()
        return Destroyed(
            resources=progress.changes.deleted,
            tasks=tasks,
            definitions=definitions,
            leftovers=leftovers,
            state_removed=state_removed,
        )

    def unlock(self) -> None:
        """Clear the lock of whoever is changing the stack: only when he is no more."""
        with self._opened(_quiet) as deployment:
            if not deployment:
                raise self._none()
            deployment.cancel()

    def running_executions(self) -> int:
        """How many tasks a destroy would stop."""
        from mycli.stack import executions

        ecs = self._clients("ecs")
        try:
            return len(executions.running(ecs, f"{self.name}-cluster"))
        except ecs.exceptions.ClusterNotFoundException:
            return 0

    def _end_executions(self, known: Snapshot, on_event: OnEvent) -> int:
        from mycli.stack import executions

        dynamodb, ecs = self._clients("dynamodb"), self._clients("ecs")
        if known.resources:
            with contextlib.suppress(dynamodb.exceptions.ResourceNotFoundException):
                executions.refuse_new(dynamodb, f"{self.name}-executions")
            with contextlib.suppress(ecs.exceptions.ClusterNotFoundException):
                return executions.stop_all(ecs, f"{self.name}-cluster", on_event)
        return 0

    @contextlib.contextmanager
    def _prepared(
        self, settings: Settings, on_event: OnEvent
    ) -> Generator[tuple[Deployment, Snapshot, Inputs]]:
        """All that can be done before anything is made in the account."""
        from mycli.stack import package
        from mycli.stack.deployment import Snapshot
        from mycli.stack.inputs import choose, kept_credentials

        self.caller()
        bcrypt = package.function_bcrypt(config.home() / "cache", on_event)
        with self._opened(on_event, make=True) as deployment:
            if not deployment:
                raise self._none()
            known = deployment.snapshot() or Snapshot({}, {}, [])
            kept = self._read_credentials(kept_credentials(known, settings))
            with tempfile.TemporaryDirectory(prefix="mycli-") as folder:
                function_zip = Path(folder) / "function.zip"
                package.build(function_zip, bcrypt)
                inputs = choose(settings, known, kept, str(function_zip))
                deployment.create()
                yield deployment, known, inputs

    def _known(self) -> Snapshot | None:
        with self._opened(_quiet) as deployment:
            return deployment.snapshot() if deployment else None

    @contextlib.contextmanager
    def _opened(self, on_event: OnEvent, *, make: bool = False) -> Generator[Deployment | None]:
        """None where there is no state of any stack."""
        from mycli.stack import engine
        from mycli.stack.deployment import Deployment

        found = engine.find(on_event)
        backend = self._backend(make)
        if not backend:
            yield None
            return
        with tempfile.TemporaryDirectory(prefix="mycli-") as folder:
            yield Deployment(self.name, self.region, backend, found, Path(folder))

    def _backend(self, make: bool) -> Backend | None:
        from mycli.stack import state

        if self.state == "file":
            return state.make_file() if make else state.find_file()
        raise StackError("not yet")

    def _remove_state(self) -> bool:
        from mycli.stack import state

        if self.state == "file":
            state.remove_file()
            return True
        return False

    def _read_credentials(self, kinds: list[str]) -> dict[str, str]:
        ssm, found = self._clients("ssm"), dict[str, str]()
        for credential in CREDENTIALS:
            if credential.kind in kinds:
                name = credential.parameter(self.name)
                answer = ssm.get_parameter(Name=name, WithDecryption=True)
                found[credential.kind] = answer["Parameter"]["Value"]
        return found

    def _operate(
        self,
        deployment: Deployment,
        act: Callable[[Deployment, OnEvent], Any],
        on_event: OnEvent,
    ) -> Any:
        """Do it; a lock that a dead process of this machine has left is cleared first."""
        from mycli.stack import state

        try:
            return act(deployment, on_event)
        except StackLocked as locked:
            if not state.is_dead(locked.lock):
                raise
            on_event(f"Clearing the lock of a process that is no more: {locked.lock.owner}")
            deployment.cancel()
            return act(deployment, on_event)

    def _none(self) -> StackError:
        return StackError(
            f"there is no stack {self.name} in {self.region}",
            "another --stack-name, --region or --state, or another AWS profile?",
        )

    @functools.cached_property
    def _session(self) -> Any:
        import boto3

        return boto3.Session()

    @functools.cached_property
    def _clients(self) -> Callable[[str], Any]:
        """A service's name -> its client."""
        return functools.cache(functools.partial(self._session.client, region_name=self.region))


def _program(inputs: Inputs) -> Callable[[], None]:
    from mycli.stack.deployment import configured
    from mycli.stack.program import program

    return configured(program, inputs.values, inputs.secret_names)


def _heal(deployment: Deployment, on_event: OnEvent) -> None:
    """Settle what was being made when an engine was killed."""
    from mycli.stack.progress import Progress

    progress: Progress = Progress(on_event)
    deployment.refresh(progress, clear_pending_creates=True)
