"""What an account is asked, as IAM judges it: each action on each resource, with its conditions.

Read off the requests themselves, so it sees the engine, our provider and mycli alike.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

import botocore.session
from moto.ec2.models import ec2_backends

from tests.engine.moto_server import REGION, MotoServer

_SCOPE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/aws4_request")
_STACK_TAG = "mycli:stack"

# EC2's resources by the start of their ids.
_NETWORK = {
    "vpc": "vpc",
    "subnet": "subnet",
    "igw": "internet-gateway",
    "rtb": "route-table",
    "sg": "security-group",
}
# What ECS is asked for without a resource.
_ON_NO_RESOURCE = (
    "DeregisterTaskDefinition",
    "DescribeTaskDefinition",
    "ListTaskDefinitionFamilies",
    "ListTaskDefinitions",
)
# What IAM calls that which S3 is asked of a bucket, by method and the query's first word.
_OF_A_BUCKET = {
    "DELETE ": "DeleteBucket",
    "GET list-type": "ListBucket",
    "GET versions": "ListBucketVersions",
    "HEAD ": "ListBucket",
    "PUT ": "CreateBucket",
    "PUT encryption": "PutEncryptionConfiguration",
    "PUT policy": "PutBucketPolicy",
    "PUT publicAccessBlock": "PutBucketPublicAccessBlock",
    "PUT tagging": "PutBucketTagging",
    "PUT versioning": "PutBucketVersioning",
}
_OF_AN_OBJECT = {
    "DELETE": "DeleteObject",
    "GET": "GetObject",
    "HEAD": "GetObject",
    "PUT": "PutObject",
}


@dataclass(frozen=True)
class Asked:
    """One thing that IAM must allow. context: the condition keys that the request has."""

    action: str
    resource: str
    context: Mapping[str, str]


@dataclass(frozen=True)
class Request:
    account: str
    service: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{REGION}:{self.account}:{resource}"

    def role(self, name: str) -> str:
        return f"arn:aws:iam::{self.account}:role/{name}"


Refuse = Callable[[Asked], tuple[str, str] | None]
"""Whether it is refused: with which code, and in which words."""


@contextlib.contextmanager
def watched(account: MotoServer, refuse: Refuse = lambda _: None) -> Generator[list[Asked]]:
    """All that is asked of the account within it."""
    found: list[Asked] = []
    answer = account.answer

    def look(method: str, path: str, headers: Any, body: bytes) -> Any:
        if scope := _SCOPE.search(headers.get("authorization", "")):
            request = Request(account.account_id, scope[1], method, path, headers, body)
            asked = list(_READERS[scope[1]](request))
            found.extend(asked)
            for refused in filter(None, map(refuse, asked)):
                return _refusal(scope[1], *refused)
        return answer(method, path, headers, body)

    account.answer = look
    try:
        yield found
    finally:
        account.answer = answer


def _refusal(service: str, code: str, words: str) -> tuple[int, dict[str, str], bytes]:
    """As the service's protocol has it. https://smithy.io/2.0/aws/protocols/"""
    error = f"<Code>{code}</Code><Message>{words}</Message>"
    if service in ("iam", "sts"):
        return 403, {}, f"<ErrorResponse><Error>{error}</Error></ErrorResponse>".encode()
    if service == "ec2":
        return 403, {}, f"<Response><Errors><Error>{error}</Error></Errors></Response>".encode()
    if service == "s3":
        return 403, {}, f"<Error>{error}</Error>".encode()
    body = json.dumps({"__type": code, "message": words})
    return 400, {"x-amzn-ErrorType": code}, body.encode()


def _named(request: Request) -> tuple[str, dict[str, Any]]:
    """The operation and its parameters, where both stand in the request."""
    target = request.headers.get("x-amz-target", "")
    if target:
        return target.rpartition(".")[2], json.loads(request.body or b"{}")
    form = dict(parse_qsl(request.body.decode()))
    return form.pop("Action"), form


def _ec2(request: Request) -> Iterator[Asked]:
    name, form = _named(request)
    if name.startswith("Describe") and name != "DescribeVpcAttribute":
        yield Asked(f"ec2:{name}", "*", {})
        return
    tags = ec2_backends[request.account][REGION].tags
    for value in form.values():
        kind = _NETWORK.get(value.partition("-")[0])
        if kind and re.fullmatch(r"[a-z]+-[0-9a-f]+", value):
            own = {f"aws:ResourceTag/{key}": text for key, text in tags.get(value, {}).items()}
            yield Asked(f"ec2:{name}", request.arn("ec2", f"{kind}/{value}"), own)
    if association := form.get("AssociationId"):
        table = ec2_backends[request.account][REGION].route_tables
        [owner] = [t.id for t in table.values() if association in t.all_associations_ids]
        own = {f"aws:ResourceTag/{key}": text for key, text in tags.get(owner, {}).items()}
        yield Asked(f"ec2:{name}", request.arn("ec2", f"route-table/{owner}"), own)
    if kind := form.get("TagSpecification.1.ResourceType"):
        start = "TagSpecification.1.Tag."
        keys = [key for key in form if key.startswith(start) and key.endswith(".Key")]
        given = {f"aws:RequestTag/{form[key]}": form[f"{key[:-3]}Value"] for key in keys}
        made = request.arn("ec2", f"{kind}/*")
        yield Asked(f"ec2:{name}", made, given)
        yield Asked("ec2:CreateTags", made, {**given, "ec2:CreateAction": name})


def _iam(request: Request) -> Iterator[Asked]:
    name, form = _named(request)
    role = request.role(form["RoleName"])
    yield Asked(f"iam:{name}", role, {})
    if name == "CreateRole" and any(key.startswith("Tags.") for key in form):
        yield Asked("iam:TagRole", role, {})


def _pass(role: str, service: str) -> Asked:
    return Asked("iam:PassRole", role, {"iam:PassedToService": f"{service}.amazonaws.com"})


def _ecs(request: Request) -> Iterator[Asked]:
    name, given = _named(request)
    if name in _ON_NO_RESOURCE:
        yield Asked(f"ecs:{name}", "*", {})
    elif name == "RegisterTaskDefinition":
        definition = request.arn("ecs", f"task-definition/{given['family']}:1")
        yield Asked(f"ecs:{name}", definition, {})
        if given.get("tags"):
            yield Asked("ecs:TagResource", definition, {"ecs:CreateAction": name})
        for role in (given.get("executionRoleArn"), given.get("taskRoleArn")):
            if role:
                yield _pass(role, "ecs-tasks")
    elif name == "DeleteTaskDefinitions":
        for definition in given["taskDefinitions"]:
            yield Asked(f"ecs:{name}", definition, {})
    elif "resourceArn" in given:
        yield Asked(f"ecs:{name}", given["resourceArn"], {})
    else:
        for cluster in given.get("clusters") or [given.get("cluster") or given["clusterName"]]:
            yield from _of_a_cluster(request, name, cluster.rpartition("/")[2], given)


def _of_a_cluster(
    request: Request, name: str, cluster: str, given: Mapping[str, Any]
) -> Iterator[Asked]:
    there = request.arn("ecs", f"cluster/{cluster}")
    if name == "ListTasks":
        yield Asked(f"ecs:{name}", "*", {"ecs:cluster": there})
    elif name in ("DescribeTasks", "StopTask"):
        for task in given.get("tasks") or [given["task"]]:
            id = task.rpartition("/")[2]
            yield Asked(f"ecs:{name}", request.arn("ecs", f"task/{cluster}/{id}"), {})
    else:
        yield Asked(f"ecs:{name}", there, {})
        if name == "CreateCluster" and given.get("tags"):
            yield Asked("ecs:TagResource", there, {"ecs:CreateAction": name})


def _logs(request: Request) -> Iterator[Asked]:
    name, given = _named(request)
    if name == "DescribeLogGroups":
        yield Asked(f"logs:{name}", "*", {})
        return
    group = given.get("resourceArn") or request.arn("logs", f"log-group:{given['logGroupName']}")
    yield Asked(f"logs:{name}", group, {})
    if name == "CreateLogGroup" and given.get("tags"):
        yield Asked("logs:TagResource", group, {})


def _dynamodb(request: Request) -> Iterator[Asked]:
    name, given = _named(request)
    table = given.get("ResourceArn") or given["TableName"]
    table = table if table.startswith("arn:") else request.arn("dynamodb", f"table/{table}")
    yield Asked(f"dynamodb:{name}", table, {})
    if name == "CreateTable" and given.get("Tags"):
        yield Asked("dynamodb:TagResource", table, {})


def _ssm(request: Request) -> Iterator[Asked]:
    name, given = _named(request)
    if name == "DescribeParameters":
        yield Asked(f"ssm:{name}", "*", {})
        return
    parameter = request.arn("ssm", f"parameter{given.get('Name') or given['ResourceId']}")
    yield Asked(f"ssm:{name}", parameter, {})
    if given.get("Tags") and name == "PutParameter":
        yield Asked("ssm:AddTagsToResource", parameter, {})


def _ecr(request: Request) -> Iterator[Asked]:
    name, given = _named(request)
    names = given.get("repositoryNames") or [given.get("repositoryName", "*")]
    for repository in names:
        arn = given.get("resourceArn") or request.arn("ecr", f"repository/{repository}")
        yield Asked(f"ecr:{name}", arn, {})


def _secretsmanager(request: Request) -> Iterator[Asked]:
    name, given = _named(request)
    named = given.get("SecretId") or given["Name"]
    # What is asked for by name is judged by its ARN, which ends in six characters more.
    arn = named if named.startswith("arn:") else f"secret:{named}-a1B2c3"
    secret = arn if arn.startswith("arn:") else request.arn("secretsmanager", arn)
    yield Asked(f"secretsmanager:{name}", secret, {})
    if name == "CreateSecret" and given.get("Tags"):
        yield Asked("secretsmanager:TagResource", secret, {})


def _events(request: Request) -> Iterator[Asked]:
    name, given = _named(request)
    rule = given.get("ResourceARN") or request.arn(
        "events", f"rule/{given.get('Rule') or given['Name']}"
    )
    yield Asked(f"events:{name}", rule, {})
    if name == "PutRule" and given.get("Tags"):
        yield Asked("events:TagResource", rule, {})


@functools.cache
def _lambda_paths() -> list[tuple[str, re.Pattern[str], str]]:
    session: Any = botocore.session.get_session()
    model = session.get_service_model("lambda")
    found: list[tuple[str, re.Pattern[str], str]] = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        path = re.sub(
            r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(urlsplit(http["requestUri"]).path)
        )
        found.append((http["method"], re.compile(path), name))
    return found


def _lambda(request: Request) -> Iterator[Asked]:
    path = unquote(urlsplit(request.path).path)
    given = json.loads(request.body) if request.body.startswith(b"{") else {}
    name, function = next(
        (name, found.groupdict().get("FunctionName") or given["FunctionName"])
        for method, pattern, name in _lambda_paths()
        if method == request.method and (found := pattern.fullmatch(path))
    )
    arn = request.arn("lambda", f"function:{function.rpartition(':')[2]}")
    yield Asked(f"lambda:{name}", arn, {})
    if name == "CreateFunction":
        yield _pass(given["Role"], "lambda")
        if given.get("Tags"):
            yield Asked("lambda:TagResource", arn, {})
    if name == "UpdateFunctionConfiguration" and given.get("Role"):
        yield _pass(given["Role"], "lambda")


def _apigateway(request: Request) -> Iterator[Asked]:
    path = unquote(urlsplit(request.path).path)
    yield Asked(f"apigateway:{request.method}", f"arn:aws:apigateway:{REGION}::{path}", {})
    if request.method == "POST" and b'"tags"' in request.body:
        yield Asked("apigateway:PUT", f"arn:aws:apigateway:{REGION}::/tags/x", {})


def _s3(request: Request) -> Iterator[Asked]:
    parts = urlsplit(request.path)
    bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
    query = parse_qs(parts.query, keep_blank_values=True)
    arn = f"arn:aws:s3:::{bucket}"
    if key:
        versioned = "Version" if "versionId" in query else ""
        yield Asked(f"s3:{_OF_AN_OBJECT[request.method]}{versioned}", f"{arn}/{key}", {})
        if source := request.headers.get("x-amz-copy-source"):
            yield Asked("s3:GetObject", f"arn:aws:s3:::{unquote(source).lstrip('/')}", {})
    elif request.method == "POST" and "delete" in query:
        for action in ("DeleteObject", "DeleteObjectVersion"):
            yield Asked(f"s3:{action}", f"{arn}/all", {})
    else:
        words = (word for word in ("list-type", *query) if word in query)
        word = next(words, "") if request.method in ("GET", "PUT") else ""
        yield Asked(f"s3:{_OF_A_BUCKET[f'{request.method} {word}']}", arn, {})


def _tagging(request: Request) -> Iterator[Asked]:
    yield Asked(f"tag:{_named(request)[0]}", "*", {})


def _sts(request: Request) -> Iterator[Asked]:
    yield Asked(f"sts:{_named(request)[0]}", "*", {})


_READERS = {
    "apigateway": _apigateway,
    "dynamodb": _dynamodb,
    "ec2": _ec2,
    "ecr": _ecr,
    "ecs": _ecs,
    "events": _events,
    "iam": _iam,
    "lambda": _lambda,
    "logs": _logs,
    "s3": _s3,
    "secretsmanager": _secretsmanager,
    "ssm": _ssm,
    "sts": _sts,
    "tagging": _tagging,
}
