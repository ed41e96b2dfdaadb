"""Every resource as data. Names and links stand here once more, written out by hand."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
import yaml

from .conftest import API_KEY_HASH, CONFIG, REPOSITORY, Declare, declare_process

CREDENTIALS = {
    "github_token": "ghp-SECRET-1",
    "gitlab_token": "glpat-SECRET-2",
    "ssh_private_key": "-----BEGIN KEY-----\nSECRET-3\n",
}

LOGINS = {
    "registry_credentials": json.dumps(
        {
            "docker.io": {"username": "someone", "password": "dckr-SECRET-4"},
            "registry.example:5000": {"username": "robot", "password": "SECRET-5"},
        }
    )
}
SECRETS = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:mycli/mycli/registry"

CHANGED = {
    "default_image": "alpine:3.22",
    "function_architecture": "x86_64",
    "git_protocols": "https:ssh:http:file",
    "github_host": "github.example",
    "gitlab_host": "127.0.0.1:8080",
    "install_git": "0",
    "log_poll_seconds": "0.1",
}

TYPES = {
    "Cluster": 1,
    "ClusterCapacityProviders": 1,
    "Deployment": 1,
    "EventRule": 1,
    "EventTarget": 1,
    "Function": 1,
    "Integration": 1,
    "InternetGateway": 1,
    "LogGroup": 2,
    "Method": 1,
    "MethodSettings": 1,
    "Permission": 2,
    "Resource": 1,
    "RestApi": 1,
    "Role": 3,
    "RolePolicy": 2,
    "Route": 1,
    "RouteTable": 1,
    "RouteTableAssociation": 2,
    "SecurityGroup": 1,
    "Stage": 1,
    "Subnet": 2,
    "Table": 1,
    "TaskDefinition": 1,
    "Vpc": 1,
}

NAMES = {
    "Cluster:cluster": "{}-cluster",
    "EventRule:task-state": "{}-task-state",
    "Function:orchestrator": "{}-orchestrator",
    "LogGroup:function-logs": "/aws/lambda/{}-orchestrator",
    "LogGroup:task-logs": "/aws/mycli/{}",
    "Parameter:github-token": "/mycli/{}/github-token",
    "Parameter:gitlab-token": "/mycli/{}/gitlab-token",
    "Parameter:ssh-private-key": "/mycli/{}/ssh-private-key",
    "RestApi:api": "{}-api",
    "Role:lambda-role": "{}-lambda-role",
    "Role:task-execution-role": "{}-task-execution-role",
    "Role:task-role": "{}-task-role",
    "RolePolicy:lambda": "{}-lambda",
    "RolePolicy:task-execution": "{}-task-execution",
    "Secret:registry-docker.io": "mycli/{}/registry/docker.io",
    "Secret:registry-registry.example:5000": "mycli/{}/registry/registry.example_5000",
    "SecurityGroup:fargate": "{}-fargate-sg",
    "Table:executions": "{}-executions",
    "TaskDefinition:template": "{}-task",
}
NAME_TAGS = {
    "InternetGateway:igw": "{}-igw",
    "RouteTable:public": "{}-public",
    "SecurityGroup:fargate": "{}-fargate-sg",
    "Subnet:public-1": "{}-public-1",
    "Subnet:public-2": "{}-public-2",
    "Vpc:vpc": "{}-vpc",
}


def inputs(declared: dict[str, Any], key: str) -> dict[str, Any]:
    return declared["resources"][key]["inputs"]


def container(declared: dict[str, Any]) -> dict[str, Any]:
    (only,) = json.loads(inputs(declared, "TaskDefinition:template")["containerDefinitions"])
    return only


def upstream(declared: dict[str, Any], key: str) -> set[str]:
    """Everything that is made before this resource, and deleted after it."""
    found: set[str] = set()
    waiting = [key]
    while waiting:
        for dependency in declared["resources"][waiting.pop()]["dependencies"]:
            if dependency not in found:
                found.add(dependency)
                waiting.append(dependency)
    return found


def test_types(declare: Declare) -> None:
    assert Counter(key.split(":")[0] for key in declare()["resources"]) == TYPES
    with_all = declare(**CREDENTIALS, **LOGINS)["resources"]
    more = {"Parameter": 3, "Secret": 2, "SecretVersion": 2}
    assert Counter(key.split(":")[0] for key in with_all) == {**TYPES, **more}


@pytest.mark.parametrize("stack", ["mycli", "other-2"])
def test_names(declare: Declare, stack: str) -> None:
    resources = declare(stack, **CREDENTIALS, **LOGINS)["resources"]
    named = {
        key: resource["inputs"].get("name") or resource["inputs"].get("family")
        for key, resource in resources.items()
    }
    assert {key: name for key, name in named.items() if name} == {
        key: name.format(stack) for key, name in NAMES.items()
    }


@pytest.mark.parametrize("stack", ["mycli", "other-2"])
def test_whatever_takes_tags_says_whose_it_is(declare: Declare, stack: str) -> None:
    resources = declare(stack, **CREDENTIALS, **LOGINS)["resources"]
    for key, resource in resources.items():
        name = {"Name": NAME_TAGS[key].format(stack)} if key in NAME_TAGS else {}
        expected = {"mycli:stack": stack, **name} if resource["takes_tags"] else None
        assert resource["inputs"].get("tags") == expected, key
    assert sum(resource["takes_tags"] for resource in resources.values()) == 23


def test_two_stacks_differ_in_every_name_and_in_nothing_else(declare: Declare) -> None:
    one, other = (declare(stack, **CREDENTIALS, **LOGINS) for stack in ("other-2", "yak-22"))
    for declared in (one, other):  # a hash of names: the one value that cannot be compared
        assert len(inputs(declared, "Deployment:deployment")["triggers"].pop("api")) == 64
    assert json.loads(json.dumps(one).replace("other-2", "yak-22")) == other


def test_network(declare: Declare) -> None:
    declared = declare()
    vpc = inputs(declared, "Vpc:vpc")
    assert vpc["cidrBlock"] == "10.0.0.0/16"
    assert vpc["enableDnsSupport"] is True
    assert vpc["enableDnsHostnames"] is True
    subnets = [inputs(declared, f"Subnet:public-{number}") for number in (1, 2)]
    assert [subnet["cidrBlock"] for subnet in subnets] == ["10.0.1.0/24", "10.0.2.0/24"]
    assert [subnet["availabilityZone"] for subnet in subnets] == ["eu-west-1a", "eu-west-1b"]
    for number in (1, 2):
        assert declared["resources"][f"Subnet:public-{number}"]["ignore_changes"] == [
            "availabilityZone"
        ]
        association = inputs(declared, f"RouteTableAssociation:public-{number}")
        assert association == {"routeTableId": "public-id", "subnetId": f"public-{number}-id"}
    assert inputs(declared, "Route:internet") == {
        "routeTableId": "public-id",
        "destinationCidrBlock": "0.0.0.0/0",
        "gatewayId": "igw-id",
    }


def test_nothing_gets_in(declare: Declare) -> None:
    group = inputs(declare(), "SecurityGroup:fargate")
    assert "ingress" not in group
    assert group["egress"] == [
        {"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlocks": ["0.0.0.0/0"]}
    ]


def test_spot_is_the_default(declare: Declare) -> None:
    assert inputs(declare(), "ClusterCapacityProviders:capacity") == {
        "clusterName": "mycli-cluster",
        "capacityProviders": ["FARGATE", "FARGATE_SPOT"],
        "defaultCapacityProviderStrategies": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}],
    }


def test_logs_are_kept_for_a_week(declare: Declare) -> None:
    for group in ("task-logs", "function-logs"):
        assert inputs(declare(), f"LogGroup:{group}")["retentionInDays"] == 7


def test_table(declare: Declare) -> None:
    table = inputs(declare(), "Table:executions")
    assert table["billingMode"] == "PAY_PER_REQUEST"
    assert table["hashKey"] == "execution_id"
    assert {a["name"]: a["type"] for a in table["attributes"]} == {
        "execution_id": "S",
        "month": "S",
        "task_arn": "S",
        "task_definition": "S",
    }
    keys = {
        index["name"]: [(key["keyType"], key["attributeName"]) for key in index["keySchemas"]]
        for index in table["globalSecondaryIndexes"]
    }
    assert keys == {
        "by-month": [("HASH", "month"), ("RANGE", "execution_id")],
        "by-task": [("HASH", "task_arn")],
        "by-task-definition": [("HASH", "task_definition"), ("RANGE", "execution_id")],
    }
    assert {i["name"]: i["projectionType"] for i in table["globalSecondaryIndexes"]} == {
        "by-month": "ALL",
        "by-task": "ALL",
        "by-task-definition": "KEYS_ONLY",
    }
    assert table["ttl"] == {"attributeName": "expires_at", "enabled": True}


def test_template(declare: Declare) -> None:
    template = inputs(declare(), "TaskDefinition:template")
    assert {key: template[key] for key in template if key != "containerDefinitions"} == {
        "family": "mycli-task",
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "256",
        "memory": "512",
        "runtimePlatform": {"operatingSystemFamily": "LINUX", "cpuArchitecture": "X86_64"},
        "executionRoleArn": "arn:aws:iam::123456789012:role/mycli-task-execution-role",
        "taskRoleArn": "arn:aws:iam::123456789012:role/mycli-task-role",
        "tags": {"mycli:stack": "mycli"},
    }
    assert container(declare()) == {
        "name": "executor",
        "image": "ubuntu:22.04",
        "essential": True,
        "memory": 512,
        "entryPoint": ["/bin/sh", "-c"],
        "command": [(REPOSITORY / "orchestrator" / "task.sh").read_text()],
        "stopTimeout": 120,
        "environment": [
            {"name": "MYCLI_GIT_PROTOCOLS", "value": "https:ssh"},
            {"name": "MYCLI_GITHUB_HOST", "value": "github.com"},
            {"name": "MYCLI_GITLAB_HOST", "value": "gitlab.com"},
            {"name": "MYCLI_INSTALL_GIT", "value": "1"},
        ],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": "/aws/mycli/mycli",
                "awslogs-region": "eu-west-1",
                "awslogs-stream-prefix": "task",
                "mode": "blocking",
            },
        },
    }


def test_the_template_fits_into_a_task_definition(declare: Declare) -> None:
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html: 64 KB
    assert len(json.dumps(inputs(declare(**CREDENTIALS), "TaskDefinition:template"))) < 60 * 1024


def test_each_given_credential_reaches_the_task_from_ssm(declare: Declare) -> None:
    declared = declare(gitlab_token="glpat-SECRET-2")
    parameter = inputs(declared, "Parameter:gitlab-token")
    assert parameter["type"] == "SecureString"
    assert parameter["value"] == "glpat-SECRET-2"
    arn = "arn:aws:ssm:eu-west-1:123456789012:parameter/mycli/mycli/gitlab-token"
    assert container(declared)["secrets"] == [{"name": "MYCLI_GITLAB_TOKEN", "valueFrom": arn}]
    assert declared["outputs"]["git_credentials"]["value"] == ["gitlab_token"]
    policy = inputs(declared, "RolePolicy:task-execution")["policy"]
    assert arn in policy
    assert "github-token" not in policy


def test_each_registrys_login_is_a_secret_that_only_ecs_may_read(declare: Declare) -> None:
    declared = declare(**LOGINS)
    secret = inputs(declared, "Secret:registry-registry.example:5000")
    assert secret["recoveryWindowInDays"] == 0
    version = inputs(declared, "SecretVersion:registry-registry.example:5000")
    assert version["secretId"] == "registry-registry.example:5000-id"
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/private-auth.html
    assert json.loads(version["secretString"]) == {"username": "robot", "password": "SECRET-5"}
    arns = {
        "docker.io": f"{SECRETS}/docker.io-a1B2c3",
        "registry.example:5000": f"{SECRETS}/registry.example_5000-a1B2c3",
    }
    variables = inputs(declared, "Function:orchestrator")["environment"]["variables"]
    assert json.loads(variables["MYCLI_REGISTRIES"]) == arns
    policy = json.loads(inputs(declared, "RolePolicy:task-execution")["policy"])
    [of_secrets] = [s for s in policy["Statement"] if "secretsmanager" in s["Action"][0]]
    assert of_secrets["Resource"] == list(arns.values())
    assert "secretsmanager" not in inputs(declared, "RolePolicy:lambda")["policy"]
    assert declared["outputs"]["registries"]["value"] == list(arns)
    # A task that is started finds its registry's login.
    assert "SecretVersion:registry-docker.io" in upstream(declared, "Function:orchestrator")


def test_the_template_knows_of_no_registry(declare: Declare) -> None:
    # An image elsewhere keeps its revision when a login comes or goes.
    with_logins = container(declare(**LOGINS))
    assert with_logins == container(declare())


def test_config_reaches_the_task(declare: Declare) -> None:
    declared = declare(**CHANGED)
    assert container(declared)["image"] == "alpine:3.22"
    assert {item["name"]: item["value"] for item in container(declared)["environment"]} == {
        "MYCLI_GIT_PROTOCOLS": "https:ssh:http:file",
        "MYCLI_GITHUB_HOST": "github.example",
        "MYCLI_GITLAB_HOST": "127.0.0.1:8080",
        "MYCLI_INSTALL_GIT": "0",
    }


def test_function(declare: Declare) -> None:
    function = inputs(declare(), "Function:orchestrator")
    assert {key: function[key] for key in function if key not in ("environment", "tags")} == {
        "name": "mycli-orchestrator",
        "role": "arn:aws:iam::123456789012:role/mycli-lambda-role",
        "runtime": "python3.13",
        "architectures": ["arm64"],
        "handler": "orchestrator.handler.handler",
        "code": "/somewhere/function.zip",
        "memorySize": 512,
        "timeout": 29,
    }
    changed = inputs(declare(**CHANGED), "Function:orchestrator")
    assert changed["architectures"] == ["x86_64"]


def test_function_environment(declare: Declare) -> None:
    function = inputs(declare(), "Function:orchestrator")
    assert function["environment"]["variables"] == {
        "MYCLI_STACK": "mycli",
        "API_KEY_HASH": API_KEY_HASH,
        "API_KEY_SHA256_PREFIX": "0123abcd",
        "MYCLI_TABLE": "mycli-executions",
        "MYCLI_CLUSTER": "mycli-cluster",
        "MYCLI_LOG_GROUP": "/aws/mycli/mycli",
        "MYCLI_SUBNETS": "public-1-id,public-2-id",
        "MYCLI_SECURITY_GROUP": "fargate-id",
        "MYCLI_TEMPLATE": "arn:aws:ecs:eu-west-1:123456789012:task-definition/mycli-task:7",
        "MYCLI_DEFAULT_IMAGE": "ubuntu:22.04",
        "MYCLI_LOG_POLL_SECONDS": "1",
        "MYCLI_REGISTRIES": "{}",
    }
    changed = inputs(declare(**CHANGED), "Function:orchestrator")["environment"]["variables"]
    assert changed["MYCLI_DEFAULT_IMAGE"] == "alpine:3.22"
    assert changed["MYCLI_LOG_POLL_SECONDS"] == "0.1"


def test_roles_are_taken_on_by_their_service_alone(declare: Declare) -> None:
    services = {
        "lambda-role": "lambda.amazonaws.com",
        "task-execution-role": "ecs-tasks.amazonaws.com",
        "task-role": "ecs-tasks.amazonaws.com",
    }
    for role, service in services.items():
        document = json.loads(inputs(declare(), f"Role:{role}")["assumeRolePolicy"])
        (statement,) = document["Statement"]
        assert statement["Principal"] == {"Service": service}


def test_policies_that_users_attach_do_not_outlive_the_stack(declare: Declare) -> None:
    for role in ("lambda-role", "task-execution-role", "task-role"):
        assert inputs(declare(), f"Role:{role}")["forceDetachPolicies"] is True


def test_a_task_may_do_nothing(declare: Declare) -> None:
    resources = declare(**CREDENTIALS)["resources"]
    given = {r["inputs"]["role"] for key, r in resources.items() if key.startswith("RolePolicy")}
    assert given == {"mycli-lambda-role", "mycli-task-execution-role"}
    assert not any(key.startswith("RolePolicyAttachment") for key in resources)


def test_task_events(declare: Declare) -> None:
    declared = declare()
    assert json.loads(inputs(declared, "EventRule:task-state")["eventPattern"]) == {
        "source": ["aws.ecs"],
        "detail-type": ["ECS Task State Change"],
        "detail": {"clusterArn": ["arn:aws:ecs:eu-west-1:123456789012:cluster/mycli-cluster"]},
    }
    assert inputs(declared, "EventTarget:task-state") == {
        "rule": "mycli-task-state",
        "targetId": "orchestrator",
        "arn": "arn:aws:lambda:eu-west-1:123456789012:function:mycli-orchestrator",
    }


def test_who_may_invoke_the_function(declare: Declare) -> None:
    assert inputs(declare(), "Permission:api") == {
        "statementId": "AllowAPIGatewayInvoke",
        "action": "lambda:InvokeFunction",
        "function": "mycli-orchestrator",
        "principal": "apigateway.amazonaws.com",
        "sourceArn": "arn:aws:execute-api:eu-west-1:123456789012:mycli-api/prod/POST/execute",
    }
    assert inputs(declare(), "Permission:events") == {
        "statementId": "AllowEventBridgeInvoke",
        "action": "lambda:InvokeFunction",
        "function": "mycli-orchestrator",
        "principal": "events.amazonaws.com",
        "sourceArn": "arn:aws:events:eu-west-1:123456789012:rule/mycli-task-state",
    }


def test_api(declare: Declare) -> None:
    declared = declare()
    assert inputs(declared, "RestApi:api")["endpointConfiguration"] == {"types": "REGIONAL"}
    assert inputs(declared, "Resource:execute") == {
        "restApi": "api-id",
        "parentId": "root",
        "pathPart": "execute",
    }
    assert inputs(declared, "Method:post") == {
        "restApi": "api-id",
        "resourceId": "execute-id",
        "httpMethod": "POST",
        "authorization": "NONE",
    }
    assert inputs(declared, "Integration:orchestrator") == {
        "restApi": "api-id",
        "resourceId": "execute-id",
        "httpMethod": "POST",
        "type": "AWS_PROXY",
        "integrationHttpMethod": "POST",
        "uri": "arn:aws:apigateway:eu-west-1:lambda:path/functions/mycli-orchestrator/invocations",
    }


def test_the_stage_throttles_and_logs_nothing(declare: Declare) -> None:
    assert inputs(declare(), "MethodSettings:throttling") == {
        "restApi": "api-id",
        "stageName": "prod",
        "methodPath": "*/*",
        "settings": {"throttlingRateLimit": 50, "throttlingBurstLimit": 100},
    }
    assert "accessLogSettings" not in inputs(declare(), "Stage:stage")


def test_a_changed_api_is_deployed_anew(declare: Declare) -> None:
    def trigger(declared: dict[str, Any]) -> str:
        return inputs(declared, "Deployment:deployment")["triggers"]["api"]

    assert trigger(declare()) == trigger(declare(**CHANGED))
    # Another function stands behind another stack's.
    assert trigger(declare()) != trigger(declare("other-2", **CREDENTIALS))


@pytest.mark.parametrize(
    ("key", "needed"),
    [
        # Deleted after the function: else Lambda makes its log group anew, which then stays.
        ("Function:orchestrator", {"LogGroup:function-logs", "RolePolicy:lambda"}),
        # The first request may start a task at once.
        (
            "Function:orchestrator",
            {
                "ClusterCapacityProviders:capacity",
                "Route:internet",
                "RouteTableAssociation:public-1",
                "RouteTableAssociation:public-2",
                "RolePolicy:task-execution",
                "LogGroup:task-logs",
                "Table:executions",
            },
        ),
        ("EventTarget:task-state", {"Permission:events", "Function:orchestrator"}),
        ("Deployment:deployment", {"Method:post", "Integration:orchestrator"}),
        # The door opens last, and is the first to be shut.
        ("Stage:stage", {"Permission:api", "Function:orchestrator", "Deployment:deployment"}),
        ("Route:internet", {"InternetGateway:igw", "RouteTable:public", "Vpc:vpc"}),
    ],
)
def test_order(declare: Declare, key: str, needed: set[str]) -> None:
    assert needed <= upstream(declare(), key)


def test_secrets_are_secret_and_stand_nowhere_else(declare: Declare) -> None:
    declared = declare(**CREDENTIALS, **LOGINS)
    secret_inputs = {
        key: resource["secret_inputs"]
        for key, resource in declared["resources"].items()
        if resource["secret_inputs"]
    }
    assert secret_inputs == {
        "Function:orchestrator": ["environment"],
        "Parameter:github-token": ["value"],
        "Parameter:gitlab-token": ["value"],
        "Parameter:ssh-private-key": ["value"],
        "SecretVersion:registry-docker.io": ["secretString"],
        "SecretVersion:registry-registry.example:5000": ["secretString"],
    }
    for key, names in secret_inputs.items():
        for name in names:
            del declared["resources"][key]["inputs"][name]
    assert declared["outputs"].pop("api_key_hash") == {"value": API_KEY_HASH, "secret": True}
    for secret in (API_KEY_HASH, *CREDENTIALS.values(), "dckr-SECRET-4", "SECRET-5"):
        assert json.dumps(secret)[1:-1] not in json.dumps(declared)


def test_outputs(declare: Declare) -> None:
    outputs = declare()["outputs"]
    assert {name: output["value"] for name, output in outputs.items()} == {
        "api_endpoint": "https://api.eu-west-1.example/prod/execute",
        "region": "eu-west-1",
        "cluster": "mycli-cluster",
        "log_group": "/aws/mycli/mycli",
        "table": "mycli-executions",
        "function": "mycli-orchestrator",
        "template": "arn:aws:ecs:eu-west-1:123456789012:task-definition/mycli-task:7",
        "default_image": "ubuntu:22.04",
        "api_key_hash": API_KEY_HASH,
        "api_key_sha256_prefix": "0123abcd",
        "github_host": "github.com",
        "gitlab_host": "gitlab.com",
        "git_credentials": [],
        "registries": [],
    }


def test_a_bad_stack_name_declares_nothing() -> None:
    ran = declare_process("my-task-2", CONFIG)
    assert ran.returncode != 0
    assert ran.stdout == ""
    assert "UsageError: 'my-task-2' cannot be a stack's name" in ran.stderr


@pytest.mark.parametrize("key", sorted(CONFIG))
def test_a_missing_input_is_named(key: str) -> None:
    ran = declare_process("mycli", {name: text for name, text in CONFIG.items() if name != key})
    assert ran.returncode != 0
    assert f"'mycli:{key}'" in ran.stderr


def test_the_plain_cli_runs_the_same_program(declare: Declare) -> None:
    project = yaml.safe_load((REPOSITORY / "Pulumi.yaml").read_text())
    assert project["name"] == "mycli"
    assert project["runtime"]["name"] == "python"
    # What it says of the config is what the program asks for, with the same defaults.
    required = {key for key, item in project["config"].items() if "default" not in item}
    assert required == set(CONFIG)
    assert set(project["config"]) <= {*CONFIG, *CHANGED}
    defaults = {key: i["default"] for key, i in project["config"].items() if "default" in i}
    assert declare(main=str(REPOSITORY / project["main"]), **defaults) == declare()
    secret = {key for key, item in project["config"].items() if item.get("secret")}
    assert secret == {"api_key_hash"}
