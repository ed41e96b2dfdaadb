"""Stack: make, change, look at and destroy a stack in AWS, from Python or behind the CLI.

from mycli import Stack

made = Stack("mycli", region="eu-west-1").up(on_event=print)
print(made.outputs.api_endpoint, made.api_key)
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING

from mycli import config
from mycli.errors import Lock, StackError
from mycli.stack.aws import Aws
from mycli.stack.names import check_stack_name
from mycli.stack.refusals import explained
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
    from mycli.stack.invocation import Engine
    from mycli.stack.state import Backend, Place

__all__ = [
    "Caller",
    "Changes",
    "Destroyed",
    "Lock",
    "OnEvent",
    "Outputs",
    "Preview",
    "Settings",
    "Stack",
    "Step",
    "Up",
]


def _quiet(_: str) -> None:
    pass


class _NoStack(StackError):
    state_removed = False


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
        self._aws = Aws(region)

    @property
    def region(self) -> str:
        return self._aws.region

    @explained()
    def caller(self) -> Caller:
        """Who the AWS credentials are of. Raises AwsCredentialsError where AWS takes none."""
        return self._aws.caller()

    @explained()
    def outputs(self) -> Outputs | None:
        """None: there is no such stack, or it was never finished."""
        known = self._known()
        return Outputs.read(known.outputs) if known else None

    @explained()
    def exists(self) -> bool:
        """Whether anything of the stack was made, as far as the state knows."""
        known = self._known()
        return bool(known and (known.resources or known.unsettled))

    @explained()
    def has_key(self) -> bool:
        """Whether the stack has an API key, and an up without one keeps it."""
        known = self._known()
        return bool(known and known.outputs.get("api_key_hash"))

    @explained()
    def preview(self, settings: Settings | None = None, on_event: OnEvent = _quiet) -> Preview:
        """What an up would do. Nothing is made, not even the place of the state."""
        from mycli.stack.progress import Progress

        with self._prepared(settings or Settings(), on_event, make=False) as (there, _, inputs):
            progress = Progress(on_event, inputs.secrets)
            there.preview(_program(inputs), progress)
        return Preview(changes=progress.changes, steps=progress.steps)

    @explained()
    def up(
        self,
        settings: Settings | None = None,
        on_event: OnEvent = _quiet,
        *,
        only_if_there: bool = False,
    ) -> Up:
        """Make the stack, or bring it up to date. Interrupted, it is finished by running it again.

        Whatever is not chosen stays as the stack has it, whichever machine made it. All that can be
        checked is, before anything is made in the account. only_if_there: make none. Raises
        UsageError for settings that cannot be.
        """
        from mycli.stack import executions, recovery
        from mycli.stack.progress import Progress

        prepared = self._prepared(
            settings or Settings(), on_event, make=True, only_if_there=only_if_there
        )
        with prepared as (there, known, inputs):
            self._settle(there, known, on_event)
            progress = Progress(on_event, inputs.secrets)
            # After a look at the account: what somebody has deleted there is made anew.
            made = recovery.alone(
                there, lambda: there.up(_program(inputs), progress, refresh=True), on_event
            )
        outputs = Outputs.read(made)
        if not outputs:
            raise StackError("the stack says too little of itself", "this is a fault of mycli")
        executions.accept_new(self._aws.clients("dynamodb"), outputs.table)
        return Up(outputs=outputs, changes=progress.changes, api_key=inputs.api_key)

    @explained()
    def update_function(self, on_event: OnEvent = _quiet) -> Changes:
        """Replace the function's code by this version's, and change nothing else."""
        from mycli.stack import recovery
        from mycli.stack.progress import Progress

        if not (outputs := self.outputs()):
            raise self._none()
        functions = self._aws.clients("lambda")
        functions.get_function_configuration(FunctionName=outputs.function)  # is it still there?
        with self._prepared(Settings(), on_event, make=True) as (there, known, inputs):
            self._settle(there, known, on_event)
            only = [urn for urn in known.resources if "::aws:lambda/function:Function::" in urn]
            progress = Progress(on_event, inputs.secrets)
            recovery.alone(
                there, lambda: there.up(_program(inputs), progress, target=only), on_event
            )
        return progress.changes

    @explained()
    def refresh(self, on_event: OnEvent = _quiet) -> Changes:
        """Bring the state in line with the account: how many resources are gone or differ (drift).

        The next up makes of them what they should be.
        """
        from mycli.stack import recovery
        from mycli.stack.progress import Progress

        with self._opened(on_event) as (there, known):
            self._settle(there, known, on_event)
            progress = Progress(on_event)
            recovery.alone(there, lambda: there.refresh(progress), on_event)
        return progress.changes

    @explained()
    def destroy(self, on_event: OnEvent = _quiet) -> Destroyed:
        """Destroy the stack. Interrupted, it is finished by running it again.

        New executions are refused and running tasks stopped first. Needs nothing of this machine
        but the state, and neither the function nor the API. What mycli made for the state goes with
        its last stack.
        """
        from mycli.stack import engine
        from mycli.stack.leftovers import find_leftovers

        try:
            with self._opened(on_event) as (there, known):
                done = self._destroy(there, known, on_event)
            engine.tidy(logs=0)  # nothing has failed that they would explain
            return done
        except _NoStack as none:
            if not none.state_removed:
                raise
        # All but the place of the state was gone already.
        leftovers = find_leftovers(self._aws.clients, self.name)
        return Destroyed(leftovers=leftovers, state_removed=True)

    @explained()
    def lock(self) -> Lock | None:
        """Who is changing the stack now, or was when he was killed. None also where the backend of
        a URL does not say it: then the next change raises StackLocked.
        """
        return self._place.lock(self.name)

    @explained()
    def unlock(self) -> None:
        """Clear the lock, whoever holds it: only when he is no more."""
        with self._opened(_quiet) as (there, _):
            there.cancel()

    @explained()
    def running_executions(self) -> int:
        """How many tasks a destroy would stop."""
        from mycli.stack import executions

        ecs = self._aws.clients("ecs")
        try:
            return len(executions.running(ecs, f"{self.name}-cluster"))
        except ecs.exceptions.ClusterNotFoundException:
            return 0

    @explained()
    def repositories(self) -> list[str]:
        """Names of the repositories of built images, which a destroy would delete."""
        from mycli.stack import repositories

        return repositories.find(self._aws.clients("ecr"), self.name)

    def _destroy(self, there: Deployment, known: Snapshot, on_event: OnEvent) -> Destroyed:
        from mycli.stack import recovery, repositories, task_definitions
        from mycli.stack.leftovers import find_leftovers
        from mycli.stack.progress import Progress

        self._settle(there, known, on_event)
        tasks = self._end_executions(known, on_event)
        ecs = self._aws.clients("ecs")
        # Not the template: its provider wants to deregister it, and not find it gone.
        definitions = task_definitions.prune(ecs, self.name, on_event, template=False)
        progress = Progress(on_event)
        recovery.alone(there, lambda: there.destroy(progress), on_event)
        # What deleting the template left of it: the provider only deregisters.
        definitions += task_definitions.prune(ecs, self.name, on_event)
        # Now that no function can make one, and no task is pulled from one.
        removed = repositories.remove(self._aws.clients("ecr"), self.name, on_event)
        leftovers = find_leftovers(self._aws.clients, self.name)
        there.remove()
        return Destroyed(
            resources=progress.changes.deleted,
            tasks=tasks,
            definitions=definitions,
            repositories=removed,
            leftovers=leftovers,
            state_removed=not there.any_stacks() and self._place.remove(),
        )

    def _end_executions(self, known: Snapshot, on_event: OnEvent) -> int:
        from mycli.stack import executions

        if not known.resources:
            return 0
        dynamodb, ecs = self._aws.clients("dynamodb"), self._aws.clients("ecs")
        return executions.end_all(dynamodb, ecs, self.name, on_event)

    @contextlib.contextmanager
    def _prepared(
        self, settings: Settings, on_event: OnEvent, *, make: bool, only_if_there: bool = False
    ) -> Generator[tuple[Deployment, Snapshot, Inputs]]:
        """All that can be found out and checked; with `make`, then the place of the state."""
        from mycli.stack import engine, package, state, taken
        from mycli.stack.deployment import Snapshot
        from mycli.stack.inputs import choose, read_kept

        self.caller()
        found = engine.find(on_event)
        engine.provide_plugin(found, on_event)
        bcrypt = package.function_bcrypt(config.home() / "cache", on_event)
        with tempfile.TemporaryDirectory(prefix="mycli-") as name:
            folder = Path(name)
            backend = self._place.find()
            there = backend and self._deployment(backend, found, folder / "work")
            known = (there and there.snapshot()) or Snapshot()
            kept = read_kept(self._aws.clients, self.name, settings, known, on_event)
            package.build(folder / "function.zip", bcrypt)
            inputs = choose(self.name, settings, known, kept, str(folder / "function.zip"))
            if not known.resources and not known.unsettled:
                if only_if_there:
                    raise self._none()
                taken.check_free(self._aws.clients, self.name, self.region)
                backend = self._place.make() if make else state.passing(folder / "state")
                there = self._deployment(backend, found, folder / "new")
                there.create()
            if not there:
                raise self._none()
            yield there, known, inputs

    def _known(self) -> Snapshot | None:
        from mycli.stack import engine

        if not (backend := self._place.find()):
            return None
        with tempfile.TemporaryDirectory(prefix="mycli-") as folder:
            return self._deployment(backend, engine.find(_quiet), Path(folder)).snapshot()

    @contextlib.contextmanager
    def _opened(self, on_event: OnEvent) -> Generator[tuple[Deployment, Snapshot]]:
        """The stack that is there. Raises _NoStack where there is none, and then takes away what a
        destroy that was interrupted has left of the place of the state.
        """
        from mycli.stack import engine

        self.caller()
        if not (backend := self._place.find()):
            raise self._none(self._place.remove())
        found = engine.find(on_event)
        engine.provide_plugin(found, on_event)
        with tempfile.TemporaryDirectory(prefix="mycli-") as folder:
            there = self._deployment(backend, found, Path(folder))
            if not (known := there.snapshot()):
                raise self._none(not there.any_stacks() and self._place.remove())
            yield there, known

    def _settle(self, there: Deployment, known: Snapshot, on_event: OnEvent) -> None:
        from mycli.stack import recovery

        recovery.settle(there, known, self._aws.clients, self.name, on_event)

    def _deployment(self, backend: Backend, found: Engine, folder: Path) -> Deployment:
        from mycli.stack.deployment import Deployment

        folder.mkdir(mode=0o700, exist_ok=True)
        return Deployment(self.name, self.region, backend, found, folder)

    @functools.cached_property
    def _place(self) -> Place:
        from mycli.stack import state
        from mycli.stack.state_bucket import Bucket

        if self.state == "file":
            return state.Folder()
        if self.state:
            return state.Address(self.state, self._aws.clients)
        caller = self.caller()
        partition = caller.arn.split(":")[1]
        return Bucket(
            self._aws.clients, account=caller.account, region=self.region, partition=partition
        )

    def _none(self, state_removed: bool = False) -> _NoStack:
        error = _NoStack(
            f"there is no stack {self.name} in {self.region}",
            "another --stack-name, --region or --state, or another AWS profile?",
        )
        error.state_removed = state_removed
        return error


def _program(inputs: Inputs) -> Callable[[], None]:
    from mycli.stack.deployment import configured
    from mycli.stack.program import program

    return configured(program, inputs.values, inputs.secret_names)
