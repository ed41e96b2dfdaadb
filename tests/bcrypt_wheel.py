"""The function's bcrypt, as the index that pip is set up with here has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mycli.errors import StackError
from mycli.stack import wheel


@pytest.fixture(scope="session")
def bcrypt_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real wheel, in a cache of its own."""
    cache = tmp_path_factory.mktemp("wheel")
    try:
        wheel.function_bcrypt(cache, lambda _: None)
    except StackError as error:
        if "cannot be reached" in error.message:
            pytest.skip(error.message)
        raise
    return cache / wheel.NAME
