"""What `pulumi up` in the repository runs (see Pulumi.yaml)."""

from __future__ import annotations

from mycli.stack.program import program

program()
