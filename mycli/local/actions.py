"""An action of an AWS service, as the emulator has it and as it is mended here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mycli.local import emulator

Request = dict[str, Any]
Action = Callable[[Request], Any]


class Refused(Exception):
    """An error as the service answers it."""

    def __init__(self, message: str, code: str = "InvalidParameterException") -> None:
        super().__init__(message)
        self.code = code


def answering(action: Action) -> Action:
    """The action, with what it refuses as an answer."""

    def answer(request: Request) -> Any:
        try:
            return action(request)
        except Refused as refusal:
            responses = emulator.module("core.responses")
            return responses.error_response_json(refusal.code, str(refusal), 400)

    return answer
