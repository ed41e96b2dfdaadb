"""docker/entrypoint.sh: a door to task.sh under other names, with the same guarantees."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import subprocess
from pathlib import Path

import pytest

from orchestrator import wire
from tests.git_server import Repository, serve
from tests.task_script import (
    EXECUTION_ID,
    SCRIPT,
    Container,
    Ended,
    Running,
    every_shell,
)

DOOR = Path(__file__).parents[2] / "docker" / "entrypoint.sh"
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\ns3cret-key\n-----END OPENSSH PRIVATE KEY-----"
OURS = ("MYCLI_COMMAND", "MYCLI_EXECUTION_ID", "MYCLI_IMAGE", "MYCLI_TIMEOUT_SECONDS")


def start(container: Container, shell: str, *args: str, **environment: str | None) -> Running:
    """Start the door as a container's first program, in an image whose /bin/sh is this shell."""
    folder = container.folder / "image"
    if not folder.exists():
        folder.mkdir()
        shutil.copy(SCRIPT, folder)
        door = folder / "entrypoint.sh"
        door.write_text(DOOR.read_text("utf-8").replace("/bin/sh", str(container.sh(shell))))
        door.chmod(0o755)
    given = {"EXECUTION_ID": EXECUTION_ID, **dict.fromkeys(OURS), **environment}
    become = " ".join(("exec", f"'{folder}/entrypoint.sh'", *args))
    return container.start(shell, "", script=become, prefix=(), **given)


def run(container: Container, shell: str, **environment: str | None) -> Ended:
    return start(container, shell, **environment).end()


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="there is no shellcheck here")
@pytest.mark.parametrize("name", ["entrypoint.sh", "download.sh"])
def test_shellcheck_finds_nothing(name: str) -> None:
    checked = ["shellcheck", "--shell=sh", DOOR.with_name(name)]
    assert subprocess.run(checked, capture_output=True, text=True, check=False).stdout == ""


@every_shell
@pytest.mark.parametrize("code", [0, 7])
def test_the_branch_is_cloned_and_the_exit_code_is_the_commands(
    shell: str, container: Container, repository: Repository, code: int
) -> None:
    ended = run(
        container,
        shell,
        REPO_URL=f"file://{repository.path}",
        REPO_BRANCH="feature/one",
        USER_COMMAND=f"cat where.txt; printf '%s|' \"it's\" '$HOME'; exit {code}",
    )
    assert (ended.output, ended.exit_code) == ("feature\nit's|$HOME|", code)
    assert "mycli: image:       mycli/executor\n" in ended.setup


@every_shell
@pytest.mark.parametrize("site", ["GITHUB", "GITLAB"])
def test_the_token_clones_and_the_command_finds_no_trace_of_it(
    shell: str, container: Container, repository: Repository, site: str
) -> None:
    token = f"{secrets.token_hex(8)}-canary"
    user = {"GITHUB": "x-access-token", "GITLAB": "oauth2"}[site]
    # The pattern must not match the command line that holds it.
    search = (
        f"cat where.txt; grep -rs '{token[:-1]}[y]' . /proc/[0-9]*/environ /proc/[0-9]*/cmdline"
        ' "$TMPDIR" "$HOME" | wc -l; env | sed "s/=.*//" | sort'
    )
    with serve(repository.path.parent, f"{user}:{token}") as url:
        ended = run(
            container,
            shell,
            REPO_URL=f"{url}/sample.git",
            USER_COMMAND=search,
            SSH_PRIVATE_KEY=f"-----BEGIN {token}",
            APPLICATION="there",
            **{f"MYCLI_{site}_HOST": url.removeprefix("http://"), f"{site}_TOKEN": token},
        )
    cloned, found, *names = ended.output.splitlines()
    assert (cloned, found) == ("third", "0"), ended.log
    expected = {"APPLICATION", "HOME", "MYCLI_EXECUTION_ID", "PATH", "TMPDIR"}
    assert set(names) - {"PWD", "SHLVL", "OLDPWD", "_"} == expected
    assert token not in ended.log


@every_shell
@pytest.mark.parametrize("form", ["raw", "base64"])
def test_a_key_in_base64_is_the_key(
    shell: str, container: Container, repository: Repository, form: str
) -> None:
    kept = container.folder / "kept"
    programs = container.programs(
        ssh=f'cp "${{2%/*}}/key" "{kept}"; for last do :; done; exec sh -c "$last"'
    )
    ended = run(
        container,
        shell,
        PATH=f"{programs}:{os.environ['PATH']}",
        REPO_URL=f"ssh://git@github.com{repository.path}",
        USER_COMMAND="cat where.txt",
        SSH_PRIVATE_KEY=KEY if form == "raw" else base64.b64encode(KEY.encode()).decode(),
    )
    assert ended.output == "third\n"
    assert kept.read_text() == f"{KEY}\n"


@every_shell
def test_term_reaches_the_command(shell: str, container: Container, repository: Repository) -> None:
    ready = container.folder / "ready"
    running = start(
        container,
        shell,
        REPO_URL=f"file://{repository.path}",
        USER_COMMAND=f"trap 'echo lock released; exit 5' TERM; echo >{ready}; sleep 60 & wait",
    )
    running.wait_for(ready)
    running.terminate()
    ended = running.end()
    assert (ended.output, ended.exit_code) == ("lock released\n", 5)


def test_the_time_limit(container: Container, repository: Repository) -> None:
    address = f"file://{repository.path}"
    asked = {"REPO_URL": address, "USER_COMMAND": "sleep 60", "TIMEOUT_SECONDS": "1"}
    assert run(container, "dash", **asked).exit_code == 124
    assert f"TIMEOUT_SECONDS:-{wire.DEFAULT_TIMEOUT_SECONDS}}}" in DOOR.read_text("utf-8")


@every_shell
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"REPO_URL": None}, "REPO_URL is missing"),
        ({"REPO_URL": ""}, "REPO_URL is missing"),
        ({"USER_COMMAND": None}, "USER_COMMAND is missing"),
        ({"TIMEOUT_SECONDS": "1m"}, "TIMEOUT_SECONDS is not a number of seconds"),
        ({"TIMEOUT_SECONDS": "0"}, "TIMEOUT_SECONDS is not a number of seconds"),
        ({"REPO_URL": "https://s3cret@x/y"}, "REPO_URL has a user name or token in it"),
        ({"REPO_URL": "http://a:s3cret@x"}, "REPO_URL has a user name or token in it"),
        ({"SSH_PRIVATE_KEY": "s3cret!"}, "SSH_PRIVATE_KEY is neither a private key nor base64"),
    ],
)
def test_what_cannot_run_is_said_in_a_sentence(
    shell: str, container: Container, given: dict[str, str | None], sentence: str
) -> None:
    usual = {"REPO_URL": "file:///nowhere", "USER_COMMAND": "true", "GITHUB_TOKEN": "s3cret"}
    code, log = refused(start(container, shell, **{**usual, **given}))
    assert code == 125
    assert log.startswith(f"mycli: {sentence}\nmycli: ")
    assert "s3cret" not in log


def test_arguments_are_not_left_out_in_silence(container: Container) -> None:
    code, log = refused(start(container, "dash", "terraform", "plan"))
    assert (code, log.splitlines()[0]) == (125, "mycli: this image takes no arguments")


@every_shell
def test_an_image_without_task_sh_has_not_succeeded(shell: str, container: Container) -> None:
    start(container, shell).process.communicate()  # makes the image's folder
    (container.folder / "image" / SCRIPT.name).unlink()
    process = start(container, shell, REPO_URL="file:///x", USER_COMMAND="true").process
    assert b"this image has no task.sh" in process.communicate(timeout=20)[0]
    assert process.returncode == 125


def refused(running: Running) -> tuple[int, str]:
    """The exit code and the words of a door that did not open: there is no end marker."""
    log, errors = running.process.communicate(timeout=20)
    assert errors == b""
    return running.process.returncode, log.decode()
