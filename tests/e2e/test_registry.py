"""Images in the account's own registry: pushed, pulled by tasks, kept, and gone with the stack."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from mycli.local import account
from mycli.local.clients import clients_of
from tests.local.conftest import new_account
from tests.local.registry_client import INDEX, token_of
from tests.local.test_other_user import spied_on

from .conftest import Machine, Ran, new_machine
from .containers import ENGINE, NEEDED, root_filesystem

pytestmark = NEEDED
needs_podman = pytest.mark.skipif(
    ENGINE != "podman", reason="only Podman makes images for another machine"
)


def engine(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([str(ENGINE), *words], input=stdin, capture_output=True, check=False)


def done(*words: str, stdin: bytes = b"") -> None:
    ran = engine(*words, stdin=stdin)
    assert ran.returncode == 0, ran


def make(name: str, *changes: str) -> None:
    done("import", *changes, "-", name, stdin=root_filesystem())


def forget(*images: str) -> None:
    """Have no copy of the images in the engine's store."""
    for image in images:
        engine("rmi", "--force", image)


@dataclass(frozen=True)
class Repository:
    """One that can be pushed to. login: its `user:password`, in base64."""

    address: str
    login: str

    @property
    def host(self) -> str:
        return self.address.partition("/")[0]

    def push(self, image: str, tag: str) -> str:
        """Push an image of the store, and keep no copy under its address, which is returned."""
        pushed = f"{self.address}:{tag}"
        done("tag", image, pushed)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "config.json")
            file.write_text(json.dumps({"auths": {self.host: {"auth": self.login}}}))
            if ENGINE == "docker":
                done("--config", folder, "push", pushed)
            else:
                done("push", "--authfile", str(file), "--tls-verify=false", pushed)
        forget(pushed)
        return pushed

    def join(self, tag: str, **platforms: str) -> str:
        """One name for the images of several platforms: architecture -> tag."""
        name = self.address.partition("/")[2]
        with httpx.Client(
            base_url=f"http://{self.host}/v2/{name}/manifests/",
            headers={"authorization": f"Basic {self.login}"},
            trust_env=False,
        ) as http:
            manifests = [
                {
                    "digest": http.get(each).headers["docker-content-digest"],
                    "size": len(http.get(each).content),
                    "mediaType": http.get(each).headers["content-type"],
                    "platform": {"os": "linux", "architecture": architecture},
                }
                for architecture, each in platforms.items()
            ]
            index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
            put = http.put(tag, content=json.dumps(index), headers={"content-type": INDEX})
            assert put.status_code == 201, put.text
        return f"{self.address}:{tag}"


@dataclass(frozen=True)
class Stack:
    """A machine with a stack, and a base image in the engine's store."""

    machine: Machine
    base: str

    def repository(self, name: str) -> Repository:
        with self.machine.client() as client:
            leave = client.authorize_push(name)
        pair = f"{leave.username}:{leave.password}".encode()
        return Repository(leave.repository_uri, base64.b64encode(pair).decode())


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    base = f"localhost/mycli-test-registry:{os.getpid()}"
    make(base)
    machine = new_machine(tmp_path_factory.mktemp("machine"))
    made = machine.run("init", "--local", "--force", "--runtime", "container", "--image", base)
    assert made.code == 0, made
    registry = f"127.0.0.1:{json.loads((machine.home / 'local/account.json').read_text())['port']}"
    yield Stack(machine, base)
    assert machine.run("destroy", "--force").code == 0
    assert not machine.home.exists()
    left = engine("images", "--format", "{{.Repository}}").stdout.decode().split()
    assert not [name for name in left if name.startswith(f"{registry}/mycli/")]
    forget(base)


@pytest.fixture(scope="module")
def image(stack: Stack) -> str:
    """One in the stack's registry, and, as each test begins, nowhere else."""
    return stack.repository("api").push(stack.base, "1")


def tells(ran: Ran, *sentences: str) -> None:
    """It failed as a pull that fails, in these words, which are for a user of this machine."""
    assert (ran.code, ran.out) == (125, ""), ran
    [told] = [line for line in ran.err.splitlines() if line.startswith("✗")]
    assert all(sentence in told for sentence in sentences), told
    assert "AWS" not in told, told
    assert "ECR" not in told, told


def test_a_task_runs_in_an_image_that_only_the_registry_has(stack: Stack, image: str) -> None:
    forget(image)
    ran = stack.machine.follow("--image", image, "echo from the registry")
    assert (ran.code, ran.out) == (0, "from the registry\n"), ran


def test_the_registry_asks_everybody_for_a_password(image: str) -> None:
    forget(image)
    flags = ["--tls-verify=false"] if ENGINE == "podman" else []
    refused = engine("pull", *flags, image)
    assert refused.returncode != 0
    assert b"unauthorized" in refused.stderr, refused


def test_its_images_are_there_after_a_restart(stack: Stack, image: str) -> None:
    forget(image)
    assert stack.machine.run("local", "stop").code == 0
    assert stack.machine.run("local", "start").code == 0
    ran = stack.machine.follow("--image", image, "echo still there")
    assert (ran.code, ran.out) == (0, "still there\n"), ran


def test_what_the_registry_lacks_is_not_taken_from_elsewhere(stack: Stack, image: str) -> None:
    """On AWS there is no other place, either."""
    missing = image.removesuffix("1") + "no-such"
    done("tag", stack.base, missing)
    ran = stack.machine.follow("--image", missing, "true")
    forget(missing)
    tells(ran, "there is no such image: check the image's name and tag")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_no_other_user_sees_a_password_of_the_registry(stack: Stack, image: str) -> None:
    forget(image)
    begin = '{"role":"arn:aws:iam:'  # of each password, as it is and after `AWS:`
    needles = [base64.b64encode(begin.encode()).decode()]
    needles.append(base64.b64encode(b"AWS:" + needles[0].encode()).decode().rstrip("=")[:-2])
    with spied_on(needles, stack.machine.home) as seen:
        ran = stack.machine.follow("--image", image, "sleep 0.5")
    assert ran.code == 0, ran
    assert seen["looks"] > 3
    assert (seen["processes"], seen["files"]) == ([], [])


# --- Platforms ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def of_arm(stack: Stack) -> Iterator[str]:
    name = f"{stack.base}-arm"
    make(name, "--arch", "arm64")
    yield name
    forget(name)


@needs_podman
def test_an_image_of_another_platform_is_told(stack: Stack, of_arm: str) -> None:
    wanted = "does not contain descriptor matching platform 'linux/amd64'"
    hint = "--arch asks for another"
    tells(stack.machine.follow("--image", of_arm, "true"), wanted, hint)
    pushed = stack.repository("arm").push(of_arm, "1")
    tells(stack.machine.follow("--image", pushed, "true"), wanted, hint)
    forget(pushed)
    ran = stack.machine.follow("--image", stack.base, "--arch", "arm64", "true")
    tells(ran, "platform 'linux/arm64'", f"{stack.base} is for linux/amd64")


# --- A registry of somebody else's ----------------------------------------------------------------


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """A repository in another account."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MYCLI_HOME", str(tmp_path_factory.mktemp("theirs")))
        made = new_account()
        ecr = clients_of(made)("ecr")
        ecr.create_repository(repositoryName="team/tool")
        yield Repository(f"{made.registry}/team/tool", token_of(ecr))
        account.remove()


def test_a_private_registry_wants_a_login(stack: Stack, theirs: Repository) -> None:
    machine, pushed = stack.machine, theirs.push(stack.base, "1")
    private = "it is private: check the image's name; for a private one, `mycli registry-login`"
    tells(machine.follow("--image", pushed, "true"), private)
    login = ("registry-login", theirs.host, "--local", "--username", "AWS", "--password-stdin")
    wrong = machine.run(*login, stdin="wrong")
    assert wrong.code == 0, wrong
    tells(machine.follow("--image", pushed, "true"), private)
    password = base64.b64decode(theirs.login).decode().partition(":")[2]
    assert machine.run(*login, stdin=password).code == 0
    ran = machine.follow("--image", pushed, "echo let in")
    assert (ran.code, ran.out) == (0, "let in\n"), ran
    forget(pushed)


@needs_podman
def test_what_is_there_for_another_platform_is_not_used(
    stack: Stack, theirs: Repository, of_arm: str
) -> None:
    theirs.push(stack.base, "amd")
    theirs.push(of_arm, "arm")
    both = theirs.join("both", arm64="arm", amd64="amd")
    password = base64.b64decode(theirs.login).decode()
    flags = ("--tls-verify=false", "--creds", password, "--platform", "linux/arm64")
    done("pull", *flags, both)
    login = ("registry-login", theirs.host, "--local", "--username", "AWS", "--password-stdin")
    assert stack.machine.run(*login, stdin=password.partition(":")[2]).code == 0
    ran = stack.machine.follow("--image", both, "echo the right one")
    assert (ran.code, ran.out) == (0, "the right one\n"), ran
    ran = stack.machine.follow("--image", both, "--arch", "arm64", "echo the other one")
    assert (ran.code, ran.out) == (0, "the other one\n"), ran
    forget(both)


# --- Images of many kinds -------------------------------------------------------------------------


def test_the_images_own_user_and_entry_point(stack: Stack) -> None:
    """Its user is kept; its entry point is not, because the command has a shell."""
    name = f"{stack.base}-entry"
    make(name, "--change", "USER 1234", "--change", 'ENTRYPOINT ["/bin/echo", "not this"]')
    try:
        ran = stack.machine.follow("--image", name, "id -u; echo done")
        assert (ran.code, ran.out) == (0, "1234\ndone\n"), ran
        clone = ("exec", "-f", "--repo", "https://example.com/user/repo", "--image", name, "true")
        ran = stack.machine.run(*clone)
        assert (ran.code, ran.out) == (125, ""), ran
        assert "the image has no git, and no apk, apt-get, dnf, yum or microdnf" in ran.err
        assert "provide git, or run without a repository (--skip-git)" in ran.err
    finally:
        forget(name)


def test_an_image_without_a_shell(stack: Stack) -> None:
    name = f"{stack.base}-bare"
    done("import", "-", name, stdin=root_filesystem("true"))
    try:
        ran = stack.machine.follow("--image", name, "true")
        assert ran.code == 125, ran
        assert "the image needs a shell at /bin/sh" in ran.err, ran
        assert "mycli register-image --entrypoint" in ran.err, ran
        assert "AWS" not in ran.err.splitlines()[-1]
    finally:
        forget(name)
