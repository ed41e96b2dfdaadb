"""The whole Dockerfile, built on this machine's own programs, and its door in a container.

The base has what Ubuntu has and the build uses; apt-get, curl and the downloads are stand-ins.
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import re
import secrets
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mycli.local.containers import find_engine
from tests.git_server import Repository, serve
from tests.task_script import SCRIPT, wait_until

ROOT = Path(__file__).parents[2]
PROGRAMS = ("dash", "busybox", "git")
ENGINE = find_engine() if all(map(shutil.which, PROGRAMS)) else None
NAME = f"localhost/mycli-test-executor-{os.getpid()}"  # its own for each worker
BASE, IMAGE = f"{NAME}:base", f"{NAME}:image"
TOOLS = ("TERRAFORM", "KUBECTL", "HELM", "AWS_CLI")

pytestmark = pytest.mark.skipif(
    ENGINE is None, reason="neither Docker nor Podman answers, or no dash, busybox or git is here"
)

TOOL = '#!/bin/sh\necho "${0##*/} runs"\n'
INSTALL = f"#!/bin/sh\nmkdir -p $4 && printf '%s' '{TOOL}' >$4/aws && chmod 755 $4/aws\n"
STAND_INS = {
    "apt-get": "exit 0",
    "dpkg": "case $(uname -m) in aarch64) echo arm64 ;; *) echo amd64 ;; esac",
    "curl": 'while [ "$1" != --output ]; do shift; done; exec cp "/site/$2" "$2"',
    "useradd": "echo 'executor:x:10001:0::/home/executor:/bin/sh' >>/etc/passwd",
    # `python3 -m venv FOLDER` makes a pip that notes what it is asked.
    "python3": "mkdir -p $3/bin; echo 'echo \"$@\" >/opt/python/asked' >$3/bin/pip; "
    "chmod 755 $3/bin/pip",
}


def archive(kind: str, member: str, text: str) -> bytes:
    with io.BytesIO() as content:
        if kind == "zip":
            with zipfile.ZipFile(content, "w") as made:
                entry = zipfile.ZipInfo(member)
                entry.external_attr = 0o755 << 16
                made.writestr(entry, text)
        else:
            with tarfile.open(fileobj=content, mode="w:gz") as made:
                add_text(made, member, text)
        return content.getvalue()


def add_text(tar: tarfile.TarFile, path: str, text: str | bytes) -> None:
    content = text.encode() if isinstance(text, str) else text
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(content), 0o755
    tar.addfile(entry, io.BytesIO(content))


@functools.cache
def downloads() -> dict[str, bytes]:
    """What each vendor's site answers, by the name that the Dockerfile gives it."""
    arch = {"aarch64": "arm64"}.get(os.uname().machine, "amd64")
    return {
        "terraform.zip": archive("zip", "terraform", TOOL),
        "kubectl": TOOL.encode(),
        "helm.tar.gz": archive("tar", f"linux-{arch}/helm", TOOL),
        "aws.zip": archive("zip", "aws/install", INSTALL),
    }


def base() -> bytes:
    """A tar of this machine's dash, busybox and git, and of the stand-ins."""
    paths = {Path(str(shutil.which("dash"))), Path(str(shutil.which("git")))}
    exec_path = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True)
    paths |= {Path(exec_path.stdout.strip(), name) for name in ("git", "git-remote-http")}
    libraries = subprocess.run(["ldd", *paths], capture_output=True, text=True, check=True).stdout
    paths |= {Path(found) for found in re.findall(r"(/\S+) \(0x", libraries)}
    with io.BytesIO() as content:
        with tarfile.open(fileobj=content, mode="w", dereference=True) as tar:
            for path in paths:
                tar.add(path, str(path).lstrip("/"))
            tar.add(str(shutil.which("busybox")), "bin/busybox")
            listed = subprocess.run(["busybox", "--list"], stdout=subprocess.PIPE, check=True)
            for name in listed.stdout.decode().split():
                if name not in ("busybox", *STAND_INS):
                    add_link(tar, f"bin/{name}", "dash" if name == "sh" else "busybox")
            add_link(tar, "bin/dash", str(shutil.which("dash")))
            for name, text in STAND_INS.items():
                add_text(tar, f"sbin/{name}", f"#!/bin/sh\n{text}\n")
            for name, text in downloads().items():
                add_text(tar, f"site/{name}", text)
            add_text(tar, "etc/passwd", "root:x:0:0::/root:/bin/sh\n")
            folder = tarfile.TarInfo("tmp")
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(folder)
        return content.getvalue()


def add_link(tar: tarfile.TarFile, path: str, target: str) -> None:
    link = tarfile.TarInfo(path)
    link.type, link.linkname = tarfile.SYMTYPE, target
    tar.addfile(link)


def engine(*args: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    assert ENGINE
    return subprocess.run(
        [ENGINE, *args], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )


def build(sums: dict[str, str], *options: str) -> subprocess.CompletedProcess[bytes]:
    """Build the Dockerfile on the base, without a network. sums: of the downloads, by tool."""
    given = [f"{tool}_SHA256_{arch}={sums[tool]}" for tool in TOOLS for arch in ("AMD64", "ARM64")]
    arguments = [f"--build-arg={text}" for text in (f"BASE={BASE}", *given)]
    if ENGINE == "podman":
        options = (*options, "--layers=false")  # else each step leaves an image behind
    file = f"--file={ROOT}/docker/Dockerfile"
    return engine("build", "--network=none", *arguments, *options, file, str(ROOT))


@pytest.fixture(scope="module")
def sums() -> Iterator[dict[str, str]]:
    """The checksums of the downloads, by tool. The base is there."""
    made = engine("import", "-", BASE, stdin=base())
    assert made.returncode == 0, made.stdout.decode()
    files = downloads().values()
    yield {tool: hashlib.sha256(file).hexdigest() for tool, file in zip(TOOLS, files, strict=True)}
    engine("rmi", "--force", BASE)


@pytest.fixture(scope="module")
def image(sums: dict[str, str]) -> Iterator[str]:
    built = build(sums, f"--tag={IMAGE}")
    assert built.returncode == 0, built.stdout.decode()
    yield IMAGE
    engine("rmi", "--force", IMAGE)


def start(image: str, *options: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run the image as it is, in a network that reaches our git server."""
    # Podman asks for more than it may give where it is in a container itself.
    limits = [f"--ulimit={name}=1024:1024" for name in ("nofile", "nproc")]
    given = [f"--env={name}={text}" for name, text in environment.items()]
    return engine("run", "--network=host", *limits, *given, *options, image)


def test_a_command_finds_the_tools_and_no_token(image: str, repository: Repository) -> None:
    token = f"{secrets.token_hex(8)}-canary"
    command = (
        "cat where.txt; pwd; id -u; terraform; kubectl; helm; aws; touch /opt/python/x ../y; "
        f"cat /opt/python/asked; sha256sum </opt/mycli/task.sh; "
        f"env | cat - /proc/[0-9]*/environ 2>/dev/null | grep -c '{token[:-1]}[y]'; exit 7"
    )
    with serve(repository.path.parent, f"x-access-token:{token}") as url:
        ran = start(
            image,
            "--rm",
            REPO_URL=f"{url}/sample.git",
            USER_COMMAND=command,
            GITHUB_TOKEN=token,
            MYCLI_GIT_PROTOCOLS="http",
            MYCLI_GITHUB_HOST=url.removeprefix("http://"),
        )
    log = ran.stdout.decode()
    assert ran.returncode == 7, log
    asked = (
        "install --no-cache-dir --disable-pip-version-check --only-binary :all: "
        "--require-hashes --requirement /requirements.txt"
    )
    assert log.partition("] begin\n")[2].splitlines() == [
        *("third", "/workspace/repo", "10001"),
        *(f"{tool} runs" for tool in ("terraform", "kubectl", "helm", "aws")),
        *(asked, f"{hashlib.sha256(SCRIPT.read_bytes()).hexdigest()}  -", "0"),
        "[mycli executor] exit code 7.",
    ]


def test_term_is_passed_on(image: str, repository: Repository) -> None:
    name = f"mycli-test-executor-{os.getpid()}"
    given = {
        "USER_COMMAND": "trap 'echo lock released; exit 5' TERM; echo up; sleep 60 & wait",
        "MYCLI_GIT_PROTOCOLS": "http",
    }
    with serve(repository.path.parent) as url:
        address = f"{url}/sample.git"
        started = start(image, "--detach", f"--name={name}", REPO_URL=address, **given)
        assert started.returncode == 0, started.stdout.decode()
        try:
            wait_until(lambda: b"\nup\n" in engine("logs", name).stdout, 30)
            engine("stop", "--time=30", name)
            assert b"\nlock released\n" in engine("logs", name).stdout
            assert engine("wait", name).stdout == b"5\n"
        finally:
            engine("rm", "--force", name)


def test_a_wrong_checksum_ends_the_build(sums: dict[str, str]) -> None:
    wrong = hashlib.sha256(b"another").hexdigest()
    built = build({**sums, "HELM": wrong}, "--target=helm")
    assert built.returncode != 0
    assert b"is not the file whose checksum was given" in built.stdout
