"""A test that is worth running long: a short run in the gate, the long one by `make soak`."""

from __future__ import annotations

import pytest


def sizes(short: int, long: int) -> pytest.MarkDecorator:
    """Gives the test its parameter `size`: how many examples, requests or rounds."""
    return pytest.mark.parametrize("size", [short, pytest.param(long, marks=pytest.mark.soak)])
