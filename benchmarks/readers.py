"""The two peers that read CloudWatch Logs, asked for one stream of the account on this machine."""

from __future__ import annotations

from benchmarks.bench import MYCLI, Bench
from benchmarks.measure import Command

GROUP = "/aws/mycli/mycli"


def environment(bench: Bench) -> dict[str, str]:
    """What the peers are given: the account's own keys, and no buffering in front of a pipe."""
    account = bench.account()
    return {
        **bench.environment,
        "AWS_ACCESS_KEY_ID": account["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": account["secret_access_key"],
        "AWS_REGION": account["region"],
        "AWS_DEFAULT_REGION": account["region"],
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONUNBUFFERED": "1",
    }


def commands(bench: Bench, execution_id: str, stream: str, *, follow: bool) -> dict[str, Command]:
    """Name -> what prints this execution's log, and goes on with it where `follow`."""
    account = bench.account()
    origin = f"http://127.0.0.1:{account['port']}"
    mycli = (MYCLI, "logs", *(["-f", "--raw"] if follow else []), execution_id)
    found: dict[str, Command] = {"mycli logs -f" if follow else "mycli logs": mycli}
    if bench.peers.aws:
        tail = (bench.peers.aws, "--endpoint-url", origin, "logs", "tail", GROUP)
        how = ("--log-stream-names", stream, "--since", "1h", "--format", "short")
        name = "aws logs tail --follow" if follow else "aws logs tail"
        found[name] = (*tail, *how, *(["--follow"] if follow else []))
    if bench.peers.awslogs:
        get = (bench.peers.awslogs, "get", GROUP, stream, "--aws-endpoint-url", origin)
        how = ("--aws-region", account["region"], "--start", "1h", "--no-group", "--no-stream")
        name = "awslogs get --watch" if follow else "awslogs get"
        found[name] = (*get, *how, *(["--watch"] if follow else []))
    return found
