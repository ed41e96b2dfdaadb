"""The infrastructure of one stack: every resource and every export, from top to bottom.

One plain function that runs wherever Pulumi runs it: inline through the Automation API, from
Pulumi.yaml by the plain CLI, and against the account on this machine. It needs a resource monitor
and makes no Output before it is called.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import pulumi
import pulumi_aws as aws

from mycli.stack import policies
from mycli.stack.credentials import CREDENTIALS, Credential
from mycli.stack.names import STACK_TAG, check_stack_name
from mycli.stack.registries import secret_name
from orchestrator.wire import CONTAINER_NAME, DEFAULT_IMAGE

# Zones in which ECS does not run Fargate tasks.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AWS_Fargate-Regions.html
ZONES_WITHOUT_FARGATE = ["apne1-az3", "cnn1-az3", "cnn1-az4", "usw1-az2"]

LOG_RETENTION_DAYS = 7
STAGE = "prod"


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The stack's name, and the project's config by the names of these fields.

    api_key_sha256_prefix: the first 8 hex digits of the key's SHA-256. function_zip: the path of
    what mycli.stack.package builds. git_protocols: as git's GIT_ALLOW_PROTOCOL. install_git: 0
    where a task is a process on somebody's machine. credentials: one config key for each kind.
    registries: of each private registry's host, the text of its secret.
    """

    stack: str
    api_key_hash: pulumi.Output[str]
    api_key_sha256_prefix: str
    function_zip: str
    function_architecture: str
    default_image: str
    git_protocols: str
    install_git: str
    log_poll_seconds: str
    github_host: str
    gitlab_host: str
    credentials: Mapping[Credential, pulumi.Output[str]]
    registries: Mapping[str, pulumi.Output[str]]


class Network(NamedTuple):
    subnets: list[aws.ec2.Subnet]
    security_group: aws.ec2.SecurityGroup
    way_out: list[pulumi.Resource]  # without these a task cannot pull its image


class Cluster(NamedTuple):
    cluster: aws.ecs.Cluster
    capacity: aws.ecs.ClusterCapacityProviders
    logs: aws.cloudwatch.LogGroup
    table: aws.dynamodb.Table


class Template(NamedTuple):
    task_definition: aws.ecs.TaskDefinition
    roles: list[aws.iam.Role]
    logins: Mapping[str, aws.secretsmanager.Secret]  # by the registry's host


def program() -> None:
    """Declare the stack. Raises UsageError where its name cannot be."""
    inputs = _inputs()
    region = aws.get_region_output().region
    network = _network(inputs.stack)
    cluster = _cluster(inputs.stack)
    template = _template(inputs, cluster.logs, region)
    function = _function(inputs, network, cluster, template)
    _task_events(inputs.stack, cluster.cluster, function)
    stage = _api(inputs.stack, function)

    pulumi.export("api_endpoint", pulumi.Output.concat(stage.invoke_url, "/execute"))
    pulumi.export("region", region)
    pulumi.export("cluster", cluster.cluster.name)
    pulumi.export("log_group", cluster.logs.name)
    pulumi.export("table", cluster.table.name)
    pulumi.export("function", function.name)
    pulumi.export("template", template.task_definition.arn)
    # What the next `up` must know, whichever machine it is run from: the config stays behind.
    pulumi.export("default_image", inputs.default_image)
    pulumi.export("api_key_hash", inputs.api_key_hash)
    pulumi.export("api_key_sha256_prefix", inputs.api_key_sha256_prefix)
    pulumi.export("github_host", inputs.github_host)
    pulumi.export("gitlab_host", inputs.gitlab_host)
    pulumi.export("git_credentials", [credential.kind for credential in inputs.credentials])
    pulumi.export("registries", list(inputs.registries))


def _inputs() -> Inputs:
    """What is left out of the config has the value that it has on AWS."""
    config = pulumi.Config()
    secrets = {credential: config.get_secret(credential.kind) for credential in CREDENTIALS}
    logins: Mapping[str, object] = json.loads(config.get("registry_credentials") or "{}")
    return Inputs(
        stack=check_stack_name(pulumi.get_stack()),
        api_key_hash=config.require_secret("api_key_hash"),
        api_key_sha256_prefix=config.require("api_key_sha256_prefix"),
        function_zip=config.require("function_zip"),
        function_architecture=config.get("function_architecture") or "arm64",
        default_image=config.get("default_image") or DEFAULT_IMAGE,
        git_protocols=config.get("git_protocols") or "https:ssh",
        install_git=config.get("install_git") or "1",
        log_poll_seconds=config.get("log_poll_seconds") or "1",
        github_host=config.get("github_host") or "github.com",
        gitlab_host=config.get("gitlab_host") or "gitlab.com",
        credentials={kind: value for kind, value in secrets.items() if value is not None},
        registries={
            host: pulumi.Output.secret(json.dumps(logins[host])) for host in sorted(logins)
        },
    )


def _tags(stack: str, name: str | None = None) -> dict[str, str]:
    """name: for what AWS's console shows by its tag `Name`, having no name of its own."""
    return {STACK_TAG: stack, **({"Name": name} if name else {})}


def _network(stack: str) -> Network:
    """Two public subnets: a task needs no NAT gateway to get out, and nothing gets in."""
    vpc = aws.ec2.Vpc(
        "vpc",
        cidr_block="10.0.0.0/16",
        enable_dns_support=True,
        enable_dns_hostnames=True,
        tags=_tags(stack, f"{stack}-vpc"),
    )
    gateway = aws.ec2.InternetGateway("igw", vpc_id=vpc.id, tags=_tags(stack, f"{stack}-igw"))
    routes = aws.ec2.RouteTable("public", vpc_id=vpc.id, tags=_tags(stack, f"{stack}-public"))
    to_internet = aws.ec2.Route(
        "internet",
        route_table_id=routes.id,
        destination_cidr_block="0.0.0.0/0",
        gateway_id=gateway.id,
    )
    zones = aws.get_availability_zones_output(
        state="available",
        filters=[{"name": "zone-type", "values": ["availability-zone"]}],
        exclude_zone_ids=ZONES_WITHOUT_FARGATE,
    )
    subnets = [
        aws.ec2.Subnet(
            f"public-{number}",
            vpc_id=vpc.id,
            cidr_block=f"10.0.{number}.0/24",
            availability_zone=zones.names[number - 1],
            tags=_tags(stack, f"{stack}-public-{number}"),
            # A zone that AWS adds or takes out for a while must not move a subnet that stands.
            opts=pulumi.ResourceOptions(ignore_changes=["availabilityZone"]),
        )
        for number in (1, 2)
    ]
    associations = [
        aws.ec2.RouteTableAssociation(
            f"public-{number}", route_table_id=routes.id, subnet_id=subnet.id
        )
        for number, subnet in enumerate(subnets, 1)
    ]
    security_group = aws.ec2.SecurityGroup(
        "fargate",
        name=f"{stack}-fargate-sg",
        description="mycli tasks: everything out, nothing in",
        vpc_id=vpc.id,
        egress=[{"protocol": "-1", "from_port": 0, "to_port": 0, "cidr_blocks": ["0.0.0.0/0"]}],
        tags=_tags(stack, f"{stack}-fargate-sg"),
    )
    return Network(subnets, security_group, [to_internet, *associations])


def _cluster(stack: str) -> Cluster:
    """Where tasks run, and what is kept of them: their log, and one item for each execution."""
    cluster = aws.ecs.Cluster("cluster", name=f"{stack}-cluster", tags=_tags(stack))
    capacity = aws.ecs.ClusterCapacityProviders(
        "capacity",
        cluster_name=cluster.name,
        capacity_providers=["FARGATE", "FARGATE_SPOT"],
        default_capacity_provider_strategies=[{"capacity_provider": "FARGATE_SPOT", "weight": 1}],
    )
    logs = _log_group("task-logs", stack, f"/aws/mycli/{stack}")
    table = aws.dynamodb.Table(
        "executions",
        name=f"{stack}-executions",
        billing_mode="PAY_PER_REQUEST",
        hash_key="execution_id",
        attributes=[
            {"name": name, "type": "S"}
            for name in ("execution_id", "month", "task_arn", "task_definition")
        ],
        global_secondary_indexes=[
            _index("by-month", HASH="month", RANGE="execution_id"),
            _index("by-task", HASH="task_arn"),
            _index("by-task-definition", "KEYS_ONLY", HASH="task_definition", RANGE="execution_id"),
        ],
        ttl={"attribute_name": "expires_at", "enabled": True},
        tags=_tags(stack),
    )
    return Cluster(cluster, capacity, logs, table)


def _index(
    name: str, projection: str = "ALL", **keys: str
) -> aws.dynamodb.TableGlobalSecondaryIndexArgsDict:
    schema: list[aws.dynamodb.TableGlobalSecondaryIndexKeySchemaArgsDict] = [
        {"attribute_name": attribute, "key_type": key_type} for key_type, attribute in keys.items()
    ]
    return {"name": name, "key_schemas": schema, "projection_type": projection}


def _template(
    inputs: Inputs, logs: aws.cloudwatch.LogGroup, region: pulumi.Output[str]
) -> Template:
    """The task definition that the function copies for each image, and what it names."""
    stack = inputs.stack
    execution_role = _role(stack, "task-execution-role", "ecs-tasks.amazonaws.com")
    task_role = _role(stack, "task-role", "ecs-tasks.amazonaws.com")
    parameters = {
        credential: aws.ssm.Parameter(
            credential.name,
            name=credential.parameter(stack),
            type="SecureString",  # of 4 KB at most
            value=value,
            tags=_tags(stack),
        )
        for credential, value in inputs.credentials.items()
    }
    logins, versions = _registry_logins(inputs)
    execution_policy = aws.iam.RolePolicy(
        "task-execution",
        name=f"{stack}-task-execution",
        role=execution_role.name,
        policy=pulumi.Output.all(
            task_logs=logs.arn,
            parameters=[parameter.arn for parameter in parameters.values()],
            logins=[secret.arn for secret in logins.values()],
        ).apply(lambda arns: json.dumps(policies.execution_policy(**arns))),
    )
    task_definition = aws.ecs.TaskDefinition(
        "template",
        family=f"{stack}-task",
        requires_compatibilities=["FARGATE"],
        network_mode="awsvpc",
        cpu="256",
        memory="512",
        runtime_platform={"operating_system_family": "LINUX", "cpu_architecture": "X86_64"},
        execution_role_arn=execution_role.arn,
        task_role_arn=task_role.arn,
        container_definitions=pulumi.Output.json_dumps(
            [_container(inputs, logs.name, region, parameters)]
        ),
        tags=_tags(stack),
        opts=pulumi.ResourceOptions(depends_on=[execution_policy, *versions]),
    )
    return Template(task_definition, [execution_role, task_role], logins)


def _registry_logins(
    inputs: Inputs,
) -> tuple[Mapping[str, aws.secretsmanager.Secret], list[pulumi.Resource]]:
    """The secrets by host, and what is in them."""
    secrets = {
        host: aws.secretsmanager.Secret(
            f"registry-{host}",
            name=secret_name(inputs.stack, host),
            description=f"mycli: how tasks pull images from {host}",
            # Deleted, it is gone: kept for a while, it would keep its name from the next one.
            recovery_window_in_days=0,
            tags=_tags(inputs.stack),
        )
        for host in inputs.registries
    }
    versions: list[pulumi.Resource] = [
        aws.secretsmanager.SecretVersion(
            f"registry-{host}", secret_id=secret.id, secret_string=text
        )
        for (host, text), secret in zip(inputs.registries.items(), secrets.values(), strict=True)
    ]
    return secrets, versions


def _container(
    inputs: Inputs,
    log_group: pulumi.Output[str],
    region: pulumi.Output[str],
    parameters: Mapping[Credential, aws.ssm.Parameter],
) -> dict[str, object]:
    environment = {
        "MYCLI_GIT_PROTOCOLS": inputs.git_protocols,
        "MYCLI_GITHUB_HOST": inputs.github_host,
        "MYCLI_GITLAB_HOST": inputs.gitlab_host,
        "MYCLI_INSTALL_GIT": inputs.install_git,
    }
    secrets = [
        {"name": credential.variable, "valueFrom": parameter.arn}
        for credential, parameter in parameters.items()
    ]
    return {
        "name": CONTAINER_NAME,
        "image": inputs.default_image,
        "essential": True,
        "memory": 512,
        # Over the image's own entry point, which would swallow the script.
        "entryPoint": ["/bin/sh", "-c"],
        "command": [_task_script()],
        "stopTimeout": 120,  # the most that Fargate gives: terraform must let go of its lock
        "environment": [{"name": name, "value": value} for name, value in environment.items()],
        **({"secrets": secrets} if secrets else {}),
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": log_group,
                "awslogs-region": region,
                "awslogs-stream-prefix": "task",
                "mode": "blocking",  # ECS's own default drops lines under load
            },
        },
    }


def _function(
    inputs: Inputs, network: Network, cluster: Cluster, template: Template
) -> aws.lambda_.Function:
    """The orchestrator, made when all that its first request needs is there."""
    stack, name = inputs.stack, f"{inputs.stack}-orchestrator"
    role = _role(stack, "lambda-role", "lambda.amazonaws.com")
    # Without it Lambda would make one that outlives the stack.
    own_logs = _log_group("function-logs", stack, f"/aws/lambda/{name}")
    policy = aws.iam.RolePolicy(
        "lambda",
        name=f"{stack}-lambda",
        role=role.name,
        policy=pulumi.Output.all(
            cluster=cluster.cluster.arn,
            table=cluster.table.arn,
            task_logs=cluster.logs.arn,
            own_logs=own_logs.arn,
            task_roles=[role.arn for role in template.roles],
        ).apply(lambda arns: json.dumps(policies.function_policy(stack=stack, **arns))),
    )
    environment = {
        "MYCLI_STACK": stack,
        "API_KEY_HASH": inputs.api_key_hash,
        "API_KEY_SHA256_PREFIX": inputs.api_key_sha256_prefix,
        "MYCLI_TABLE": cluster.table.name,
        "MYCLI_CLUSTER": cluster.cluster.name,
        "MYCLI_LOG_GROUP": cluster.logs.name,
        "MYCLI_SUBNETS": pulumi.Output.all(*[s.id for s in network.subnets]).apply(",".join),
        "MYCLI_SECURITY_GROUP": network.security_group.id,
        "MYCLI_TEMPLATE": template.task_definition.arn,
        "MYCLI_DEFAULT_IMAGE": inputs.default_image,
        "MYCLI_LOG_POLL_SECONDS": inputs.log_poll_seconds,
        "MYCLI_REGISTRIES": pulumi.Output.json_dumps(
            {host: secret.arn for host, secret in template.logins.items()}
        ),
    }
    return aws.lambda_.Function(
        "orchestrator",
        name=name,
        role=role.arn,
        runtime="python3.13",
        architectures=[inputs.function_architecture],
        handler="orchestrator.handler.handler",
        code=pulumi.FileArchive(inputs.function_zip),
        memory_size=512,
        timeout=29,  # API Gateway waits no longer
        environment={"variables": environment},
        tags=_tags(stack),
        opts=pulumi.ResourceOptions(
            depends_on=[own_logs, policy, cluster.capacity, *network.way_out]
        ),
    )


def _task_events(stack: str, cluster: aws.ecs.Cluster, function: aws.lambda_.Function) -> None:
    """Each change of a task in this cluster invokes the function."""
    rule = aws.cloudwatch.EventRule(
        "task-state",
        name=f"{stack}-task-state",
        description="A task of this mycli stack has changed its state",
        event_pattern=pulumi.Output.json_dumps(
            {
                "source": ["aws.ecs"],
                "detail-type": ["ECS Task State Change"],
                "detail": {"clusterArn": [cluster.arn]},
            }
        ),
        tags=_tags(stack),
    )
    permission = aws.lambda_.Permission(
        "events",
        statement_id="AllowEventBridgeInvoke",
        action="lambda:InvokeFunction",
        function=function.name,
        principal="events.amazonaws.com",
        source_arn=rule.arn,
    )
    aws.cloudwatch.EventTarget(
        "task-state",
        rule=rule.name,
        target_id="orchestrator",
        arn=function.arn,
        opts=pulumi.ResourceOptions(depends_on=[permission]),
    )


def _api(stack: str, function: aws.lambda_.Function) -> aws.apigateway.Stage:
    """POST /execute. Nothing is logged: requests hold the key, and logging wants a role that is set
    for the whole account.
    """
    api = aws.apigateway.RestApi(
        "api",
        name=f"{stack}-api",
        description="mycli: starts and follows executions",
        endpoint_configuration={"types": "REGIONAL"},
        tags=_tags(stack),
    )
    resource = aws.apigateway.Resource(
        "execute", rest_api=api.id, parent_id=api.root_resource_id, path_part="execute"
    )
    method = aws.apigateway.Method(
        "post",
        rest_api=api.id,
        resource_id=resource.id,
        http_method="POST",
        authorization="NONE",  # the function checks the key
    )
    integration = aws.apigateway.Integration(
        "orchestrator",
        rest_api=api.id,
        resource_id=resource.id,
        http_method=method.http_method,
        type="AWS_PROXY",
        integration_http_method="POST",
        uri=function.invoke_arn,
    )
    declared = [
        [resource.id, resource.path_part],
        [method.id, method.http_method, method.authorization],
        [integration.id, integration.type, integration.uri],
    ]
    deployment = aws.apigateway.Deployment(
        "deployment",
        rest_api=api.id,
        triggers={"api": pulumi.Output.json_dumps(declared).apply(_digest)},
        opts=pulumi.ResourceOptions(depends_on=[method, integration]),
    )
    permission = aws.lambda_.Permission(
        "api",
        statement_id="AllowAPIGatewayInvoke",
        action="lambda:InvokeFunction",
        function=function.name,
        principal="apigateway.amazonaws.com",
        source_arn=pulumi.Output.concat(api.execution_arn, f"/{STAGE}/POST/execute"),
    )
    stage = aws.apigateway.Stage(
        "stage",
        rest_api=api.id,
        deployment=deployment.id,
        stage_name=STAGE,
        tags=_tags(stack),
        opts=pulumi.ResourceOptions(depends_on=[permission]),  # the door opens last
    )
    aws.apigateway.MethodSettings(
        "throttling",
        rest_api=api.id,
        stage_name=stage.stage_name,
        method_path="*/*",
        settings={"throttling_rate_limit": 50, "throttling_burst_limit": 100},
    )
    return stage


def _role(stack: str, name: str, service: str) -> aws.iam.Role:
    return aws.iam.Role(
        name,
        name=f"{stack}-{name}",
        assume_role_policy=json.dumps(policies.trust(service)),
        # Users give the task role what their commands need: that must not keep destroy from it.
        force_detach_policies=True,
        tags=_tags(stack),
    )


def _log_group(resource_name: str, stack: str, name: str) -> aws.cloudwatch.LogGroup:
    return aws.cloudwatch.LogGroup(
        resource_name, name=name, retention_in_days=LOG_RETENTION_DAYS, tags=_tags(stack)
    )


def _task_script() -> str:
    return importlib.resources.files("orchestrator").joinpath("task.sh").read_text("utf-8")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
