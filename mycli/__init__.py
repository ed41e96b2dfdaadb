"""Run any command, in any Docker image, on any git repository, in your own AWS account."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from mycli.errors import (
    ApiError,
    ConfigError,
    EndpointError,
    ExecutionFailed,
    ExecutionNotFound,
    LocalAccountError,
    MycliError,
    StackError,
    Throttled,
    Unauthorized,
    UsageError,
)

if TYPE_CHECKING:
    from mycli.client import Client
    from mycli.execution import Execution, Line

__version__ = "0.1.0"

__all__ = [
    "ApiError",
    "Client",
    "ConfigError",
    "EndpointError",
    "Execution",
    "ExecutionFailed",
    "ExecutionNotFound",
    "Line",
    "LocalAccountError",
    "MycliError",
    "StackError",
    "Throttled",
    "Unauthorized",
    "UsageError",
    "__version__",
]

# Imported when first used, as the command line imports this package to say its version.
_LAZY = {"Client": "client", "Execution": "execution", "Line": "execution"}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
