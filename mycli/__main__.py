"""The command `mycli`. Loading the rest takes most of its start, and Ctrl-C may come meanwhile."""

from __future__ import annotations

import gc
import sys

# What is loaded stays: looking for garbage in it, while it comes and when it goes, is a tenth of a
# short command. A long one still has what it leaves behind collected.
GARBAGE_THRESHOLD = 100_000


def main() -> None:
    gc.set_threshold(GARBAGE_THRESHOLD)
    try:
        from mycli import cli

        cli.main()
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        gc.freeze()


if __name__ == "__main__":
    main()
