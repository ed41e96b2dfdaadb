"""One run of the smoke test: typing commands, judging what they do, and keeping count."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Failed(Exception):
    """A check did not hold; its words say what was seen."""


@dataclass
class Check:
    name: str
    verdict: str
    seconds: float
    said: str = ""


@dataclass
class Smoke:
    """One run. stack: its random name; folder: what it keeps on this machine, MYCLI_HOME in it."""

    local: bool
    region: str | None
    state: str | None
    repository: str
    folder: Path
    stack: str = field(default_factory=lambda: f"smoke-{secrets.token_hex(3)}")
    checks: list[Check] = field(default_factory=list[Check])
    api_key: str = field(default="", repr=False)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def where(self) -> list[str]:
        """The flags that say where the stack is."""
        if self.local:
            return ["--local"]
        region = ["--region", self.region] if self.region else []
        return [*region, *(["--state", self.state] if self.state else [])]

    # --- Typing commands -----------------------------------------------------------------------

    def mycli(
        self,
        *words: str,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        apart: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """apart: where a terminal's Ctrl-C does not reach it."""
        return self._python("-m", "mycli", *words, env=env, stdin=stdin, apart=apart)

    def script(self, text: str) -> str:
        """What a Python program prints that uses the stack."""
        ran = self._python("-c", text, env={"MYCLI_PROFILE": self.stack})
        if ran.returncode:
            raise Failed(ran.stderr.strip()[-600:])
        return ran.stdout.strip()

    def _python(
        self,
        *words: str,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
        apart: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("MYCLI_")}
        own = {"MYCLI_HOME": str(self.home), "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            [sys.executable, *words],
            env={**kept, **own, **(env or {})},
            cwd=self.folder,
            input=stdin,
            capture_output=True,
            text=True,
            start_new_session=apart,
            check=False,
        )

    def expect(
        self, code: int, *words: str, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        ran = self.mycli(*words, env=env, stdin=stdin)
        if ran.returncode != code:
            raise Failed(
                f"mycli {' '.join(words)[:80]}: exit code {ran.returncode} instead of {code}: "
                f"{(ran.stderr or ran.stdout).strip()[-600:]}"
            )
        return ran

    def document(self, verb: str, *words: str) -> Any:
        return json.loads(self.expect(0, verb, "--json", *words).stdout)

    def run(self, *words: str, code: int = 0, env: Mapping[str, str] | None = None) -> str:
        """`exec -f`; the stdout."""
        return self.expect(code, "exec", "-f", "--profile", self.stack, *words, env=env).stdout

    def read_destroyed(self, document: str) -> str:
        """What `destroy --json` did. Raises Failed for leftovers."""
        gone = json.loads(document)
        if gone["leftovers"]:
            raise Failed(f"left behind: {', '.join(gone['leftovers'])}")
        stopped, definitions = gone["tasks_stopped"], gone["task_definitions"]["deleted"]
        return (
            f"{gone['resources_deleted']} resources, {definitions} task definitions, "
            f"{gone['repositories_deleted']} repository; {stopped} task stopped"
        )

    # --- Judging -------------------------------------------------------------------------------

    def check(self, name: str, act: Callable[[], str | None]) -> bool:
        """Do it, and note how it went; what it returns says what was proved."""
        started = time.monotonic()
        try:
            verdict, words = "ok", act() or ""
        except Failed as failed:
            verdict, words = "FAILED", str(failed)
        except Exception as error:  # noqa: BLE001 - whatever it is, the stack must be destroyed
            verdict, words = "FAILED", f"{type(error).__name__}: {error}"
        self.note(name, verdict, time.monotonic() - started, words)
        return verdict == "ok"

    def note(self, name: str, verdict: str, seconds: float, words: str) -> None:
        self.checks.append(Check(name, verdict, seconds, words))
        told = " | ".join(words.splitlines())
        say(f"  {verdict:<7} {name} ({seconds:.0f} s){': ' + told if told else ''}")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def same(seen: object, wanted: object) -> None:
    if seen != wanted:
        raise Failed(f"{seen!r} instead of {wanted!r}")
