"""The table of contents: every verb, in the order of `mycli --help`."""

from __future__ import annotations

import sys

import typer

app = typer.Typer(name="mycli")


def main() -> None:
    sys.exit(app())
