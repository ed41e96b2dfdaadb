"""One execution: its status, its output, its exit code, and how to stop it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from mycli.endpoint import PATIENCE_SECONDS, Endpoint, checked
from mycli.errors import ExecutionFailed
from mycli.lines import Line, Lines, Phase, in_phases
from orchestrator import wire

PAGE_LINES, PAGES = 10_000, 2  # of GetLogEvents, in an answer
# What was there before comes back: lost connections are borne for so long while following.
FOLLOWING_PATIENCE_SECONDS = 600.0
# Following asks, and waits here: a request that the function holds keeps one of its processes from
# others, and costs Lambda time. On AWS the log driver flushes about every 5 s, and a request costs
# money: with these pauses, following costs less than half of the smallest task.
PAUSES_SECONDS = (2.0, 5.0)
LOCAL_PAUSES_SECONDS = (0.05, 0.5)
# Followers leave most of a busy machine to others: each waits so many times as long as its last
# request took, but no longer than that.
COURTESY, LONGEST_COURTESY_SECONDS = 4, 2.0
# After such a page more is there already.
FLOWING_LINES, FLOWING_CHARACTERS = 100, 50_000


class Execution:
    """A handle on one execution. Making one asks nothing; each method is one request or more.

    started: what exec answered, where this handle comes from exec.
    exit_code: the command's exit code once it is known, here: from the record (`wait`), or from the
    end of the log (`logs`, `pages`), which knows it 10 to 30 s before ECS does.
    """

    def __init__(
        self, endpoint: Endpoint, name: str, started: wire.ExecResponse | None = None
    ) -> None:
        """name: the execution's short id or its task's ARN. Raises UsageError for other text."""
        self._endpoint = endpoint
        self.name = name
        self._named = {"task_arn" if name.startswith("arn:") else "execution_id": name}
        with checked(execution_id="execution", task_arn="execution"):
            wire.StatusRequest(**self._named)
        self.started = started
        self.exit_code: int | None = None
        self._id = self._named.get("execution_id")

    def __repr__(self) -> str:
        return f"Execution({self.name!r})"

    @property
    def id(self) -> str:
        """The short id; asks for the status once where only the ARN is known."""
        if self._id is None:
            self._id = self.status().execution_id
        return self._id

    @property
    def task_arn(self) -> str | None:
        """The task's ARN, asked for if need be; None while there is no task yet."""
        if self.started:
            return self.started.task_arn
        return self._named.get("task_arn") or self.status().task_arn

    def status(self) -> wire.StatusResponse:
        """The execution as it stands. Raises ExecutionNotFound and other MycliErrors."""
        return self._endpoint.send(wire.StatusRequest(**self._named), wire.StatusResponse)

    def stop(self, reason: str | None = None) -> str:
        """Ask the task to stop (TERM, 120 s later KILL); returns its status. May be repeated."""
        with checked():
            request = wire.StopRequest(**self._named, reason=reason)
        return self._endpoint.send(request, wire.StopResponse).status

    def wait(self) -> int:
        """Wait until the task has ended; returns the exit code in ECS's record.

        Raises ExecutionFailed, with the reason, where the command never came to an exit code.
        """
        pauses = self._pauses()
        while True:
            asked_at = time.monotonic()
            status = self._endpoint.send(
                wire.StatusRequest(**self._named), wire.StatusResponse, FOLLOWING_PATIENCE_SECONDS
            )
            self._id = status.execution_id
            if status.finished:
                self.exit_code = status.exit_code
                if status.exit_code is None:
                    reason = status.stopped_reason or "no reason was given"
                    raise ExecutionFailed(f"{self._id} ended without an exit code: {reason}")
                return status.exit_code
            self._rest(next(pauses), time.monotonic() - asked_at)

    def logs(self, follow: bool = True) -> Iterator[str]:
        """The lines that the command printed, and nothing else.

        follow: wait for more until the command has ended; else only what is there now.
        """
        for page in self.pages(follow):
            for lines in page:
                if lines.phase == "output":
                    yield from lines.text.split("\n")

    def events(self, follow: bool = True) -> Iterator[Line]:
        """Every line of the log, with its time and whether the command printed it."""
        for page in self.pages(follow):
            for at, text, phase in page:
                yield from (Line(at, line, phase) for line in text.split("\n"))

    def pages(self, follow: bool = True) -> Iterator[Sequence[Lines]]:
        """The same by pages, as they come: only one is ever in memory.

        A page that was lost on its way is asked for again, so no line is missing and none comes
        twice. Following ends with the end marker: where a command prints that marker itself, what
        it prints later is left out here (not in the log), and `wait` still tells the true code.
        """
        phase: Phase = "setup"
        token: str | None = None
        pauses = self._pauses()
        while True:
            asked_at = time.monotonic()
            page = self._page(token)
            took = time.monotonic() - asked_at
            lines, exit_code = list[Lines](), None
            if page.events:
                lines, phase, exit_code = in_phases(page.events, self.id, phase)
                pauses = self._pauses()
            if page.done and page.exit_code is not None:
                exit_code = page.exit_code
            if exit_code is not None:
                self.exit_code = exit_code
            # GetLogEvents repeats the token where nothing more is there for now.
            is_last = not follow and page.next_token in (None, token)
            is_last = is_last or page.done or (follow and phase == "end")
            token = page.next_token or token
            is_flowing = not follow or _is_flowing(page)
            del page  # before the lines are printed: its memory is used again
            if lines:
                yield lines
                del lines  # before the next ones come
            if is_last:
                return
            if not is_flowing:
                self._rest(next(pauses), took)

    def _page(self, token: str | None) -> wire.LogsResponse:
        request = wire.LogsRequest(
            **self._named,
            next_token=token,
            wait_seconds=0,
            limit=PAGE_LINES,
            pages=PAGES,
            as_text=False,
            grouped=True,
        )
        is_there = token is not None or self.started is not None
        patience = FOLLOWING_PATIENCE_SECONDS if is_there else PATIENCE_SECONDS
        return self._endpoint.send(request, wire.LogsResponse, patience)

    def _rest(self, pause: float, took: float) -> None:
        self._endpoint.sleep(max(pause, min(COURTESY * took, LONGEST_COURTESY_SECONDS)))

    def _pauses(self) -> Iterator[float]:
        """Seconds to wait before asking again: longer each time that there is nothing new."""
        here = self._endpoint.profile.is_loopback
        pause, longest = LOCAL_PAUSES_SECONDS if here else PAUSES_SECONDS
        while True:
            yield pause
            pause = min(pause * 1.5, longest)


def _is_flowing(page: wire.LogsResponse) -> bool:
    lines = sum(event.lines.count("\n") + 1 for event in page.events)
    characters = sum(len(event.lines) for event in page.events)
    return lines >= FLOWING_LINES or characters >= FLOWING_CHARACTERS
