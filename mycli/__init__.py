"""Run any command, in any Docker image, on any git repository, in your own AWS account."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from mycli.errors import (
    ApiError,
    AwsCredentialsError,
    ConfigError,
    EndpointError,
    EngineError,
    ExecutionFailed,
    ExecutionNotFound,
    ImageNotFound,
    LocalAccountError,
    MycliError,
    StackError,
    StackLocked,
    Throttled,
    Unauthorized,
    UsageError,
)

if TYPE_CHECKING:
    from mycli.client import Client
    from mycli.execution import Execution
    from mycli.lines import Line, Lines
    from mycli.stack.automation import Settings, Stack
    from mycli.stack.registries import RegistryLogin

__version__ = "0.1.0"

__all__ = [
    "ApiError",
    "AwsCredentialsError",
    "Client",
    "ConfigError",
    "EndpointError",
    "EngineError",
    "Execution",
    "ExecutionFailed",
    "ExecutionNotFound",
    "ImageNotFound",
    "Line",
    "Lines",
    "LocalAccountError",
    "MycliError",
    "RegistryLogin",
    "Settings",
    "Stack",
    "StackError",
    "StackLocked",
    "Throttled",
    "Unauthorized",
    "UsageError",
    "__version__",
]

# Imported when first used, as the command line imports this package to say its version.
_LAZY = {
    "Client": "client",
    "Execution": "execution",
    "Line": "lines",
    "Lines": "lines",
    "RegistryLogin": "stack.registries",
    "Settings": "stack.automation",
    "Stack": "stack.automation",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
