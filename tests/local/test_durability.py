"""A killed daemon loses nothing that it has answered."""

from __future__ import annotations

import os
import resource
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from mycli.local import account
from mycli.local.log_streams import PAGE_BYTES, EventFile, Streams
from mycli.local.saved_state import Journal, append_whole
from mycli.local.sealing import Seal
from tests.local.conftest import CLUSTER, LOG_GROUP, Running, new_account, prepare, until


@pytest.fixture
def own(ended: None) -> Running:
    """An account of this test's own, to be killed."""
    return prepare(new_account())


def kill_and_start(own: Running) -> None:
    pid = account.status()["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: not account.is_running(own.place))
    account.start(own.account)


def item(key: str, value: str = "") -> dict[str, Any]:
    return {"id": {"S": key}, "value": {"S": value}}


def make_table(own: Running) -> Any:
    dynamodb = own.clients("dynamodb")
    dynamodb.create_table(
        TableName="table",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "value", "AttributeType": "S"},
        ],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-value",
                "KeySchema": [{"AttributeName": "value", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    return dynamodb


def items(dynamodb: Any) -> dict[str, str]:
    found = dynamodb.scan(TableName="table")["Items"]
    return {row["id"]["S"]: row["value"]["S"] for row in found}


def test_items_survive_a_kill(own: Running) -> None:
    dynamodb = make_table(own)
    dynamodb.put_item(TableName="table", Item=item("kept", "old"))
    dynamodb.put_item(TableName="table", Item=item("gone", "x"))
    dynamodb.update_item(
        TableName="table",
        Key={"id": {"S": "kept"}},
        UpdateExpression="SET #v = :v",
        ExpressionAttributeNames={"#v": "value"},
        ExpressionAttributeValues={":v": {"S": "new"}},
    )
    dynamodb.delete_item(TableName="table", Key={"id": {"S": "gone"}})
    put = {"Put": {"TableName": "table", "Item": item("by transaction", "new")}}
    dynamodb.transact_write_items(TransactItems=[put])
    kill_and_start(own)
    assert items(dynamodb) == {"kept": "new", "by transaction": "new"}
    found = dynamodb.query(
        TableName="table",
        IndexName="by-value",
        KeyConditionExpression="#v = :v",
        ExpressionAttributeNames={"#v": "value"},
        ExpressionAttributeValues={":v": {"S": "new"}},
    )
    assert found["Count"] == 2


def test_what_survived_survives_again(own: Running) -> None:
    dynamodb = make_table(own)
    for number in range(3):
        dynamodb.put_item(TableName="table", Item=item(str(number), "x"))
        kill_and_start(own)
    assert items(dynamodb) == {"0": "x", "1": "x", "2": "x"}


def test_a_table_made_anew_is_empty_also_after_a_kill(own: Running) -> None:
    dynamodb = make_table(own)
    dynamodb.put_item(TableName="table", Item=item("of the first", "x"))
    dynamodb.delete_table(TableName="table")
    make_table(own)
    kill_and_start(own)
    assert items(dynamodb) == {}


def test_resources_survive_a_kill(own: Running) -> None:
    definition = own.define("true", family="kept")
    own.clients("ssm").put_parameter(Name="/kept", Type="SecureString", Value="secret")
    kill_and_start(own)
    assert own.clients("ecs").describe_clusters(clusters=[CLUSTER])["clusters"]
    found = own.clients("ecs").describe_task_definition(taskDefinition="kept")["taskDefinition"]
    assert found["taskDefinitionArn"] == definition
    assert own.clients("iam").get_role(RoleName="execution")
    answer = own.clients("ssm").get_parameter(Name="/kept", WithDecryption=True)
    assert answer["Parameter"]["Value"] == "secret"


def test_a_finished_task_and_its_log_survive_a_kill(own: Running) -> None:
    arn = own.run("seq 1000; exit 7")["taskArn"]
    kill_and_start(own)
    task = own.describe(arn)
    assert (task["lastStatus"], task["containers"][0]["exitCode"]) == ("STOPPED", 7)
    assert own.output(arn) == [str(number) for number in range(1, 1001)]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_running_task_ends_with_the_daemon_and_is_told_as_stopped(
    own: Running, number: signal.Signals
) -> None:
    arn = own.start("echo $$; sleep 300 & echo $!; wait")
    until(lambda: own.describe(arn)["lastStatus"] == "RUNNING")
    until(lambda: len(own.output(arn)) == 2)
    pids = [int(line) for line in own.output(arn)]
    os.kill(account.status()["pid"], number)
    until(lambda: not account.is_running(own.place))
    until(lambda: not any(map(alive, pids)))
    account.start(own.account)
    task = own.describe(arn)
    assert (task["lastStatus"], task["desiredStatus"]) == ("STOPPED", "STOPPED")
    assert "exitCode" not in task["containers"][0]
    assert "the task was running" in task["stoppedReason"]
    assert own.output(arn) == [str(pid) for pid in pids]
    assert not any(own.place.tasks.iterdir())


def test_a_state_that_cannot_be_written_loses_nothing(own: Running) -> None:
    arn = own.run("exit 7")["taskArn"]
    dynamodb = make_table(own)
    dynamodb.put_item(TableName="table", Item=item("kept", "x"))
    written = own.place.state / "ecs.sealed"
    content = written.read_bytes()
    written.unlink()
    written.mkdir()  # as a full disk does, it keeps a file from being replaced
    assert account.stop()
    written.rmdir()
    written.write_bytes(content)
    account.start(own.account)
    assert items(dynamodb) == {"kept": "x"}
    assert own.describe(arn)["containers"][0]["exitCode"] == 7


def test_values_of_variables_are_in_no_file(own: Running) -> None:
    variable = {"name": "SETTING", "value": "a-canary-value"}
    overrides = {"containerOverrides": [{"name": "executor", "environment": [variable]}]}
    arn = own.start('test "${#SETTING}" -eq 14', overrides=overrides)
    assert own.stopped(arn)["containers"][0]["exitCode"] == 0
    assert files_with(own.place.folder, b"a-canary-value") == []
    account.stop()
    assert files_with(own.place.folder, b"a-canary-value") == []


def files_with(folder: Path, text: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]


def test_a_file_gets_a_line_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert append_whole(path, b"first\n") == 6
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))  # a file may have 10 bytes now
    try:
        with pytest.raises(OSError, match="file"):
            append_whole(path, b"second\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"first\n"


def test_a_client_token_is_remembered_over_a_kill(own: Running) -> None:
    ecs = own.clients("ecs")
    request = {"cluster": CLUSTER, "taskDefinition": own.define("true"), "clientToken": "token"}
    arn = ecs.run_task(**request)["tasks"][0]["taskArn"]
    own.stopped(arn)
    kill_and_start(own)
    assert ecs.run_task(**request)["tasks"][0]["taskArn"] == arn


def test_a_deleted_log_group_stays_deleted(own: Running) -> None:
    own.run("echo secret")
    own.clients("logs").delete_log_group(logGroupName=LOG_GROUP)
    kill_and_start(own)
    assert own.clients("logs").describe_log_groups()["logGroups"] == []
    own.clients("logs").create_log_group(logGroupName=LOG_GROUP)
    assert own.clients("logs").describe_log_streams(logGroupName=LOG_GROUP)["logStreams"] == []


def test_a_journal_that_has_grown_long_asks_once_to_begin_anew(tmp_path: Path) -> None:
    journal, asked = Journal(tmp_path, Seal("secret"), max_bytes=500), list[int]()
    journal.on_too_long = lambda: asked.append(1)
    for number in range(20):
        journal.write({"item": [str(number)], "value": None})
    until(lambda: asked == [1])
    assert len(journal.read()) == 20
    journal.begin_anew()
    assert journal.read() == []
    journal.write({"item": ["x" * 500], "value": None})
    until(lambda: asked == [1, 1])


def test_an_entry_that_a_kill_cut_short_is_left_out(tmp_path: Path) -> None:
    whole = {"item": ["whole"], "value": {"binary": b"\xff"}}
    journal = Journal(tmp_path, Seal("secret"))
    journal.write(whole)
    with (tmp_path / "journal.sealed").open("ab") as file:
        file.write(b"gAAAAcut")
    assert Journal(tmp_path, Seal("secret")).read() == [whole]
    journal.write(whole)  # and does not join what was cut short
    assert Journal(tmp_path, Seal("secret")).read() == [whole, whole]


# --- The files of log streams ---------------------------------------------------------------------


def events(*messages: str) -> list[dict[str, Any]]:
    return [{"timestamp": 1_000 + i, "message": text} for i, text in enumerate(messages)]


def test_a_stream_is_read_back_from_its_file(tmp_path: Path) -> None:
    written = EventFile(tmp_path / "stream")
    written.extend(events("one", "two\nlines", "\x00\x7f é \u2028", ""))
    written.extend(events("last"))
    for stream in (written, EventFile(tmp_path / "stream")):
        assert len(stream) == 5
        assert [event["message"] for event in stream[1:4]] == [
            "two\nlines",
            "\x00\x7f é \u2028",
            "",
        ]
        assert stream[-1]["message"] == "last"
        assert stream[3:3] == []
    with pytest.raises(IndexError):
        written[5]


def test_a_reader_never_sees_half_of_what_is_written(tmp_path: Path) -> None:
    for number in range(50):
        stream = EventFile(tmp_path / str(number))
        seen: list[str] = []
        events = [{"timestamp": 1, "message": str(line)} for line in range(200)]

        def read(stream: EventFile = stream, seen: list[str] = seen) -> None:
            while len(seen) < 200:
                last = stream.page_end(len(seen), 10_000)
                seen += [event["message"] for event in stream[len(seen) : last]]

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        for event in events:
            stream.extend([event])
        reader.join(10)
        assert seen == [event["message"] for event in events]


def test_a_line_that_a_kill_cut_short_is_dropped(tmp_path: Path) -> None:
    file = tmp_path / "stream"
    EventFile(file).extend(events("whole", "also"))
    file.write_bytes(file.read_bytes() + b'[1002, "cut')
    after = EventFile(file)
    assert [event["message"] for event in after[:]] == ["whole", "also"]
    after.extend(events("next"))
    assert [event["message"] for event in EventFile(file)[:]] == ["whole", "also", "next"]


SECOND = b'{"timestamp":1001,"message":"second","ingestionTime":1001}'


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"\0\r\xff",
        b"[1001]",
        SECOND.replace(b"second", b'sec"ond'),
        SECOND.replace(b"second", b"sec\\ond"),
        SECOND.replace(b"second", b"second\\"),
        SECOND.replace(b"second", b"sec\0ond"),
        SECOND.replace(b"second", b"\xff"),
        SECOND[1:],
        SECOND[:-1],
        SECOND + b",",
    ],
)
def test_a_damaged_line_hides_no_other_one(tmp_path: Path, damaged: bytes) -> None:
    file = tmp_path / "stream"
    EventFile(file).extend(events("first", "second", "third"))
    first, second, third = file.read_bytes().splitlines()
    assert second == SECOND
    file.write_bytes(b"\n".join([first, damaged, third, b""]))
    told = [event["message"] for event in EventFile(file)[:]]
    assert told == ["first", "[mycli] this line of the log is damaged", "third"]
    assert [event["message"] for event in EventFile(file)[2:]] == ["third"]


def test_what_was_printed_is_damaged_by_nothing(tmp_path: Path) -> None:
    file = tmp_path / "stream"
    printed = [chr(code) for code in [*range(0x500), 0x2028, 0xFFFF, 0x1F600]]
    EventFile(file).extend(events(*printed, *[text * 2 for text in printed]))
    assert [event["message"] for event in EventFile(file)[: len(printed)]] == printed


def test_a_page_has_a_megabyte_at_most(tmp_path: Path) -> None:
    stream = EventFile(tmp_path / "stream")
    stream.extend(events(*["x" * (PAGE_BYTES // 4)] * 6, "y" * (PAGE_BYTES * 2), "z"))
    assert stream.page_end(0, 10_000) == 4  # of messages: they are what is counted
    assert stream.page_end(0, 2) == 2
    assert stream.page_end(6, 10_000) == 7  # too long for a page, so a page of its own
    assert stream.page_end(8, 10_000) == 8


def test_names_of_streams_are_names_of_files(tmp_path: Path) -> None:
    streams = Streams(tmp_path)
    for name in ("task/executor/1", "..", "2026/01/01/[$LATEST]x", "ü"):
        streams[name] = {"events": []}
        streams[name]["events"].extend(events(name))
    found = Streams(tmp_path)
    assert {name: stream["events"][0]["message"] for name, stream in found.items()} == {
        name: name for name in streams
    }
    del found[".."]
    assert ".." not in Streams(tmp_path)
    assert tmp_path.is_dir()


def test_pages_follow_each_other(running: Running) -> None:
    logs = running.clients("logs")
    where = {"logGroupName": LOG_GROUP, "logStreamName": "pages"}
    logs.create_log_stream(**where)
    lines = [{"timestamp": 1_700_000_000_000, "message": str(number)} for number in range(25)]
    logs.put_log_events(**where, logEvents=lines)
    page = logs.get_log_events(**where, startFromHead=True, limit=10)
    seen: list[str] = []
    while page["events"]:
        seen += [event["message"] for event in page["events"]]
        page = logs.get_log_events(**where, nextToken=page["nextForwardToken"], limit=10)
    assert seen == [str(number) for number in range(25)]
    end = page["nextForwardToken"]
    assert logs.get_log_events(**where, nextToken=end)["nextForwardToken"] == end
    logs.put_log_events(**where, logEvents=[{"timestamp": 1_700_000_000_000, "message": "more"}])
    [more] = logs.get_log_events(**where, nextToken=end)["events"]
    assert more["message"] == "more"
    last = logs.get_log_events(**where, limit=2)["events"]
    assert [event["message"] for event in last] == ["24", "more"]


@pytest.mark.parametrize("token", ["nonsense", "f/x", "x/1"])
def test_a_token_that_is_none_is_refused(running: Running, token: str) -> None:
    logs = running.clients("logs")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        logs.get_log_events(logGroupName=LOG_GROUP, logStreamName="no-such-stream")
    running.run("true")
    [stream, *_] = logs.describe_log_streams(logGroupName=LOG_GROUP)["logStreams"]
    with pytest.raises(ClientError, match="nextToken is invalid"):
        logs.get_log_events(
            logGroupName=LOG_GROUP, logStreamName=stream["logStreamName"], nextToken=token
        )
