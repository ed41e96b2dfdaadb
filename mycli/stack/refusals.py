"""What the words of AWS and of the engine mean to a user: what happened, and what to do.

The same refusal comes in three shapes: from boto3, from the aws provider (the Go SDK's, a Terraform
provider's around it), and from the engine itself.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator
from dataclasses import dataclass
from typing import NamedTuple

from mycli.errors import AwsCredentialsError, StackError

# boto3: An error occurred (Code) when calling the CreateVpc operation: words
# provider: ... operation error EC2: CreateVpc, https response error StatusCode: 400,
#   RequestID: ..., api error Code: words       (some services leave out `api error`)
# provider, older services: error creating VPC: Code: words
_SAID = (
    re.compile(
        r"An error occurred \((?P<code>[\w.]+)\) when calling the (?P<operation>\w+) operation"
        r"(?: \(reached max retries: \d+\))?: (?P<words>.*)",
        re.DOTALL,
    ),
    re.compile(
        r"operation error (?P<service>[\w ]+): (?P<operation>\w+), .*?"
        r"(?:api error |RequestID: [^,]*, (?:HostID: [^,]*, )?)"
        r"(?P<code>(?!HostID)[A-Z][\w.]+): (?P<words>.*)",
        re.DOTALL,
    ),
    re.compile(r"\b(?P<code>[A-Z]\w*(?:\.\w+)?): (?P<words>[A-Z].*)", re.DOTALL),
)
_ACTION = re.compile(r"not authorized to perform: ([\w-]+:\w+)")
_NAMED = re.compile(r"action: ([\w-]+:\w+)|allows the ([\w-]+:\w+) action")
_NOISE = re.compile(
    r"\s*(?:Encoded authorization failure message: \S+|status code: \d+, request id: \S+)"
)

POLICY = "the actions that are needed: mycli init --print-policy"
_AGAIN = "run the same command again: it goes on where it stopped"
_LOGIN = "log in again (for example: aws sso login), or set AWS_PROFILE, then the same command"
_SET_UP = "set AWS_PROFILE, or run `aws configure` or `aws sso login`"


@dataclass(frozen=True)
class Refusal:
    message: str
    hint: str
    kind: type[StackError] = StackError

    def error(self, what: str = "") -> StackError:
        """what: the resource that it is about."""
        return self.kind(f"{what}: {self.message}" if what else self.message, self.hint)


class _Row(NamedTuple):
    """One meaning: the codes and the words that say it. {words}: AWS's own."""

    codes: str
    words: str
    message: str
    hint: str
    kind: type[StackError] = StackError


# The first row whose code matches whole is the one, else the first whose words are found.
_ROWS = (
    _Row(
        r"ExpiredToken(Exception)?|RequestExpired|TokenRefreshRequired",
        r"token included in the request is expired|(SSO|session)[^.]* has expired"
        r"|Token has expired|refresh failed|expired and refresh",
        "the AWS credentials have expired",
        _LOGIN,
        AwsCredentialsError,
    ),
    _Row(
        r"OptInRequired|SubscriptionRequiredException",
        r"not subscribed to this service|Opt-?in|region is disabled|not enabled for this account",
        "AWS does not let this account use the service or the region: {words}",
        "enable the region (AWS console: Account, AWS Regions), or choose another: --region",
    ),
    _Row(
        r"InvalidClientTokenId|UnrecognizedClientException|InvalidAccessKeyId|AuthFailure"
        r"|SignatureDoesNotMatch|IncompleteSignature|MissingAuthenticationToken\w*",
        r"Invalid credentials configured|security token included in the request is invalid",
        "AWS does not take these credentials: {words}",
        "check AWS_PROFILE and the keys; a region that is not enabled in the account answers so, "
        "too (AWS console: Account, AWS Regions)",
        AwsCredentialsError,
    ),
    _Row(
        r"NoCredentialsError",
        r"Unable to locate credentials|No valid credential sources found"
        r"|failed to refresh cached credentials|no EC2 IMDS role found",
        "there are no AWS credentials",
        _SET_UP,
        AwsCredentialsError,
    ),
    _Row(
        r"",
        r"config profile \(.*\) could not be found|Partial credentials found"
        r"|Error when retrieving credentials|Error loading SSO Token|Unable to parse config file"
        r"|Invalid region|The SSO|web identity",
        "{words}",
        _SET_UP,
        AwsCredentialsError,
    ),
    _Row(
        r"RequestTimeTooSkewed",
        r"Signature expired|not yet current|too large.*(clock|time)",
        "the clock of this machine is wrong: {words}",
        "set the clock, then run the same command again",
    ),
    _Row(
        r"Throttl\w*|RequestLimitExceeded|TooManyRequests\w*|SlowDown|PriorRequestNotComplete"
        r"|RequestThrottled\w*|BandwidthLimitExceeded",
        r"Rate exceeded|retry quota exceeded|Too Many Requests",
        "AWS asks to go slower: {words}",
        "wait a minute, then run the same command again: it goes on where it stopped",
    ),
    _Row(
        r"VpcLimitExceeded|InternetGatewayLimitExceeded|\w*LimitExceeded(Exception)?"
        r"|LimitExceeded|ServiceQuotaExceededException|Resource\w*LimitExceeded\w*"
        r"|TooManyBuckets|ParameterLimitExceeded|CodeStorageExceededException",
        r"maximum number of \w[\w ]* has been reached"
        r"|limit (is|of|for|has been) .*(reached|exceeded)",
        "a limit of the account is reached: {words}",
        "delete what is not needed, choose another --region, or ask for more "
        "(AWS console: Service Quotas); then the same command goes on",
    ),
    _Row(
        r"EntityAlreadyExists\w*|ResourceAlreadyExistsException|ResourceInUseException"
        r"|\w*AlreadyExists(Exception)?|InvalidGroup\.Duplicate|ResourceConflictException"
        r"|ConflictException|BucketAlreadyExists",
        r"already exists?\b",
        "the name is taken: {words}",
        "something of that name is in the account that this stack's state does not know: "
        "delete it, or choose another --stack-name",
    ),
    _Row(
        r"",
        r"scheduled for deletion|marked for deletion",
        "the name is taken for some days yet: {words}",
        "delete that secret at once (aws secretsmanager delete-secret --secret-id NAME "
        "--force-delete-without-recovery), then run the same command again",
    ),
    _Row(
        r"(Resource|Parameter)?NotFound(Exception)?|NoSuch(Entity|Bucket)\w*"
        r"|Invalid\w+ID\.NotFound",
        r"Function not found",
        "something of the stack is gone from the account: {words}",
        "`mycli init` makes it anew",
    ),
    _Row(
        r"ServiceUnavailable\w*|Internal\w*|ServiceException|ServerException|RequestTimeout",
        r"connection reset|timeout|TLS handshake|unexpected EOF|StatusCode: 5\d\d",
        "AWS could not do it now: {words}",
        _AGAIN,
    ),
    _Row(
        r"EndpointConnectionError",
        r"Could not connect to the endpoint|no such host|dial tcp|Connect timeout"
        r"|Failed to connect to proxy|Connection was closed",
        "AWS cannot be reached: {words}",
        "check the network, HTTPS_PROXY and --region",
    ),
)
_DENIED = re.compile(
    r"AccessDenied\w*|UnauthorizedOperation|AuthorizationError\w*|NotAuthorized\w*|Forbidden|403"
)
_EXPLICIT = re.compile(r"explicit deny(?: in an? ([\w -]+?policy|permissions boundary))?")

# The engine's own.
_ENGINE = (
    (
        re.compile(r"incorrect passphrase"),
        "the passphrase does not fit the state",
        "put the right one back (in the account: an earlier version of the SSM parameter "
        "/mycli-state/passphrase), or name the right place: --state",
    ),
    (
        re.compile(r"passphrase must be set|PULUMI_CONFIG_PASSPHRASE"),
        "the passphrase of the state is not known",
        "set PULUMI_CONFIG_PASSPHRASE",
    ),
    (
        re.compile(r"could not find plugin|no resource plugin|failed to download plugin"),
        "the aws plugin of the engine cannot be had: {words}",
        "check the network and HTTPS_PROXY, then run the same command again",
    ),
    (
        re.compile(r"no space left on device"),
        "the disk is full: {words}",
        "make room, then run the same command again: it goes on where it stopped",
    ),
    (
        re.compile(r"unable to check if bucket .* is accessible|invalid backend|no such bucket"),
        "the state cannot be read: {words}",
        "check --state and the credentials for it",
    ),
    (
        re.compile(r"newer version of the (Pulumi )?CLI|please upgrade"),
        "the state was written by a newer engine: {words}",
        "update the `pulumi` that is on PATH",
    ),
)


def explain(text: str) -> Refusal:
    """text: an error as it was printed."""
    for pattern, message, hint in _ENGINE:
        if pattern.search(text):
            return Refusal(message.format(words=_short(text)), hint)
    code, operation, words = _read(text)
    if _DENIED.fullmatch(code) or _ACTION.search(text):
        return _denied(operation, text, words)
    by_code = (row for row in _ROWS if row.codes and re.fullmatch(row.codes, code))
    by_words = (row for row in _ROWS if re.search(row.words, text, re.IGNORECASE))
    if row := next(by_code, None) or next(by_words, None):
        return Refusal(row.message.format(words=words), row.hint, row.kind)
    return Refusal(f"{code}: {words}" if code else words, _AGAIN)


@contextlib.contextmanager
def explained() -> Generator[None]:
    """Say as a StackError what boto3 raises."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise explain(str(error)).error() from error


def _denied(operation: str, text: str, words: str) -> Refusal:
    found = _ACTION.search(text) or _NAMED.search(text)
    action = next(filter(None, found.groups()), "") if found else operation
    asked = action or "what is needed"
    if explicit := _EXPLICIT.search(text):
        by = explicit[1] or "policy"
        return Refusal(
            f"AWS forbids {asked}: an explicit deny in a {by}",
            "no permission of yours lifts that: ask whoever keeps the account's policies",
        )
    return Refusal(f"you have no permission for {asked}: {words}", POLICY)


def _read(text: str) -> tuple[str, str, str]:
    """Code, operation and words; the code is empty where there is none."""
    for pattern in _SAID:
        if found := pattern.search(text):
            parts = found.groupdict()
            return parts["code"], parts.get("operation") or "", _short(parts["words"])
    return "", "", _short(text)


def _short(text: str) -> str:
    """One line, without what only AWS's support can read."""
    lines = [line.strip(" \t*") for line in _NOISE.sub("", text).splitlines()]
    lines = [line for line in lines if line and not re.fullmatch(r"\d+ errors? occurred:", line)]
    return " ".join(lines[:3]).removeprefix("error: ") or "no reason was given"
