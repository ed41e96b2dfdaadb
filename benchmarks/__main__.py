"""`python -m benchmarks [NAME…] [--quick] [--json FILE] [--docs FOLDER]`"""

from __future__ import annotations

import argparse
import importlib
import json
import signal
import sys
import time
from pathlib import Path

from benchmarks import bench, report
from benchmarks.figures import Row

NAMES = ("start", "exec", "follow", "volume", "function", "list", "burst", "cost", "init")


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller sizes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    parser.add_argument("--docs", type=Path, metavar="FOLDER", help="write benchmarks.md and .svg")
    given = parser.parse_args()
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there is {', '.join(NAMES)}")
    signal.signal(signal.SIGTERM, _end)
    rows: list[Row] = []
    failed = 0
    began = time.monotonic()
    with bench.opened(given.quick) as opened:
        for name in given.names or NAMES:
            sys.stderr.write(f"→ {name}\n")
            try:
                rows.append(importlib.import_module(f"benchmarks.rows.{name}").measured(opened))
            except Exception as error:  # noqa: BLE001 - the other rows are worth having
                failed = 1
                reason = f"not measured: {type(error).__name__}: {error}"
                rows.append(Row(name, name, "", notes=[reason]))
        result = report.Report.of(opened, rows, time.monotonic() - began)
        sys.stdout.write(result.as_text() + "\n")
        if given.json:
            given.json.write_text(json.dumps(result.to_json(), indent=2) + "\n")
        if given.docs:
            result.write(given.docs)
    return failed


def _end(_number: int, _frame: object) -> None:
    sys.exit(143)  # not at once: what was started is to be ended, too


sys.exit(main())
