"""Where everything is measured: a machine of its own, with an account that is gone afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from benchmarks import measure, peers
from benchmarks.measure import Ran

ROOT = Path(__file__).parents[1]
PYTHON = Path(sys.executable)
MYCLI = PYTHON.with_name("mycli")
_NOT_OURS = ("AWS_", "MYCLI_", "PULUMI_", "PYTHONDONTWRITEBYTECODE")


@dataclass
class Bench:
    """root: the temporary folder. quick: fewer rounds and smaller sizes.

    environment: all that a measured program gets; its home is in the folder.
    """

    root: Path
    quick: bool
    peers: peers.Peers
    environment: dict[str, str]
    closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _has_stack: bool = False

    def pick(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def mycli(self, *words: str, stdout: Path | None = None, **more: str) -> Ran:
        """Run the command as a user does."""
        return measure.run((MYCLI, *words), {**self.environment, **more}, stdout)

    def ask(self, *words: str) -> Any:
        """What a verb answers under --json, of a stack that is made first. Raises RuntimeError."""
        self.stack()
        return json.loads(self.act(MYCLI, *words))

    def stack(self) -> None:
        """An account on this machine with a stack in it, made when it is first needed."""
        if self._has_stack:
            return
        self._has_stack = True
        self.closing.callback(self.act, MYCLI, "destroy", "--force")
        self.act(MYCLI, "init", "--local", "--force", "--runtime", "process")

    def act(self, *command: str | Path) -> bytes:
        """Run a program that is not measured; gives its stdout. Raises RuntimeError."""
        ran = subprocess.run(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if ran.returncode:
            words = " ".join(map(str, command))[:100]
            raise RuntimeError(f"{words}: exit code {ran.returncode}: {ran.stderr.decode()}")
        return ran.stdout

    def reached_by(self) -> dict[str, str]:
        """The stack's endpoint and its key, as variables."""
        self.stack()
        config = yaml.safe_load((self.root / "home" / "config.yaml").read_text())
        return {"MYCLI_API_ENDPOINT": config["api_endpoint"], "MYCLI_API_KEY": config["api_key"]}

    def account(self) -> dict[str, Any]:
        """The account's own file: its origin, its keys, its region."""
        self.stack()
        return json.loads((self.root / "home" / "local" / "account.json").read_text())


@contextlib.contextmanager
def opened(quick: bool) -> Generator[Bench]:
    """The bench, with everything compiled; whatever was started in it has ended in the end.

    What is measured in this process has none of the caller's settings for AWS and mycli, either.
    """
    for name in [name for name in os.environ if name.startswith(_NOT_OURS)]:
        del os.environ[name]
    os.environ["PIP_NO_CACHE_DIR"] = "1"
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TERM") if name in os.environ}
    found = peers.find()
    compile_all = [
        PYTHON,
        "-m",
        "compileall",
        "-q",
        "-j",
        "0",
        ROOT / "mycli",
        ROOT / "orchestrator",
    ]
    with tempfile.TemporaryDirectory(prefix="mycli-bench-") as folder:
        root = Path(folder)
        (root / "user").mkdir()
        homes = {"HOME": str(root / "user"), "MYCLI_HOME": str(root / "home"), "TMPDIR": folder}
        os.environ["MYCLI_HOME"] = homes["MYCLI_HOME"]
        environment = {**kept, **homes, "NO_COLOR": "1"}
        subprocess.run(compile_all, env=environment, check=True)
        bench = Bench(root, quick, found, environment)
        with bench.closing:
            yield bench
