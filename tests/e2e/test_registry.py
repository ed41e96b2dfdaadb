"""Images in the account's own registry: pushed, pulled by tasks, kept, and gone with the stack."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mycli.local.containers import find_engine

from .conftest import Machine, new_machine
from .test_container import BUSYBOX, root_filesystem

ENGINE = find_engine()

pytestmark = [
    pytest.mark.skipif(ENGINE is None, reason="neither Docker nor Podman answers"),
    pytest.mark.skipif(BUSYBOX is None, reason="there is no busybox to make an image of"),
]


def engine(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([str(ENGINE), *words], input=stdin, capture_output=True, check=False)


def done(*words: str, stdin: bytes = b"") -> None:
    ran = engine(*words, stdin=stdin)
    assert ran.returncode == 0, ran


@dataclass(frozen=True)
class Pushed:
    """A machine whose stack has an image in its registry, and nowhere else."""

    machine: Machine
    image: str
    base: str  # the same image, in the engine's store only

    def push(self, repository: str, *flags: str, image: str | None = None) -> str:
        """Push an image of the store to this repository of the stack's; its address."""
        with self.machine.client() as client:
            leave = client.authorize_push(repository)
        address = f"{leave.repository_uri}:1"
        done("tag", image or self.base, address)
        try:
            pair = base64.b64encode(f"{leave.username}:{leave.password}".encode()).decode()
            auths = {leave.repository_uri.partition("/")[0]: {"auth": pair}}
            done(*pushing(self.machine.folder, auths), address)
        finally:
            done("rmi", address)
        return address


def pushing(folder: Path, auths: dict[str, dict[str, str]]) -> list[str]:
    file = folder / "config.json"
    file.write_text(json.dumps({"auths": auths}))
    if ENGINE == "docker":
        return ["--config", str(folder), "push"]
    return ["push", "--authfile", str(file), "--tls-verify=false"]


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushed]:
    base = f"localhost/mycli-test-registry:{os.getpid()}"
    done("import", "-", base, stdin=root_filesystem())
    machine = new_machine(tmp_path_factory.mktemp("machine"))
    made = machine.run("init", "--local", "--force", "--runtime", "container", "--image", base)
    assert made.code == 0, made
    yield Pushed(machine, Pushed(machine, "", base).push("api"), base)
    assert machine.run("destroy", "--force").code == 0
    assert not machine.home.exists()
    done("rmi", "--force", base)


def forget(image: str) -> None:
    engine("rmi", "--force", image)


def test_a_task_runs_in_an_image_that_only_the_registry_has(pushed: Pushed) -> None:
    forget(pushed.image)
    ran = pushed.machine.follow("--image", pushed.image, "echo from the registry")
    assert (ran.code, ran.out) == (0, "from the registry\n"), ran
