"""IAM on this machine: real keys, random credentials for roles, and ECS's permissions as on AWS."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, cast

from mycli.local import emulator

_TASK_SERVICE = "ecs-tasks.amazonaws.com"

# What the request in hand needs besides its own action, as (action, resource, condition keys):
# one of the emulator's seams knows the request, another one judges.
_Need = tuple[str, str, dict[str, str]]
_also_needed: ContextVar[tuple[_Need, ...]] = ContextVar("also_needed", default=())


def mend(account_id: str, access_key_id: str, secret_access_key: str) -> None:
    evaluator = emulator.module("core.iam_evaluator")
    # To the emulator an empty key, `test` and any account number are root, and a root's signature
    # is not checked. Here nobody is root by name: the account's one key is a session of root's.
    evaluator.is_root_access_key = _nobody
    emulator.service("sts").register_session(
        access_key_id,
        {
            "Arn": f"arn:aws:iam::{account_id}:root",
            "UserId": account_id,
            "SecretAccessKey": secret_access_key,
            "SessionToken": None,
        },
    )
    _mend_signatures()
    _mend_role_credentials(account_id)
    _mend_permissions()


def _nobody(_access_key_id: str) -> bool:
    return False


def knows_key(access_key_id: str) -> bool:
    """Whether this account issued the key, to its owner or to one of its roles.

    The time this takes tells a caller nothing: it is a lookup by hash, and the key has 100 bits.
    """
    return access_key_id in emulator.service("sts")._sessions


def _mend_signatures() -> None:
    """Hold a signature to the body that came: the emulator believes the caller's digest of it."""
    sigv4 = emulator.module("core.sigv4")
    failure_of = sigv4.header_signature_failure

    def header_signature_failure(*request: Any, **how: Any) -> tuple[str, str] | None:
        *_, headers, body = request
        claimed = headers.get("x-amz-content-sha256")
        if claimed and claimed != hashlib.sha256(body).hexdigest():
            return "SignatureDoesNotMatch", sigv4.SIGNATURE_MISMATCH
        return failure_of(*request, **how)

    sigv4.header_signature_failure = header_signature_failure


def _mend_role_credentials(account_id: str) -> None:
    """The emulator makes a function's credentials from its ARN, so anybody could work them out."""

    def execution_credentials(config: dict[str, Any]) -> dict[str, str]:
        role = config["Role"].rsplit("/", 1)[-1]
        name = config["FunctionName"]
        key, secret, token = (
            new_key_id("ASIA"),
            secrets.token_urlsafe(30),
            secrets.token_urlsafe(96),
        )
        emulator.service("sts").register_session(
            key,
            {
                "Arn": f"arn:aws:sts::{account_id}:assumed-role/{role}/{name}",
                "UserId": f"{role}:{name}",
                "SecretAccessKey": secret,
                "SessionToken": token,
            },
        )
        return {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_SESSION_TOKEN": token,
        }

    emulator.module("core.lambda_runtime").execution_credentials = execution_credentials


def new_key_id(prefix: str) -> str:
    """An access key id as AWS shapes it: the prefix and 16 letters or digits (80 bits)."""
    return prefix + "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _ in range(16))


def role_may(role_arn: str, action: str, resource_arn: str) -> bool:
    """Whether the role's policies allow it."""
    evaluator, responses = emulator.module("core.iam_evaluator"), emulator.module("core.responses")
    account_id = role_arn.split(":")[4]
    context = evaluator.EvalContext(
        principal_arn=role_arn,
        principal_type="AssumedRole",
        principal_account=account_id,
        action=action,
        resource_arn=resource_arn,
        region=responses.get_region(),
    )
    policies = evaluator._gather_role_policies(role_arn.rpartition("/")[2], account_id)
    return bool(evaluator.evaluate(context, policies).decision == "Allow")


def _mend_permissions() -> None:
    """Judge calls of ECR, ECS and Logs by the resources and keys that AWS's reference lists.

    The emulator takes the cluster for the resource of every ECS call that names one, and the group
    for that of a log stream's; it knows neither `ecs:cluster` nor that a role in a call must be
    passed, nor that tags in one must be allowed.
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html
    """
    actions = emulator.module("core.iam_actions")
    evaluator = emulator.module("core.iam_evaluator")
    resource_of, context_of, enforce = (
        actions.extract_resource_arn,
        actions.request_tag_context,
        evaluator.enforce,
    )

    def extract_resource_arn(
        service: str, method: str, path: str, headers: dict[str, str], body: bytes, *rest: Any
    ) -> str:
        _also_needed.set(())
        found = resource_of(service, method, path, headers, body, *rest)
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        _, region, account_id = rest
        if service == "logs" and action in ("GetLogEvents", "PutLogEvents"):
            return f"{found}:log-stream:{_parsed(body).get('logStreamName', '')}"
        if service == "ecr":
            request, prefix = _parsed(body), f"arn:aws:ecr:{region}:{account_id}:repository/"
            resource, *others = _ecr_resources(action, request, str(found), prefix)
            needed = [(f"ecr:{action}", other) for other in others]
            if action == "CreateRepository" and request.get("tags"):
                needed.append(("ecr:TagResource", resource))
            _also_needed.set(tuple((*need, {}) for need in needed))
            return resource
        if service != "ecs":
            return str(found)
        request = _parsed(body)
        resource = _ecs_resource(action, request, f"arn:aws:ecs:{region}:{account_id}:")
        _also_needed.set((*_to_pass_roles(action, request), *_to_tag(action, request, resource)))
        return resource

    def request_tag_context(service: str, iam_action: str, body: bytes, params: Any) -> Any:
        context = context_of(service, iam_action, body, params)
        if service == "ecs" and (cluster := _parsed(body).get("cluster")):
            responses = emulator.module("core.responses")
            region, account_id = responses.get_region(), responses.get_account_id()
            context["ecs:cluster"] = _arn(cluster, f"arn:aws:ecs:{region}:{account_id}:cluster/")
        return context

    def enforce_all(
        access_key_id: str, iam_action: str, service: str, region: str, **rest: Any
    ) -> Any:
        denied = enforce(access_key_id, iam_action, service, region, **rest)
        for action, resource, context in _also_needed.get() if service in ("ecr", "ecs") else ():
            denied = denied or enforce(
                access_key_id,
                action,
                action.partition(":")[0],
                region,
                resource_arn=resource,
                service_context=context,
            )
        return denied

    actions.extract_resource_arn = extract_resource_arn
    actions.request_tag_context = request_tag_context
    evaluator.enforce = enforce_all


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body or b"{}")
    except ValueError:
        return {}
    return cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}


def _ecs_resource(action: str, request: dict[str, Any], prefix: str) -> str:
    """The ARN that a policy's Resource must match; `*` where the action has no resource."""
    cluster = str(request.get("cluster", "default")).rpartition("/")[2]
    in_cluster = f"{prefix}task/{cluster}/"
    first = (request.get(_LISTED.get(action, "")) or [""])[0]
    found: dict[str, Callable[[], str]] = {
        "RunTask": lambda: _arn(request.get("taskDefinition"), prefix + "task-definition/"),
        "RegisterTaskDefinition": lambda: f"{prefix}task-definition/{request.get('family', '')}:*",
        "DeleteTaskDefinitions": lambda: _arn(first, prefix + "task-definition/"),
        "DescribeTasks": lambda: _arn(first, in_cluster),
        "StopTask": lambda: _arn(request.get("task"), in_cluster),
        "ListTasks": lambda: f"{prefix}container-instance/{cluster}/*",
        "TagResource": lambda: str(request.get("resourceArn", "*")),
        "UntagResource": lambda: str(request.get("resourceArn", "*")),
        "ListTagsForResource": lambda: str(request.get("resourceArn", "*")),
        "DescribeClusters": lambda: _arn(first, prefix + "cluster/"),
    }
    return found.get(action, lambda: "*")()


_LISTED = {
    "DeleteTaskDefinitions": "taskDefinitions",
    "DescribeTasks": "tasks",
    "DescribeClusters": "clusters",
}


def _ecr_resources(action: str, request: dict[str, Any], found: str, prefix: str) -> list[str]:
    """The emulator knows a repository by the one name in a call; not one of several, or its ARN."""
    if action in ("TagResource", "UntagResource", "ListTagsForResource"):
        return [str(request.get("resourceArn", "*"))]
    if action == "DescribeRepositories":
        return [prefix + str(name) for name in request.get("repositoryNames") or ()] or ["*"]
    return [found]


def _arn(named: object, prefix: str) -> str:
    text = str(named or "")
    return text if text.startswith("arn:") else prefix + text


def _to_pass_roles(action: str, request: dict[str, Any]) -> list[_Need]:
    """The roles that a call hands to ECS: its own, or those of the definition that it runs."""
    source = request
    if action == "RunTask":
        ecs = emulator.service("ecs")
        definition = ecs._task_defs.get(ecs._resolve_td_key(str(request.get("taskDefinition", ""))))
        source = {**(definition or {}), **(request.get("overrides") or {})}
    elif action != "RegisterTaskDefinition":
        return []
    roles = [source.get("executionRoleArn"), source.get("taskRoleArn")]
    to_ecs = {"iam:PassedToService": _TASK_SERVICE}
    return [("iam:PassRole", str(role), to_ecs) for role in roles if role]


def _to_tag(action: str, request: dict[str, Any], resource: str) -> list[_Need]:
    """Tags in a call that makes something are a TagResource of what it makes."""
    if action not in ("RunTask", "RegisterTaskDefinition") or not request.get("tags"):
        return []
    if action == "RunTask":
        prefix, _, _ = resource.partition(":task-definition/")
        cluster = str(request.get("cluster", "default")).rpartition("/")[2]
        resource = f"{prefix}:task/{cluster}/*"
    return [("ecs:TagResource", resource, {"ecs:CreateAction": action})]
