from __future__ import annotations

import pytest

from orchestrator.costs import estimate_usd

HOUR = 3600.0


@pytest.mark.parametrize(
    ("architecture", "provider", "per_cpu", "per_gb"),
    [
        ("X86_64", "FARGATE", 0.04048, 0.004445),
        ("X86_64", None, 0.04048, 0.004445),
        ("X86_64", "FARGATE_SPOT", 0.01242124, 0.00136308),
        ("ARM64", "FARGATE", 0.03238, 0.00356),
    ],
)
def test_an_hour_of_one_vcpu_and_two_gb(
    architecture: str, provider: str | None, per_cpu: float, per_gb: float
) -> None:
    cost = estimate_usd(
        cpu=1024,
        memory=2048,
        architecture=architecture,
        capacity_provider=provider,
        seconds=HOUR,
    )

    assert cost == pytest.approx(per_cpu + 2 * per_gb, abs=1e-6)


def cost_of(seconds: float, provider: str = "FARGATE") -> float:
    return estimate_usd(
        cpu=256, memory=512, architecture="ARM64", capacity_provider=provider, seconds=seconds
    )


def test_a_minute_is_the_least() -> None:
    assert cost_of(0) == cost_of(1) == cost_of(60) < cost_of(90)


def test_spot_on_arm_costs_less() -> None:
    assert cost_of(HOUR, "FARGATE_SPOT") < 0.4 * cost_of(HOUR)
