"""The SSH key and settings of task.sh."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.git_server import Repository
from tests.task_script import SCRIPT, Container, every_shell

TEMPORARY_FOLDER = "t m p"

# Keeps what it was given, and runs the other side on this machine.
FAKE_SSH = """
mkdir -p "{record}"
printf '%s\\n' "$@" >"{record}/argv"
cp "$2" "{record}/config"
cp "${{2%/*}}/known_hosts" "{record}/known_hosts"
if [ -e "${{2%/*}}/key" ]; then
    cp -p "${{2%/*}}/key" "{record}/key"
fi
for last do :; done
exec sh -c "$last"
"""


@pytest.fixture
def record(container: Container) -> Path:
    container.programs(ssh=FAKE_SSH.format(record=container.folder / "record"))
    return container.folder / "record"


def clone_over_ssh(container: Container, shell: str, repo: str, key: str | None) -> None:
    folder = container.folder / TEMPORARY_FOLDER
    folder.mkdir(exist_ok=True)
    ended = container.run(
        shell,
        "cat where.txt",
        PATH=f"{container.folder / 'programs'}:{os.environ['PATH']}",
        TMPDIR=str(folder),
        MYCLI_REPO=repo,
        MYCLI_SSH_PRIVATE_KEY=key,
    )
    assert ended.output == "third\n", ended.log
    assert list(folder.iterdir()) == []


@every_shell
@pytest.mark.parametrize("address", ["ssh://git@github.com{path}", "git@git.example.com:{path}"])
def test_the_ssh_key_is_a_private_file_while_git_runs(
    shell: str, container: Container, repository: Repository, record: Path, address: str
) -> None:
    repo = address.format(path=repository.path)
    clone_over_ssh(container, shell, repo, "-----BEGIN-----\nkey\n-----END-----\n")
    assert (record / "key").stat().st_mode & 0o777 == 0o600
    folder = container.folder / TEMPORARY_FOLDER
    config = (record / "config").read_text()
    assert f'IdentityFile "{folder}/mycli.' in config
    assert "-----END-----" not in (record / "argv").read_text() + config


@every_shell
def test_without_a_key_ssh_uses_none_of_ours(
    shell: str, container: Container, repository: Repository, record: Path
) -> None:
    clone_over_ssh(container, shell, f"ssh://git@github.com{repository.path}", None)
    assert not (record / "key").exists()
    assert "IdentityFile" not in (record / "config").read_text()


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="there is no ssh-keygen here")
@every_shell
@pytest.mark.parametrize("ending", ["as it is", "no newline", "Windows"])
def test_a_key_is_mended_so_that_ssh_takes_it(
    shell: str, container: Container, repository: Repository, record: Path, ending: str
) -> None:
    path = container.folder / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    key = path.read_text()
    given = {
        "as it is": key,
        "no newline": key.rstrip("\n"),
        "Windows": key.rstrip("\n").replace("\n", "\r\n"),
    }[ending]
    clone_over_ssh(container, shell, f"ssh://git@github.com{repository.path}", given)
    asked = ["ssh-keygen", "-y", "-f", record / "key"]
    public = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert public.split()[1] == path.with_suffix(".pub").read_text().split()[1]


@pytest.mark.skipif(shutil.which("ssh") is None, reason="there is no ssh here")
@pytest.mark.parametrize(
    ("host", "checking"),
    [("github.com", "true"), ("gitlab.com", "true"), ("git.example.com", "accept-new")],
)
def test_ssh_understands_its_settings(
    container: Container, repository: Repository, record: Path, host: str, checking: str
) -> None:
    clone_over_ssh(container, "dash", f"ssh://git@{host}{repository.path}", "key\n")
    asked = ["ssh", "-G", "-F", record / "config", host]
    answer = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    settings = dict(line.split(" ", 1) for line in answer.splitlines())
    assert settings["stricthostkeychecking"] == checking
    assert settings["batchmode"] == "yes"
    assert settings["identitiesonly"] == "yes"
    assert settings["globalknownhostsfile"] == "/dev/null"
    folder = f"{container.folder}/{TEMPORARY_FOLDER}/mycli."
    assert settings["userknownhostsfile"].startswith(folder)
    assert settings["identityfile"].startswith(folder)


def test_the_pinned_host_keys_have_the_published_fingerprints() -> None:
    # docs.github.com: GitHub's SSH key fingerprints. docs.gitlab.com: GitLab.com settings.
    published = {
        "github.com ssh-ed25519": "+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU",
        "github.com ecdsa-sha2-nistp256": "p2QAMXNIC1TJYWeIOttrVc98/R1BUFWu3/LiyKgUfQM",
        "gitlab.com ssh-ed25519": "eUXGGm1YGsMAS7vkcx6JOJdOGHPem5gQp4taiCfCLB8",
        "gitlab.com ecdsa-sha2-nistp256": "HbW3g8zUjNSksFbqTiUWPWg2Bq1x8xdGUrliXFzSnUw",
    }
    text = SCRIPT.read_text("utf-8").partition("known_hosts='")[2].partition("'")[0]
    pinned: dict[str, str] = {}
    for line in text.splitlines():
        name, _, key = line.rpartition(" ")
        digest = hashlib.sha256(base64.b64decode(key)).digest()
        pinned[name] = base64.b64encode(digest).decode().rstrip("=")
    assert pinned == published


@every_shell
@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("git@github.com: Permission denied (publickey).", "the server refused the stack's git"),
        ("Host key verification failed.", "the server's SSH host key is not the published one"),
    ],
)
def test_ssh_refusals(shell: str, container: Container, said: str, sentence: str) -> None:
    programs = container.programs(ssh=f"echo '{said}' >&2; exit 255")
    ended = container.run(
        shell,
        "true",
        PATH=f"{programs}:{os.environ['PATH']}",
        MYCLI_REPO="git@github.com:user/repo.git",
        MYCLI_SSH_PRIVATE_KEY="key",
    )
    assert ended.exit_code == 125
    assert f"mycli: {sentence}" in ended.setup
    assert list(container.tmp.iterdir()) == []
