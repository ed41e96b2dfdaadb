"""Texts as the aws provider, boto3 and the engine print them: what each comes to."""

from __future__ import annotations

import boto3
import botocore.exceptions
import pytest
from botocore.stub import Stubber

from mycli.errors import AwsCredentialsError, StackError
from mycli.stack.refusals import explain, explained

ID = "RequestID: 6b1c4a1e-0f4c-4f53-9f9a-1d0c4d0a7e11"
ME = "User: arn:aws:iam::123456789012:user/dev is not authorized to perform:"
ROLE = "arn:aws:iam::123456789012:role/mycli-lambda-role"


def provider(what: str, service: str, operation: str, status: int, said: str) -> str:
    """The Go SDK's words, as the provider and the engine wrap them."""
    return (
        f"1 error occurred:\n\t* {what}: operation error {service}: {operation}, "
        f"https response error StatusCode: {status}, {ID}, {said}\n\n"
    )


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        pytest.param(
            provider(
                "creating EC2 VPC",
                "EC2",
                "CreateVpc",
                400,
                "api error VpcLimitExceeded: The maximum number of VPCs has been reached.",
            ),
            "a limit of the account is reached: The maximum number of VPCs has been reached.",
            "Service Quotas",
            id="VPCs",
        ),
        pytest.param(
            provider(
                "creating EC2 Internet Gateway",
                "EC2",
                "CreateInternetGateway",
                400,
                "api error InternetGatewayLimitExceeded: The maximum number of internet gateways "
                "has been reached.",
            ),
            "a limit of the account is reached: The maximum number of internet gateways "
            "has been reached.",
            "Service Quotas",
            id="gateways",
        ),
        pytest.param(
            provider(
                "creating IAM Role (mycli-lambda-role)",
                "IAM",
                "CreateRole",
                409,
                "LimitExceeded: Cannot exceed quota for RolesPerAccount: 1000.",
            ),
            "a limit of the account is reached: Cannot exceed quota for RolesPerAccount: 1000.",
            "Service Quotas",
            id="roles",
        ),
        pytest.param(
            provider(
                "creating Secrets Manager Secret (mycli/mycli/registry/ghcr.io)",
                "Secrets Manager",
                "CreateSecret",
                400,
                "InvalidRequestException: You can't create this secret because a secret with this "
                "name is already scheduled for deletion.",
            ),
            "the name is taken for some days yet: You can't create this secret because a secret "
            "with this name is already scheduled for deletion.",
            "--force-delete-without-recovery",
            id="a secret that somebody deleted for later",
        ),
        pytest.param(
            provider(
                "creating IAM Role (mycli-lambda-role)",
                "IAM",
                "CreateRole",
                403,
                f"api error AccessDenied: {ME} iam:CreateRole on resource: {ROLE} because no "
                "identity-based policy allows the iam:CreateRole action",
            ),
            f"you have no permission for iam:CreateRole: {ME} iam:CreateRole on resource: {ROLE} "
            "because no identity-based policy allows the iam:CreateRole action",
            "mycli init --print-policy",
            id="denied",
        ),
        pytest.param(
            provider(
                "creating EC2 VPC",
                "EC2",
                "CreateVpc",
                403,
                "api error UnauthorizedOperation: You are not authorized to perform this operation."
                f" {ME} ec2:CreateVpc on resource: arn:aws:ec2:eu-west-1:123456789012:vpc/* because"
                " no identity-based policy allows the ec2:CreateVpc action. Encoded authorization "
                "failure message: QXdPNaIegKKNwIX54FPmRmeyDRnNY5FRj5xftd0oRvzujmvMcr3GIS",
            ),
            "you have no permission for ec2:CreateVpc: You are not authorized to perform this "
            f"operation. {ME} ec2:CreateVpc on resource: arn:aws:ec2:eu-west-1:123456789012:vpc/* "
            "because no identity-based policy allows the ec2:CreateVpc action.",
            "mycli init --print-policy",
            id="denied, encoded",
        ),
        pytest.param(
            provider(
                "reading Lambda Function (mycli-orchestrator)",
                "Lambda",
                "GetFunction",
                403,
                f"api error AccessDeniedException: {ME} lambda:GetFunction on resource: "
                "arn:aws:lambda:eu-west-1:123456789012:function:mycli-orchestrator with an "
                "explicit deny in a service control policy",
            ),
            "AWS forbids lambda:GetFunction: an explicit deny in a service control policy",
            "ask whoever keeps the account's policies",
            id="SCP",
        ),
        pytest.param(
            "An error occurred (AccessDenied) when calling the CreateBucket operation: "
            "Access Denied",
            "you have no permission for CreateBucket: Access Denied",
            "mycli init --print-policy",
            id="denied by S3, which names no action",
        ),
        pytest.param(
            "error: read .pulumi/meta.yaml: blob (key) (code=Unknown): operation error S3: "
            f"GetObject, https response error StatusCode: 403, {ID}, HostID: f0UK/OR7afx=, "
            "api error Forbidden: Forbidden",
            "you have no permission for GetObject: Forbidden",
            "mycli init --print-policy",
            id="denied by S3 to the engine",
        ),
        pytest.param(
            provider(
                "creating IAM Role (mycli-lambda-role)",
                "IAM",
                "CreateRole",
                409,
                "EntityAlreadyExists: Role with name mycli-lambda-role already exists.",
            ),
            "the name is taken: Role with name mycli-lambda-role already exists.",
            "--stack-name",
            id="role taken",
        ),
        pytest.param(
            provider(
                "creating CloudWatch Logs Log Group (/aws/mycli/mycli)",
                "CloudWatch Logs",
                "CreateLogGroup",
                400,
                "ResourceAlreadyExistsException: The specified log group already exists",
            ),
            "the name is taken: The specified log group already exists",
            "--stack-name",
            id="log group taken",
        ),
        pytest.param(
            provider(
                "creating AWS DynamoDB Table (mycli-executions)",
                "DynamoDB",
                "CreateTable",
                400,
                "ResourceInUseException: Table already exists: mycli-executions",
            ),
            "the name is taken: Table already exists: mycli-executions",
            "--stack-name",
            id="table taken",
        ),
        pytest.param(
            "operation error EC2: DescribeVpcs, exceeded maximum number of attempts, 25, https "
            f"response error StatusCode: 503, {ID}, api error RequestLimitExceeded: Request limit "
            "exceeded.",
            "AWS asks to go slower: Request limit exceeded.",
            "it goes on where it stopped",
            id="throttled",
        ),
        pytest.param(
            "An error occurred (ThrottlingException) when calling the DescribeTasks operation "
            "(reached max retries: 4): Rate exceeded",
            "AWS asks to go slower: Rate exceeded",
            "it goes on where it stopped",
            id="throttled, boto3",
        ),
        pytest.param(
            "An error occurred (OptInRequired) when calling the DescribeVpcs operation: You are "
            "not subscribed to this service. Please go to http://aws.amazon.com to subscribe.",
            "AWS does not let this account use the service or the region: You are not subscribed "
            "to this service. Please go to http://aws.amazon.com to subscribe.",
            "--region",
            id="not enabled",
        ),
        pytest.param(
            'Could not connect to the endpoint URL: "https://sts.eu-west-9.amazonaws.com/"',
            "AWS cannot be reached: Could not connect to the endpoint URL: "
            '"https://sts.eu-west-9.amazonaws.com/"',
            "--region",
            id="unreachable",
        ),
        pytest.param(
            "error: failed to decrypt: incorrect passphrase, please set PULUMI_CONFIG_PASSPHRASE "
            "to the correct passphrase or set PULUMI_CONFIG_PASSPHRASE_FILE to a file containing "
            "the passphrase",
            "the passphrase does not fit the state",
            "--state",
            id="passphrase",
        ),
        pytest.param(
            provider(
                "updating Lambda Function (mycli-orchestrator) code",
                "Lambda",
                "UpdateFunctionCode",
                404,
                "ResourceNotFoundException: Function not found",
            ),
            "something of the stack is gone from the account: Function not found",
            "`mycli init`",
            id="gone",
        ),
        pytest.param(
            provider("creating EC2 Subnet", "EC2", "CreateSubnet", 400, "api error Odd.Thing: Hm."),
            "Odd.Thing: Hm.",
            "it goes on where it stopped",
            id="anything else",
        ),
        pytest.param("", "no reason was given", "it goes on where it stopped", id="nothing"),
    ],
)
def test_a_refusal_says_what_happened_and_what_to_do(text: str, message: str, hint: str) -> None:
    refusal = explain(text)
    assert refusal.message == message
    assert hint in refusal.hint
    assert refusal.kind is StackError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Unable to locate credentials", "there are no AWS credentials"),
        (
            "pulumi:providers:aws resource 'default_7_51_1' has a problem: No valid credential "
            "sources found.\nPlease see https://www.pulumi.com/registry/packages/aws/ for more",
            "there are no AWS credentials",
        ),
        (
            "An error occurred (ExpiredToken) when calling the GetCallerIdentity operation: The "
            "security token included in the request is expired",
            "the AWS credentials have expired",
        ),
        (
            "validating provider credentials: retrieving caller identity from STS: operation "
            f"error STS: GetCallerIdentity, https response error StatusCode: 403, {ID}, api error "
            "ExpiredToken: The security token included in the request is expired",
            "the AWS credentials have expired",
        ),
        (
            "Error when retrieving token from sso: Token has expired and refresh failed",
            "the AWS credentials have expired",
        ),
        (
            "The SSO session associated with this profile has expired or is otherwise invalid. To "
            "refresh this SSO session run aws sso login with the corresponding profile.",
            "the AWS credentials have expired",
        ),
        (
            "An error occurred (InvalidClientTokenId) when calling the GetCallerIdentity "
            "operation: The security token included in the request is invalid.",
            "AWS does not take these credentials: The security token included in the request is "
            "invalid.",
        ),
        (
            "The config profile (prod) could not be found",
            "The config profile (prod) could not be found",
        ),
    ],
)
def test_credentials_are_an_error_of_their_own(text: str, message: str) -> None:
    refusal = explain(text)
    assert (refusal.message, refusal.kind) == (message, AwsCredentialsError)
    assert "AWS_PROFILE" in refusal.hint


def test_what_boto3_raises_is_said_in_the_same_words() -> None:
    given = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "eu-west-1"}
    iam = boto3.client("iam", **given)
    with Stubber(iam) as stub:
        stub.add_client_error("get_role", "AccessDenied", f"{ME} iam:GetRole on resource: {ROLE}")
        with pytest.raises(StackError, match="no permission for iam:GetRole"), explained():
            iam.get_role(RoleName="mycli-lambda-role")
    with pytest.raises(AwsCredentialsError, match="there are no AWS credentials"), explained():
        raise botocore.exceptions.NoCredentialsError
