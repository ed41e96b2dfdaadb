"""mycli init-project: write a .mycli.yaml to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mycli import output
from mycli.commands import Json
from mycli.errors import UsageError

_TEMPLATE = """\
# What `mycli exec` runs in this project. Commit this file.
# Flags and MYCLI_* variables go before it; what is left out comes from git.

# The repository to clone; `origin` of this checkout if left out.
{repo}

# A branch, tag or commit; if left out, the branch that is checked out where `mycli exec` runs.
# branch: main

# The Docker image to run in; the stack's default if left out.
{image}

# Or an image of this project's own, built from what git tracks and pushed where it is new; see
# `mycli build --help`. Several go under `services`, each as it stands here, by its name.
# build:
#   context: .               # a folder, from the one of this file
#   dockerfile: Dockerfile   # from the context
#   name: my-tool
#   paths: [src, requirements.txt]   # what of the context goes in, from the folder of this file
#   args: {{PYTHON: "3.13"}}

# Environment variables for the command; values are text, so quote numbers.
# env:
#   TF_VAR_environment: production
#   LOG_LEVEL: "3"

# After so long the command is ended (exit code 124); 30m if left out.
# timeout: 1h

# The folder of the repository to run in; its root if left out.
# workdir: infra

# The size of the task: vCPU units (1024 = one) and MB, in the pairs that Fargate takes.
# cpu: 256
# memory: 512

# The processor, x86_64 or arm64; the stack's own if left out.
# arch: arm64
"""


def init_project(
    repo: Annotated[
        str | None, typer.Option(metavar="URL", help="Repository to clone. [default: origin]")
    ] = None,
    image: Annotated[str | None, typer.Option(metavar="IMAGE", help="Docker image to use.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Write a .mycli.yaml with comments into this folder.

    \b
    mycli init-project
    mycli init-project --image hashicorp/terraform:1.6
    """
    from mycli import project, project_file

    path = Path.cwd() / project_file.FILE_NAME
    if path.exists() and not force:
        raise UsageError(f"{path} is there already", "--force replaces it")
    address = project.shareable_repository(repo, path.parent)
    text = _TEMPLATE.format(repo=_line("repo", address), image=_line("image", image))
    path.write_text(text, encoding="utf-8")
    output.done(f"Wrote {path}")
    if as_json:
        output.json_document({"path": str(path), "repo": address, "image": image})


def _line(key: str, value: str | None) -> str:
    import yaml

    examples = {"repo": "https://github.com/user/project", "image": "python:3.13"}
    if value is None:
        return f"# {key}: {examples[key]}"
    return yaml.safe_dump({key: value}, width=4096).strip()
