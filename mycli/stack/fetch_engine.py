"""Fetch the Pulumi engine by the SDK's installer: `python -m mycli.stack.fetch_engine FOLDER`.

A process of its own (see installation.py). The last line that it prints says why it failed.
"""

from __future__ import annotations

import subprocess
import sys

from mycli.stack.engine import PINNED


def main(folder: str) -> int:
    from pulumi.automation import PulumiCommand
    from semver import VersionInfo

    try:
        PulumiCommand.install(root=folder, version=VersionInfo.parse(PINNED))
    except subprocess.CalledProcessError as error:
        sys.stdout.write((error.output or b"").decode(errors="replace") + "\n")
        return error.returncode
    except Exception as error:  # noqa: BLE001 (whatever the network or the disk raises)
        sys.stdout.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
