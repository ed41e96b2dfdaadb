"""The command `mycli`. Loading the rest takes most of its start, and Ctrl-C may come meanwhile."""

from __future__ import annotations

import sys


def main() -> None:
    try:
        from mycli import cli

        cli.main()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
