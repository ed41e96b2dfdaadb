"""One thing done with the stack mycli by a process of its own: `python -m tests.engine.child VERB`.

Settings are a JSON object in the second argument; STATE says where the state is. What is told goes
to stderr; stdout gets one JSON document: what was done, or the error.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from typing import Any

from mycli.errors import MycliError
from mycli.stack.automation import Settings, Stack


def main(verb: str, settings: str = "") -> int:
    stack = Stack("mycli", state=os.environ["STATE"] or None)
    given = [Settings(**json.loads(settings))] if settings else []
    try:
        result: Any = getattr(stack, verb)(*given, on_event=_tell)
        answer, code = dataclasses.asdict(result), 0
    except MycliError as error:
        answer, code = {"error": error.message, "hint": error.hint}, 1
    except KeyboardInterrupt:
        answer, code = {"error": "KeyboardInterrupt"}, 130
    sys.stdout.write(json.dumps(answer))
    return code


def _tell(sentence: str) -> None:
    sys.stderr.write(sentence + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
