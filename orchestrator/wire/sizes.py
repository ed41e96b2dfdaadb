"""What a task may have of CPU, memory and architecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.wire.checks import is_text
from orchestrator.wire.messages import WireError, invalid

# A task's CPU, as Docker and GitHub write it; ECS writes the same in capitals.
ARCHITECTURES = ("x86_64", "arm64")

# vCPU units -> the MB of memory that Fargate takes with them.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
FARGATE_MEMORY: Mapping[int, Sequence[int]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
    16384: range(32768, 122880 + 1, 8192),
}
_CPUS = "one of " + ", ".join(map(str, FARGATE_MEMORY))


def is_arch(name: str, value: object) -> str:
    text = is_text(name, value)
    if text not in ARCHITECTURES:
        raise invalid(name, f"is {text[:80]!r}", "one of " + ", ".join(ARCHITECTURES))
    return text


def check_fargate_size(cpu: int | None, memory: int | None) -> None:
    """Raise a WireError (400) unless Fargate takes this pair; None means the stack's default."""
    if cpu is None and memory is None:
        return
    if cpu is None:
        raise WireError(400, "invalid request: memory needs cpu too", f"cpu must be {_CPUS}")
    if cpu not in FARGATE_MEMORY:
        raise invalid("cpu", f"is {cpu}", _CPUS)
    if memory not in FARGATE_MEMORY[cpu]:
        allowed = f"one of {', '.join(map(str, FARGATE_MEMORY[cpu]))} (with cpu {cpu})"
        if memory is None:
            raise WireError(
                400, "invalid request: cpu needs memory too", f"memory must be {allowed}"
            )
        raise invalid("memory", f"is {memory}", allowed)
