"""mycli completion: the script that makes a shell complete mycli's words."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from mycli import output
from mycli.commands import Json


class Shell(StrEnum):
    bash = "bash"
    zsh = "zsh"
    fish = "fish"


def completion(
    shell: Annotated[Shell, typer.Argument(show_default=False)], as_json: Json = False
) -> None:
    """Print the completion script of a shell.

    \b
    mycli completion bash >> ~/.bashrc
    mycli completion zsh > "${fpath[1]}/_mycli"
    mycli completion fish > ~/.config/fish/completions/mycli.fish
    """
    from typer._completion_shared import get_completion_script

    script = get_completion_script(
        prog_name="mycli", complete_var="_MYCLI_COMPLETE", shell=shell.value
    )
    if as_json:
        output.json_document({"shell": shell.value, "script": script})
    else:
        output.result(script)
