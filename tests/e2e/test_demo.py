"""`make demo` does what README says, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_demo(tmp_path: Path) -> None:
    ran = subprocess.run(
        ["sh", ROOT / "tests" / "demo.sh"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "lines of Python in orchestrator: " in ran.stdout
    assert "mycli ended with exit code 7" in ran.stdout
    assert list(tmp_path.iterdir()) == []
