"""The account tier: the function's own code against moto, in process, with a clock that obeys.

moto has no clientToken, so the fixture `account` gives ECS the memory that AWS's has.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import bcrypt
import boto3
import pytest
from botocore.awsrequest import AWSResponse
from moto import mock_aws
from moto.ecs.models import ecs_backends

from orchestrator import handler
from orchestrator.settings import CLIENT_CONFIG, Runtime, Settings, quick_to_read

API_KEY = "sk_live_" + "0123456789abcdef" * 4
REQUEST_ID = "52fdfc07-2182-654f-163f-5f0f9a621d72"
REGION = "us-east-1"
ACCOUNT_ID = "123456789012"
CLUSTER_ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT_ID}:cluster/mycli-cluster"
START = 1_790_000_000  # 2026-09-21
CREDENTIALS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}


@dataclass
class Clock:
    seconds: float = START

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class Account:
    """A stack's function in an account, and what is needed to talk to it and to watch it."""

    runtime: Runtime
    clock: Clock
    calls: list[str] = field(default_factory=list)
    run_task_bodies: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, action: str, **fields: object) -> tuple[int, dict[str, Any]]:
        """One API request as a client sends it: the status and the answer's JSON."""
        answer = self.send(api_event(json.dumps({"action": action, **fields})))
        return answer["statusCode"], json.loads(answer["body"])

    def ok(self, action: str, **fields: object) -> dict[str, Any]:
        status, answer = self.ask(action, **fields)
        assert status == 200, answer
        return answer

    def start(self, **fields: object) -> str:
        """The id of a new execution without a repository."""
        return self.ok("exec", **{"command": "true", "skip_git": True, **fields})["execution_id"]

    def start_unanswered(self, **fields: object) -> str:
        """The id of an execution whose function died before RunTask answered: no task's ARN."""
        execution_id = self.start(**fields)
        self.runtime.dynamodb.update_item(
            TableName="mycli-executions",
            Key={"execution_id": {"S": execution_id}},
            UpdateExpression="SET #status = :status REMOVE task_arn",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":status": {"S": "starting"}},
        )
        return execution_id

    def task_arn(self, execution_id: str) -> str:
        return next(task["taskArn"] for task in self.tasks() if task["startedBy"] == execution_id)

    def forget_task(self, task_arn: str) -> None:
        """Take the task out of moto, as ECS does with it an hour after its end."""
        del ecs_backends[ACCOUNT_ID][REGION].tasks["mycli-cluster"][task_arn]

    def send(self, event: Mapping[str, Any]) -> dict[str, Any]:
        answer = handler.handle(self.runtime, event, REQUEST_ID)
        assert answer is not None
        return answer

    def tell(self, event: Mapping[str, Any]) -> None:
        """One event as EventBridge delivers it."""
        assert handler.handle(self.runtime, event, REQUEST_ID) is None

    def tasks(self) -> list[dict[str, Any]]:
        """Every task in the cluster, running or stopped."""
        arns = [
            arn
            for status in ("RUNNING", "STOPPED")
            for arn in self.runtime.ecs.list_tasks(cluster="mycli-cluster", desiredStatus=status)[
                "taskArns"
            ]
        ]
        if not arns:
            return []
        return self.runtime.ecs.describe_tasks(
            cluster="mycli-cluster", tasks=arns, include=["TAGS"]
        )["tasks"]

    def item(self, execution_id: str) -> dict[str, Any] | None:
        """What stands in the table under this key, as DynamoDB has it."""
        return self.runtime.dynamodb.get_item(
            TableName="mycli-executions", Key={"execution_id": {"S": execution_id}}
        ).get("Item")

    def items(self) -> list[dict[str, Any]]:
        return self.runtime.dynamodb.scan(TableName="mycli-executions")["Items"]

    def write_log(self, task_arn: str, *messages: str) -> None:
        stream = "task/executor/" + task_arn.rpartition("/")[2]
        logs = self.runtime.logs
        streams = logs.describe_log_streams(
            logGroupName="/aws/mycli/mycli", logStreamNamePrefix=stream
        )["logStreams"]
        if not streams:
            logs.create_log_stream(logGroupName="/aws/mycli/mycli", logStreamName=stream)
        now = int(time.time() * 1000)  # moto, as CloudWatch, refuses what is far from its own clock
        logs.put_log_events(
            logGroupName="/aws/mycli/mycli",
            logStreamName=stream,
            logEvents=[{"timestamp": now, "message": message} for message in messages],
        )


def api_event(body: str | None, key: str | None = API_KEY, **more: object) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"} | ({"X-API-Key": key} if key else {})
    return {
        "resource": "/execute",
        "path": "/execute",
        "httpMethod": "POST",
        "headers": headers,
        "requestContext": {"stage": "prod"},
        "body": body,
        "isBase64Encoded": False,
        **more,
    }


def task_of(execution_id: str, task_arn: str, status: str, **detail: object) -> dict[str, Any]:
    """A task as ECS describes it."""
    return {
        "clusterArn": CLUSTER_ARN,
        "taskArn": task_arn,
        "startedBy": execution_id,
        "lastStatus": status,
        "desiredStatus": "STOPPED" if status == "STOPPED" else "RUNNING",
        "capacityProviderName": "FARGATE_SPOT",
        "containers": [{"name": "executor", "lastStatus": status}],
        **detail,
    }


def task_event(execution_id: str, task_arn: str, status: str, **detail: object) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "9bcdac79-b31f-4d3d-9410-fbd727c29fab",
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": ACCOUNT_ID,
        "region": REGION,
        "resources": [task_arn],
        "detail": task_of(execution_id, task_arn, status, **detail),
    }


def new_task_arn(number: int) -> str:
    return f"arn:aws:ecs:{REGION}:{ACCOUNT_ID}:task/mycli-cluster/{number:032x}"


@pytest.fixture(scope="session")
def clients() -> dict[str, Any]:
    """Made once: most of a client's cost is reading its service's model."""
    return new_clients()


def new_clients() -> dict[str, Any]:
    return {
        name: boto3.client(name, region_name=REGION, config=CLIENT_CONFIG, **CREDENTIALS)
        for name in ("dynamodb", "ecs", "logs", "ecr", "ec2")
    }


@pytest.fixture(scope="session")
def api_key_hash() -> str:
    return bcrypt.hashpw(API_KEY.encode(), bcrypt.gensalt(4)).decode()


@pytest.fixture
def account(
    clients: dict[str, Any], api_key_hash: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Account]:
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # 2,600 of them, for every test
    with new_account(clients, api_key_hash) as account:
        yield account


@contextlib.contextmanager
def new_account(clients: Mapping[str, Any], api_key_hash: str) -> Generator[Account]:
    """The function in an account of moto's, which is there as long as this."""
    with mock_aws():
        ec2 = clients["ec2"]
        settings = Settings(
            stack="mycli",
            api_key_hash=api_key_hash,
            api_key_sha256_prefix=hashlib.sha256(API_KEY.encode()).hexdigest()[:8],
            table="mycli-executions",
            cluster="mycli-cluster",
            log_group="/aws/mycli/mycli",
            subnets=(ec2.describe_subnets()["Subnets"][0]["SubnetId"],),
            security_group=ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"],
            template=make_template(clients["ecs"]),
            default_image="ubuntu:22.04",
            log_poll_seconds=1,
        )
        clients["ecs"].create_cluster(
            clusterName="mycli-cluster",
            capacityProviders=["FARGATE", "FARGATE_SPOT"],
            defaultCapacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 1}],
        )
        clients["logs"].create_log_group(logGroupName="/aws/mycli/mycli")
        _make_table(clients["dynamodb"])
        clock = Clock()
        runtime = Runtime(
            settings=settings,
            dynamodb=clients["dynamodb"],
            ecs=clients["ecs"],
            logs=quick_to_read(clients["logs"]),
            ecr=clients["ecr"],
            now=clock.now,
            sleep=clock.sleep,
        )
        account = Account(runtime=runtime, clock=clock)
        hooks = Hooks(clients)
        hooks.watch("provide-client-params", account.calls.append)
        _remember_client_tokens(hooks, account)
        yield account
        hooks.remove()


def make_template(ecs: Any, **container: object) -> str:
    """Register the stack's template task definition (again): its ARN."""
    executor = {
        "name": "executor",
        "image": "ubuntu:22.04",
        "essential": True,
        "memory": 512,
        "entryPoint": ["/bin/sh", "-c"],
        "command": ["the script"],
        "stopTimeout": 120,
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": "/aws/mycli/mycli",
                "awslogs-region": REGION,
                "awslogs-stream-prefix": "task",
                "mode": "blocking",
            },
        },
        "environment": [{"name": "MYCLI_GIT_PROTOCOLS", "value": "https:ssh"}],
    }
    return ecs.register_task_definition(
        family="mycli-task",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="256",
        memory="512",
        runtimePlatform={"operatingSystemFamily": "LINUX", "cpuArchitecture": "X86_64"},
        executionRoleArn=f"arn:aws:iam::{ACCOUNT_ID}:role/mycli-task-execution-role",
        taskRoleArn=f"arn:aws:iam::{ACCOUNT_ID}:role/mycli-task-role",
        containerDefinitions=[{**executor, **container}],
        tags=[{"key": "mycli:stack", "value": "mycli"}],
    )["taskDefinition"]["taskDefinitionArn"]


def _make_table(dynamodb: Any) -> None:
    names = ("execution_id", "month", "task_arn", "task_definition")
    dynamodb.create_table(
        TableName="mycli-executions",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
        KeySchema=[{"AttributeName": "execution_id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-month",
                "KeySchema": [
                    {"AttributeName": "month", "KeyType": "HASH"},
                    {"AttributeName": "execution_id", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            },
            {
                "IndexName": "by-task",
                "KeySchema": [{"AttributeName": "task_arn", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            },
            {
                "IndexName": "by-task-definition",
                "KeySchema": [
                    {"AttributeName": "task_definition", "KeyType": "HASH"},
                    {"AttributeName": "execution_id", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            },
        ],
    )


def _definitions() -> dict[str, dict[int, Any]]:
    """moto's task definitions: family, revision."""
    return ecs_backends[ACCOUNT_ID][REGION].task_definitions


class Hooks:
    """botocore event hooks that are taken off again: the clients outlive the test."""

    def __init__(self, clients: Mapping[str, Any]) -> None:
        self.clients = [clients[name] for name in ("dynamodb", "ecs", "logs", "ecr")]
        self.added: list[tuple[Any, str, Callable[..., object]]] = []

    def add(self, event: str, hook: Callable[..., object]) -> None:
        for client in self.clients:
            client.meta.events.register(event, hook)
            self.added.append((client, event, hook))

    def watch(self, moment: str, note: Callable[[str], object]) -> None:
        """Call note with the name of each operation, at this moment of it."""

        def hook(model: Any, **_: object) -> None:
            note(model.name)

        self.add(moment, hook)

    def answer(self, operation: str, serve: Callable[[Any], dict[str, Any] | None]) -> None:
        """Let serve answer `ecs.RunTask`, say, from the request, or pass it on with None."""

        def hook(params: dict[str, Any], **_: object) -> tuple[AWSResponse, Any] | None:
            answer = serve(json.loads(params["body"]))
            return None if answer is None else _response(answer)

        self.add(f"before-call.{operation}", hook)

    def fail(self, operation: str, code: str, message: str = "", **fields: object) -> None:
        """Let AWS answer the next call of this operation with an error."""
        errors = [{"Error": {"Code": code, "Message": message}, **fields}]
        self.answer(operation, lambda _: errors.pop() if errors else None)

    def page_task_definitions(self, size: int) -> None:
        """List families and revisions in pages, sorted, as ECS does and moto does not."""

        def paged(body: dict[str, Any], name: str, items: list[str]) -> dict[str, Any]:
            first, count = int(body.get("nextToken", 0)), min(size, body.get("maxResults", 100))
            more = {"nextToken": str(first + count)} if first + count < len(items) else {}
            return {name: items[first : first + count], **more}

        def families(body: dict[str, Any]) -> dict[str, Any]:
            active = body.get("status", "ALL") == "ACTIVE"
            found = [
                family
                for family, revisions in _definitions().items()
                if family.startswith(body.get("familyPrefix", ""))
                and any(
                    revision.status == "ACTIVE" or not active for revision in revisions.values()
                )
            ]
            return paged(body, "families", sorted(found))

        def revisions(body: dict[str, Any]) -> dict[str, Any]:
            found = [
                revision
                for revision in _definitions().get(body["familyPrefix"], {}).values()
                if revision.status == body.get("status", "ACTIVE")
            ]
            found.sort(key=lambda item: item.revision, reverse=body.get("sort") == "DESC")
            return paged(body, "taskDefinitionArns", [revision.arn for revision in found])

        self.answer("ecs.ListTaskDefinitionFamilies", families)
        self.answer("ecs.ListTaskDefinitions", revisions)

    def remove(self) -> None:
        for client, event, hook in self.added:
            client.meta.events.unregister(event, hook)


@pytest.fixture
def hooks(account: Account, clients: dict[str, Any]) -> Iterator[Hooks]:
    hooks = Hooks(clients)
    yield hooks
    hooks.remove()


# Moments of a call, as botocore names them: before anything is sent, and when it is done.
BEFORE, AFTER = "provide-client-params", "after-call"


class Died(BaseException):
    """The process is gone: nothing in it gets to run again."""


class Fuse:
    """Lets the function die before a call to AWS, or when AWS has done it, unseen."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = hooks
        self._watched: set[str] = set()
        self._lit: tuple[str, int] | None = None

    def light(self, moment: str, number: int) -> None:
        """Die at the call of this number, from 0 on.

        moment: BEFORE or AFTER, of each call or of some: `after-call.ecs`.
        """
        if moment not in self._watched:
            self._watched.add(moment)
            self._hooks.watch(moment, lambda _: self._burn(moment))
        self._lit = moment, number

    def put_out(self) -> None:
        self._lit = None

    def _burn(self, moment: str) -> None:
        if self._lit is None or self._lit[0] != moment:
            return
        self._lit = moment, self._lit[1] - 1
        if self._lit[1] < 0:
            self.put_out()
            raise Died


@pytest.fixture
def fuse(hooks: Hooks) -> Fuse:
    return Fuse(hooks)


def _remember_client_tokens(hooks: Hooks, account: Account) -> None:
    """RunTask with a token that was used answers the first task, or a conflict: as AWS does.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html
    """
    bodies: dict[str, dict[str, Any]] = {}
    answers: dict[str, dict[str, Any]] = {}

    def before(
        params: dict[str, Any], context: dict[str, Any], **_: object
    ) -> tuple[AWSResponse, Any] | None:
        body = json.loads(params["body"])
        account.run_task_bodies.append(body)
        token = context["token"] = body["clientToken"]
        if token not in answers:
            bodies[token] = body
            return None
        if body == bodies[token]:
            return _response(answers[token])
        arns = [task["taskArn"] for task in answers[token]["tasks"]]
        error = {"Code": "ConflictException", "Message": "clientToken is in use"}
        return _response({"Error": error, "resourceIds": arns})

    def after(parsed: dict[str, Any], context: dict[str, Any], **_: object) -> None:
        if parsed.get("tasks"):
            answers.setdefault(context["token"], parsed)

    hooks.add("before-call.ecs.RunTask", before)
    hooks.add("after-call.ecs.RunTask", after)


def _response(answer: dict[str, Any]) -> tuple[AWSResponse, dict[str, Any]]:
    """What a before-call hook returns so that nothing is sent."""
    status = 400 if "Error" in answer else 200
    raw = AWSResponse("https://aws", status, {}, None)
    return raw, {**answer, "ResponseMetadata": {"HTTPStatusCode": status}}
