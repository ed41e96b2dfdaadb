"""What a row of the table consists of: figures, and targets that they reach or miss."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

# Ours, a peer's, or what bounds both from below.
Whose = Literal["ours", "peer", "floor"]


@dataclass(frozen=True)
class Figure:
    """What was measured of one thing, once or more. unit: ms, s, lines/s, MB, KB, $, calls, …"""

    of: str
    unit: str
    values: Sequence[float]
    whose: Whose = "ours"

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def to_json(self) -> dict[str, Any]:
        numbers = {"median": self.median, "min": min(self.values), "max": max(self.values)}
        return {"of": self.of, "unit": self.unit, "whose": self.whose, **numbers}

    def __str__(self) -> str:
        if len(self.values) == 1:
            return with_unit(self.median, self.unit)
        low, high = number(min(self.values)), number(max(self.values))
        return f"{with_unit(self.median, self.unit)} ({low} to {high})"


@dataclass(frozen=True)
class Target:
    """What a figure, most often a ratio, should be. value: None where it could not be measured."""

    what: str
    value: float | None
    limit: float
    unit: str = "x"
    at_least: bool = False

    @property
    def reached(self) -> bool | None:
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def wanted(self) -> str:
        return f"at {'least' if self.at_least else 'most'} {with_unit(self.limit, self.unit)}"

    @property
    def got(self) -> str:
        return "not measured" if self.value is None else with_unit(self.value, self.unit)

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "reached": self.reached}


@dataclass
class Row:
    """One file's results. how: what was done, in a sentence. notes: what is true of this run."""

    name: str
    title: str
    how: str
    figures: list[Figure] = field(default_factory=list[Figure])
    targets: list[Target] = field(default_factory=list[Target])
    notes: list[str] = field(default_factory=list[str])

    def to_json(self) -> dict[str, Any]:
        listed = {
            "figures": [figure.to_json() for figure in self.figures],
            "targets": [target.to_json() for target in self.targets],
        }
        return {**vars(self), **listed}


def number(value: float) -> str:
    """With three digits that count; 1,234,567 whole."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.2g}"


def with_unit(value: float, unit: str) -> str:
    if unit == "$":
        return f"${value:.6f}"
    return f"{number(value)}{'' if unit in ('x', '%') else ' '}{unit}".rstrip()


def ratio(of: Figure | None, to: Figure | None) -> float | None:
    """How many times the second median goes into the first; None where one is missing."""
    return of.median / to.median if of and to and to.median else None
