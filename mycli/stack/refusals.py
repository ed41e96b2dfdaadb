"""What AWS's or the engine's words mean to a user."""

from __future__ import annotations

from typing import NamedTuple


class Refusal(NamedTuple):
    message: str
    hint: str


def explain(words: str) -> Refusal:
    return Refusal(words.strip(), "run the same command again")
