"""The life of a task: what ECS does from RunTask's answer to STOPPED."""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mycli.local import emulator, log_streams, permissions, processes, task_events
from mycli.local.containers import Runtime
from mycli.local.full_disk import has_room
from mycli.local.image_logins import ImageLogins
from mycli.local.processes import CannotStart
from mycli.local.saved_state import NOT_KEPT, Journal
from mycli.local.trees import remove_tree

MAX_STOP_SECONDS = 30  # on AWS up to 120; nobody waits that long for a process of his own
_FORGOTTEN_AFTER_SECONDS = 3600  # ECS describes a stopped task for about an hour
_LOST = "The account on this machine ended while the task was running"
_FAILED = "The account on this machine could not go on with the task"

Task = dict[str, Any]
logger = logging.getLogger("mycli")


class Tasks:
    """The tasks of this account: what runs now, and how each change becomes known.

    A change is in the journal before EventBridge hears of it, and a task's last line of output is
    in its log stream before the task is STOPPED.
    """

    def __init__(
        self, runtime: Runtime, images: ImageLogins, scratch: Path, journal: Journal
    ) -> None:
        self._runtime = runtime
        self._images = images
        self._scratch = scratch
        self._journal = journal
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ending = False

    def mend(self) -> None:
        ecs = emulator.service("ecs")
        # Any object makes the emulator start a worker for each task; what it does is ours.
        ecs._docker = self
        ecs._run_task_worker = self.run

    def run(self, task: Task, definition: Task, overrides: list[Task], *where: Any) -> None:
        """Run a task from PROVISIONING to STOPPED. Called in a thread of its own."""
        _docker, account_id, region = where
        task_id = task["taskArn"].rpartition("/")[2]
        with emulator.module("core.responses").request_scope(account_id, region):
            try:
                self._run(task, task_id, definition, overrides)
            except CannotStart as reason:
                self._stopped(task, "TaskFailedToStart", str(reason))
            except Exception as error:
                logger.exception("a task could not be run")
                if task.get("startedAt"):
                    self._stopped(task, "TerminationNotice", f"{_FAILED}: {error}")
                else:
                    failed = f"ResourceInitializationError: {error}"
                    self._stopped(task, "TaskFailedToStart", failed)
            finally:
                remove_tree(self._scratch / task_id)

    def _run(self, task: Task, task_id: str, definition: Task, overrides: list[Task]) -> None:
        self.change(task, lastStatus="PENDING")
        container = _overridden(definition["containerDefinitions"][0], overrides)
        environment = _environment(container, definition["executionRoleArn"])
        stream = _log_stream(container, task_id)
        image = self._images.wanted(definition, container)
        launch = self._runtime(task_id, container, environment, image)
        process = processes.start(launch)
        with process:
            self._processes[task["taskArn"]] = process
            try:
                if task["desiredStatus"] == "STOPPED":  # it was stopped before it was started
                    processes.stop(process, 0)
                now = emulator.module("core.responses").now_iso()
                self.change(task, lastStatus="RUNNING", startedAt=now, pullStoppedAt=now)
                lost = 0
                for lines in processes.read_lines(process):
                    lost = _log(stream, lines, lost)
                exit_code = process.wait()
                _log(stream, [], lost)
            finally:
                del self._processes[task["taskArn"]]
        if self._ending:
            return  # the next start tells what became of it
        # A supervisor that was killed itself took its task with it.
        code = launch.finish(exit_code if exit_code >= 0 else 128 - exit_code)
        self._stopped(task, "EssentialContainerExited", "Essential container in task exited", code)

    def change(self, task: Task, **fields: Any) -> None:
        """Make a change known: to whoever describes the task, and to EventBridge."""
        ecs = emulator.service("ecs")
        with ecs.resource_lock("ecs-task", task["taskArn"]):
            task.update(fields)
            ecs._bump_task_version(task)
            for container in task["containers"]:
                container["lastStatus"] = task["lastStatus"]
            if fields.get("lastStatus") not in ("PENDING", "RUNNING"):
                self._try_to_remember(task)
            task_events.publish(task)
        ecs._recount_cluster(ecs._cluster_name_from_arn(task["clusterArn"]))

    def _try_to_remember(self, task: Task) -> None:
        """On a full disk the task goes on all the same; what it is at is in memory then."""
        try:
            self.remember(task)
        except OSError as error:
            logger.error("a task could not be written: %s", error)

    def can_keep(self) -> bool:
        """Whether there is room for a task, its output and its record."""
        return has_room(self._scratch)

    def remember(self, task: Task) -> None:
        self._journal.write({"task": task["taskArn"], "value": task | NOT_KEPT})

    def _stopped(
        self, task: Task, stop_code: str, reason: str, exit_code: int | None = None
    ) -> None:
        now = emulator.module("core.responses").now_iso()
        if exit_code is not None:
            task["containers"][0]["exitCode"] = exit_code
        self.change(
            task,
            lastStatus="DEPROVISIONING",
            desiredStatus="STOPPED",
            stoppingAt=task["stoppingAt"] or now,
            executionStoppedAt=now,
            # Of a task that was stopped on purpose, these say by whom and why.
            stopCode=task["stopCode"] or stop_code,
            stoppedReason=task["stoppedReason"] or reason,
        )
        self.change(task, lastStatus="STOPPED", stoppedAt=now)

    def stop(self, task: Task, reason: str) -> None:
        """Ask the task to end. It is STOPPED once its process is, and its output is all there."""
        if task["desiredStatus"] == "STOPPED":
            return
        self.change(
            task,
            desiredStatus="STOPPED",
            stoppingAt=emulator.module("core.responses").now_iso(),
            stopCode="UserInitiated",
            stoppedReason=reason,
        )
        process = self._processes.get(task["taskArn"])
        if process:
            processes.stop(process, _stop_seconds(task))

    def end_all(self, patience_seconds: float) -> None:
        """Kill what runs; the next start reports it. For the daemon's own end."""
        self._ending = True
        running = list(self._processes.values())
        for process in running:
            processes.hang_up(process)
        deadline = time.monotonic() + patience_seconds
        for process in running:
            process.wait(max(0.1, deadline - time.monotonic()))

    def end_the_lost(self) -> None:
        """After a restart: what ran when the daemon ended is over, and EventBridge hears of it."""
        for _, task in emulator.service("ecs")._tasks.all_items():
            if not task.get("stoppedAt"):
                self._stopped(task, "TerminationNotice", _LOST)
        self.forget_the_old()

    def forget_the_old(self) -> None:
        tasks = emulator.service("ecs")._tasks
        oldest = time.time() - _FORGOTTEN_AFTER_SECONDS
        for key, task in tasks.all_items():
            stopped_at = emulator.service("ecs")._ts_to_epoch(task.get("stoppedAt"))
            if stopped_at and stopped_at < oldest:
                tasks.pop_scoped(*key, None)


def _log(stream: Task | None, lines: list[str], lost: int) -> int:
    """Log these lines; lost: how many before them could not be. Returns that number as it is now.

    Output for which the disk has no room is dropped, and the log says so once it can.
    """
    if stream is None or not (lines or lost):
        return 0
    if lines and not has_room(stream["events"].path.parent):  # what is left is for the records
        return lost + len(lines)
    at = int(time.time() * 1000)
    told = [f"[mycli] the disk is full: lines missing here: {lost}"] if lost else []
    try:
        log_streams.append(stream, [{"timestamp": at, "message": line} for line in told + lines])
    except OSError:
        return lost + len(lines)
    return 0


def _overridden(container: Task, overrides: list[Task]) -> Task:
    """The container's definition with what RunTask put over it."""
    for override in (item for item in overrides if item.get("name") == container["name"]):
        replaced = {name: override[name] for name in ("command", "memory") if override.get(name)}
        environment = [*container.get("environment", []), *override.get("environment", [])]
        container = {**container, **replaced, "environment": environment}
    return container


def _environment(container: Task, execution_role_arn: str) -> dict[str, str]:
    secrets = {
        secret["name"]: _secret(secret["valueFrom"], execution_role_arn)
        for secret in container.get("secrets") or []
    }
    declared = {item["name"]: item["value"] for item in container.get("environment") or []}
    return {**secrets, **declared}


def _secret(parameter: str, execution_role_arn: str) -> str:
    """A parameter's value, if the execution role may read it. (The emulator asks no role.)"""
    failed = "ResourceInitializationError: unable to pull secrets or registry auth"
    if not permissions.role_may(execution_role_arn, "ssm:GetParameters", parameter):
        raise CannotStart(f"{failed}: the execution role may not read {parameter}")
    value = emulator.service("ssm").resolve_parameter_value(parameter, decrypt=True)
    if value is None:
        raise CannotStart(f"{failed}: there is no parameter {parameter}")
    return value


def _log_stream(container: Task, task_id: str) -> Task | None:
    configuration: Mapping[str, Any] = container.get("logConfiguration") or {}
    if configuration.get("logDriver") != "awslogs":
        return None
    options = configuration["options"]
    name = f"{options.get('awslogs-stream-prefix', 'ecs')}/{container['name']}/{task_id}"
    stream = log_streams.open_stream(options["awslogs-group"], name)
    if stream is None:
        failed = "ResourceInitializationError: failed to validate logger args"
        group = options["awslogs-group"]
        raise CannotStart(f"{failed}: the log group {group} does not exist")
    return stream


def _stop_seconds(task: Task) -> float:
    ecs = emulator.service("ecs")
    definition = ecs._task_defs.get(ecs._resolve_td_key(task["taskDefinitionArn"])) or {}
    declared = [c.get("stopTimeout") for c in definition.get("containerDefinitions", [])]
    return min(declared[0] if declared and declared[0] else 30, MAX_STOP_SECONDS)
