"""The actions on executions: exec, status, stop, list."""

from __future__ import annotations

import hashlib
import hmac
import json

from orchestrator import healing, images, records, refusals, task_definitions, tasks
from orchestrator.costs import estimate_usd
from orchestrator.observations import lost
from orchestrator.records import Record
from orchestrator.settings import Runtime, log
from orchestrator.times import seconds_of
from orchestrator.wire import (
    ExecRequest,
    ExecResponse,
    ExecutionRequest,
    StatusRequest,
    StatusResponse,
    StopRequest,
    StopResponse,
    WireError,
    invalid,
    repo_protocol,
)


def start(runtime: Runtime, request: ExecRequest) -> ExecResponse:
    """Start an execution, or answer the one that an earlier request with this request_id started.

    Three calls to AWS where the image's revision is remembered: the record is written, the task is
    started, its ARN is noted; one more where the image could be a name. A request that is repeated
    goes on from where the first one ended, with the same token and revision, so that ECS starts one
    task, ever.
    """
    wanted = images.resolve(runtime, request)
    # Too large: refused before anything is written.
    tasks.overrides(request, "0" * 12, wanted.image, wanted.size)
    _check_protocol(runtime, request)
    revision = task_definitions.find(
        runtime,
        wanted.image,
        with_repo=not request.skip_git,
        arch=wanted.arch,
        shell=wanted.shell,
    )
    cpu, memory = wanted.size or (revision.cpu, revision.memory)
    fields = {
        "command": request.command,
        "image": wanted.image,
        "image_name": wanted.name,
        "shell": wanted.shell,
        "repo": None if request.skip_git else request.repo,
        "branch": None if request.skip_git else request.branch,
        "workdir": request.workdir,
        "timeout_seconds": request.timeout_seconds,
        "env_names": " ".join(sorted(request.env)) or None,
        "cpu": cpu,
        "memory": memory,
        "sized": bool(wanted.size),
        "architecture": revision.architecture,
        "task_definition": revision.arn,
        "task_definition_cached": revision.cached,
        "task_definition_reason": revision.reason,
    }
    digest = _digest(runtime, request)
    record, earlier = records.create(runtime, fields, request.request_id, digest)
    if record is None:
        if not hmac.compare_digest(str(earlier["digest"]), digest):
            raise WireError(
                409,
                "this request_id was used for another request",
                "send each new request with a request_id of its own",
            )
        return _repeat(runtime, request, str(earlier["started"]))
    return _launch(runtime, request, record)


def _check_protocol(runtime: Runtime, request: ExecRequest) -> None:
    """Raise a WireError (400) for an address that no task of this stack would clone."""
    if request.skip_git or request.repo is None:
        return
    protocol, allowed = repo_protocol(request.repo), task_definitions.git_protocols(runtime)
    if protocol not in allowed:
        wrong = f"tasks of this stack do not clone over {protocol}"
        raise invalid("repo", wrong, "an address over " + " or ".join(allowed))


def _digest(runtime: Runtime, request: ExecRequest) -> str:
    """Tells two bodies apart; keyed, so that no value can be guessed from the table."""
    body = {name: value for name, value in request.to_json().items() if name != "request_id"}
    canonical = json.dumps(body, sort_keys=True).encode()
    key = runtime.settings.api_key_hash.encode()
    return hmac.new(key, canonical, hashlib.sha256).hexdigest()


def _repeat(runtime: Runtime, request: ExecRequest, execution_id: str) -> ExecResponse:
    record = records.read(runtime, execution_id)
    if record and not record.task_arn and healing.is_overdue(runtime, record):
        [record] = healing.heal(runtime, [record])
    if record and record.task_arn:
        return _to_exec_response(record, record.task_arn, record.status)
    if record is None or record.finished:
        reason = (record and record.stopped_reason) or "it was too long ago"
        raise WireError(
            409,
            f"execution {execution_id} of this request_id cannot be finished: {reason}",
            "send a new request, with a request_id of its own",
        )
    return _launch(runtime, request, record)


def _launch(runtime: Runtime, request: ExecRequest, record: Record) -> ExecResponse:
    try:
        task, record = _run(runtime, request, record)
    except WireError as refusal:
        if refusal.status != 429:  # that may work when the same request comes again
            ending = lost(f"never started: {refusal.error}", None, runtime.now())
            current = records.advance(runtime, record.execution_id, ending)
            if current and current.task_arn:  # the same request, sent twice, has started it
                return _to_exec_response(current, current.task_arn, current.status)
        raise
    task_arn = str(task["taskArn"])
    try:
        current = healing.take(runtime, record.execution_id, task)
    except refusals.AWS_ERRORS as error:
        # The task runs: its events, or the next look at it, bring the record up to date.
        log(message=f"could not note the task: {type(error).__name__}", id=record.execution_id)
    else:
        if current and current.finished and current.task_arn != task_arn:
            reason = current.stopped_reason
            raise WireError(409, f"execution {record.execution_id} ended meanwhile: {reason}")
    return _to_exec_response(record, task_arn, "starting")


def _run(
    runtime: Runtime, request: ExecRequest, record: Record
) -> tuple[dict[str, object], Record]:
    """Run the record's revision; where that is gone, look the image up again, once."""
    try:
        return tasks.run(runtime, request, record), record
    except tasks.MissingRevision:
        task_definitions.forget(runtime, record.task_definition)
        revision = task_definitions.find(
            runtime,
            record.image,
            with_repo=not request.skip_git,
            arch=record.architecture.lower(),
            shell=record.shell,
        )
        chosen = records.choose_revision(
            runtime, record.execution_id, revision.arn, revision.reason
        )
        record = chosen or record
        return tasks.run(runtime, request, record), record


def _to_exec_response(record: Record, task_arn: str, status: str) -> ExecResponse:
    return ExecResponse(
        execution_id=record.execution_id,
        task_arn=task_arn,
        status=status,
        log_stream=tasks.log_stream(task_arn),
        created_at=record.created_at,
        image=record.image,
        image_name=record.image_name,
        task_definition=record.task_definition,
        task_definition_cached=record.task_definition_cached,
        task_definition_reason=record.task_definition_reason,
    )


def find(runtime: Runtime, request: ExecutionRequest) -> Record:
    """The execution that a request names, as its record stands. Raises WireError (404)."""
    record = (
        records.read(runtime, request.execution_id)
        if request.execution_id
        else _find_by_task(runtime, request.task_arn or "")
    )
    if record is None:
        raise WireError(
            404,
            f"there is no execution {request.execution_id or request.task_arn}",
            "executions are kept for 90 days; `list` shows them",
        )
    return record


def _find_by_task(runtime: Runtime, task_arn: str) -> Record | None:
    if f":task/{runtime.settings.cluster}/" not in task_arn:
        return None
    if record := records.read_by_task(runtime, task_arn):
        return record
    # The index may not have it yet. By id, because ECS refuses an ARN of another account.
    task = tasks.describe(runtime, [tasks.task_id(task_arn)]).get(task_arn, {})
    execution_id = task.get("startedBy")
    return records.read(runtime, execution_id) if execution_id else None


def status(runtime: Runtime, request: StatusRequest) -> StatusResponse:
    [record] = healing.heal(runtime, [find(runtime, request)])
    return to_status_response(runtime, record)


def to_status_response(runtime: Runtime, record: Record) -> StatusResponse:
    return StatusResponse(
        execution_id=record.execution_id,
        status=record.status,
        created_at=record.created_at,
        desired_status=record.desired_status or "RUNNING",
        task_arn=record.task_arn,
        started_at=record.started_at,
        stopped_at=record.stopped_at,
        exit_code=record.exit_code,
        stopped_reason=record.stopped_reason,
        image=record.image,
        image_name=record.image_name,
        cpu=record.cpu,
        memory=record.memory,
        arch=record.architecture.lower(),
        repo=record.repo,
        branch=record.branch,
        command=record.command,
        workdir=record.workdir,
        timeout_seconds=record.timeout_seconds,
        env_names=tuple((record.env_names or "").split()),
        task_definition=record.task_definition,
        cost_usd=_cost(runtime, record),
    )


def _cost(runtime: Runtime, record: Record) -> float | None:
    """None where it never ran, or where nobody knows for how long."""
    if record.started_at is None or (record.finished and record.stopped_at is None):
        return None
    end = seconds_of(record.stopped_at) if record.stopped_at else runtime.now()
    return estimate_usd(
        cpu=record.cpu,
        memory=record.memory,
        architecture=record.architecture,
        capacity_provider=record.capacity_provider,
        seconds=end - seconds_of(record.started_at),
    )


def stop(runtime: Runtime, request: StopRequest) -> StopResponse:
    """Ask ECS to stop the task (TERM, and KILL 120 s later). Safe to repeat."""
    reason = request.reason or "stopped by the user"
    record = find(runtime, request)
    if not record.finished and record.task_arn is None:
        [record] = healing.heal(runtime, [record], even_fresh=True)
    if record.finished:
        return StopResponse(status=record.status)
    if record.task_arn is None:
        # Its task may start at this moment: whoever notes that finds the record over and stops it.
        ending = lost(f"{reason}, before its task started", None, runtime.now())
        stopped = records.advance(runtime, record.execution_id, ending)
        if stopped is None or stopped.finished:
            return StopResponse(status="STOPPED")
        record = stopped
    task = tasks.stop(runtime, record.task_arn or "", reason)
    if task is None:
        [record] = healing.heal(runtime, [record])
        if not record.finished:
            raise refusals.passing("ECS does not know the task of this execution yet, or any more")
    else:
        record = healing.take(runtime, record.execution_id, task) or record
    return StopResponse(status="STOPPED" if record.finished else "STOPPING")
