"""CloudWatch Logs on this machine: each stream is a file of events as AWS answers them.

The emulator keeps every event in memory and writes nothing before a clean shutdown. Here an event
is on disk once it can be read, a kill of the daemon loses none, and a stream of 200,000 lines costs
a few bytes of memory each. A log group is a folder, its streams are the files in it.
"""

from __future__ import annotations

import array
import bisect
import contextlib
import json
import logging
import re
import shutil
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from mycli.local import emulator, log_pages
from mycli.local.log_pages import PAGE_BYTES, Event
from mycli.local.saved_state import append_whole

logger = logging.getLogger("mycli")


class EventFile:
    """The events of one stream, as the list that the emulator takes them for.

    In memory are only the places where a line ends and the next one starts: event n stands between
    the places n and n + 1. So one append makes an event known, whole. Appending is for one thread
    at a time (the emulator holds its lock), reading for any number.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places: array.array[int] | None = None
        self._damaged: set[int] = set()
        self._indexing = threading.Lock()

    def _index(self) -> array.array[int]:
        with self._indexing:  # the first to ask makes it: writer and reader may meet here
            if self._places is None:
                self._places, self._damaged = _look_through(self.path)
            return self._places

    def __len__(self) -> int:
        return len(self._index()) - 1

    def __getitem__(self, at: int | slice) -> Any:
        if isinstance(at, slice):
            first, last, _ = at.indices(len(self))
            return self._read(first, last)
        first = at + len(self) if at < 0 else at
        if not 0 <= first < len(self):
            raise IndexError(at)
        return self._read(first, first + 1)[0]

    def _read(self, first: int, last: int) -> list[Event]:
        events: list[Event] = json.loads(b"[" + self.documents(first, last) + b"]")
        return [{**event, "eventId": f"{number:020}"} for number, event in enumerate(events, first)]

    def documents(self, first: int, last: int) -> bytes:
        """These events as JSON, with commas between them: as they stand in the file."""
        if first >= last:
            return b""
        places = self._index()
        with self.path.open("rb") as file:
            file.seek(places[first])
            content = file.read(places[last] - places[first] - 1)
        damaged = [number - first for number in self._damaged if first <= number < last]
        if not damaged:
            return content.replace(b"\n", b",")
        lines = content.split(b"\n")
        for number in damaged:
            lines[number] = _DAMAGED
        return b",".join(lines)

    def page_end(self, first: int, limit: int) -> int:
        """Where a page of at most this many events, and 1 MB, ends. A long event stands alone."""
        places = self._index()
        most = min(len(places) - 1, first + limit)
        largest = places[first] + PAGE_BYTES

        def messages_end(number: int) -> int:
            return places[number] - (number - first) * _AROUND_MESSAGE

        ends = range(first, most + 1)
        fitting = first + bisect.bisect_right(ends, largest, key=messages_end) - 1
        return max(fitting, min(first + 1, most))

    def extend(self, events: Iterable[Event]) -> None:
        places = self._index()
        lines = [_line(event["timestamp"], event["message"]) for event in events]
        append_whole(self.path, b"".join(lines))
        for line in lines:
            places.append(places[-1] + len(line))

    def __deepcopy__(self, _memo: Any) -> list[Event]:
        return []  # in the emulator's snapshots: the file is the record


def _look_through(path: Path) -> tuple[array.array[int], set[int]]:
    """Where the lines of a file end, after 0, and the numbers of those that are no event.

    A last line that a kill cut short is taken off.
    """
    places, damaged = array.array("Q", [0]), set[int]()
    with contextlib.suppress(FileNotFoundError), path.open("rb+") as file:
        for number, line in enumerate(file):
            if not line.endswith(b"\n"):
                file.truncate(places[-1])
                break
            if not _is_event(line):
                damaged.add(number)
            places.append(places[-1] + len(line))
    return places, damaged


_quoted = json.JSONEncoder(ensure_ascii=False).encode


def _line(milliseconds: int, message: str) -> bytes:
    at = f"{milliseconds}"
    event = f'{{"timestamp":{at},"message":{_quoted(message)},"ingestionTime":{at}}}\n'
    return event.encode(errors="replace")


_TEXT = rb'"(?:[^"\\\x00-\x1f]++|\\["\\/bfnrtu])*+"'
_EVENT = re.compile(rb'\{"timestamp":\d+,"message":' + _TEXT + rb',"ingestionTime":\d+\}\n')
_AROUND_MESSAGE = len(_line(10**12, ""))
_DAMAGED = _line(0, "[mycli] this line of the log is damaged").removesuffix(b"\n")


def _is_event(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return bool(_EVENT.fullmatch(line))


class Streams(dict[str, Event]):
    """The streams of one log group by name, as the dict that the emulator takes them for."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in folder.iterdir():
            changed = int(path.stat().st_mtime * 1000)
            super().__setitem__(unquote(path.name), _stream(EventFile(path), changed))

    def __setitem__(self, name: str, stream: Event) -> None:
        stream["events"] = EventFile(self._folder / _file_name(name))
        super().__setitem__(name, stream)

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        (self._folder / _file_name(name)).unlink(missing_ok=True)

    def __deepcopy__(self, _memo: Any) -> Event:
        return {}  # in the emulator's snapshots: the folder is the record


def _file_name(name: str) -> str:
    return quote(name, safe="").replace(".", "%2E")  # `..` is a name, and no way up


def _stream(events: EventFile, milliseconds: int) -> Event:
    return {
        "events": events,
        "uploadSequenceToken": "1",
        "creationTime": milliseconds,
        "firstEventTimestamp": milliseconds,
        "lastEventTimestamp": milliseconds,
        "lastIngestionTime": milliseconds,
    }


def mend(folder: Path) -> None:
    logs = emulator.service("cloudwatch_logs")
    create_group, delete_group, restore = (
        logs._create_log_group,
        logs._delete_log_group,
        logs.load_persisted_state,
    )

    def create_log_group(data: Event) -> Any:
        answer = create_group(data)
        if answer[0] == 200:
            name = data["logGroupName"]
            streams = Streams(_folder(folder, logs.get_region(), name))
            logs._log_groups[name]["streams"] = streams
        return answer

    def delete_log_group(data: Event) -> Any:
        answer = delete_group(data)
        if answer[0] == 200:
            place = _folder(folder, logs.get_region(), data["logGroupName"])
            shutil.rmtree(place, ignore_errors=True)
        return answer

    def load_persisted_state(data: Any) -> None:
        restore(data)
        for (_, region, name), group in logs._log_groups.all_items():
            group["streams"] = Streams(_folder(folder, region, name))
            _forget_the_old(group)

    logs._create_log_group = create_log_group
    logs._delete_log_group = delete_log_group
    logs.load_persisted_state = load_persisted_state
    logs._append_log_events = append
    logs._get_log_events = log_pages.get_log_events
    logs._filter_log_events = log_pages.filter_log_events
    emulator.service("lambda_svc")._emit_lambda_logs = _log_invocation


def _folder(root: Path, region: str, group_name: str) -> Path:
    return root / region / _file_name(group_name)


def _forget_the_old(group: Event) -> None:
    days = group.get("retentionInDays")
    if days:
        oldest = (time.time() - days * 86_400) * 1000
        for name in [n for n, s in group["streams"].items() if s["lastEventTimestamp"] < oldest]:
            del group["streams"][name]


def append(stream: Event, events: list[Event]) -> None:
    """Put events (timestamp, message) at a stream's end: readable, and on disk, on return.

    A timestamp behind the stream's last one is moved up to it: a stream is in order of arrival.
    """
    if not events:
        return
    with emulator.service("cloudwatch_logs")._log_events_lock:
        latest = stream["lastEventTimestamp"] or 0
        for event in events:
            latest = event["timestamp"] = max(latest, event["timestamp"])
        stream["events"].extend(events)
        stream["firstEventTimestamp"] = stream["firstEventTimestamp"] or events[0]["timestamp"]
        stream["lastEventTimestamp"] = stream["lastIngestionTime"] = latest


def open_stream(group_name: str, stream_name: str) -> Event | None:
    """The stream, made if it is not there; None where there is no such group."""
    logs = emulator.service("cloudwatch_logs")
    logs._create_log_stream({"logGroupName": group_name, "logStreamName": stream_name})
    group = logs._log_groups.get(group_name)
    return group["streams"].get(stream_name) if group else None


def _log_invocation(
    function: Event, request_id: str, output: str, error: bool, duration_ms: int, **_rest: Any
) -> None:
    """What a function printed, in one stream a day; nothing where it printed nothing.

    The emulator makes a stream for each invocation, and polling for logs is one invocation after
    the other. It also makes the log group where destroy has just taken it away.
    """
    if not output and not error:
        return
    name = function["config"]["FunctionName"]
    group = (function["config"].get("LoggingConfig") or {}).get("LogGroup")
    stream = open_stream(group or f"/aws/lambda/{name}", time.strftime("%Y/%m/%d/[$LATEST]local"))
    if stream is None:
        return
    now = int(time.time() * 1000)
    end = f"END RequestId: {request_id} Duration: {duration_ms} ms"
    lines = [f"START RequestId: {request_id}", *output.splitlines(), end]
    try:
        append(stream, [{"timestamp": now, "message": line} for line in lines])
    except OSError as full:  # what was asked of the function is done all the same
        logger.error("the function's log could not be written: %s", full)
