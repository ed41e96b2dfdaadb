"""What an execution costs on Fargate: an estimate, for people.

Prices of us-east-1, Linux; other regions differ by some per cent. https://aws.amazon.com/fargate/pricing/
"""

from __future__ import annotations

SPOT = "FARGATE_SPOT"
MINIMUM_SECONDS = 60

# (architecture, whether Spot) -> dollars per vCPU-hour and per GB-hour. Spot moves with demand;
# for arm64 it is taken at the discount that x86 has.
_PRICES = {
    ("X86_64", False): (0.04048, 0.004445),
    ("X86_64", True): (0.01242124, 0.00136308),
    ("ARM64", False): (0.03238, 0.00356),
    ("ARM64", True): (0.00993577, 0.00109169),
}


def estimate_usd(
    *, cpu: int, memory: int, architecture: str, capacity_provider: str | None, seconds: float
) -> float:
    """Dollars for so many seconds of so many vCPU units (1024 = one) and MB, a minute at least."""
    per_cpu, per_gb = _PRICES[architecture, capacity_provider == SPOT]
    hours = max(seconds, MINIMUM_SECONDS) / 3600
    return round((cpu / 1024 * per_cpu + memory / 1024 * per_gb) * hours, 6)
