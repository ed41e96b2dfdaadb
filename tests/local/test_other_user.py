"""Another user of this machine, for real: what he can read while mycli works, and call."""

from __future__ import annotations

import json
import os
import pwd
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from mycli.local.containers import find_engine
from tests.e2e import containers
from tests.e2e.conftest import Machine
from tests.git_server import make_repository, serve

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")

# Looks again and again until its stdin ends, so it also sees what is there for a moment.
_SPY = """
import json, os, select, sys
user, group, *folders = sys.argv[1:]
os.setgroups([])
os.setgid(int(group))
os.setuid(int(user))
needles = [needle.encode() for needle in json.loads(sys.stdin.readline())]
seen = {"processes": set(), "files": set(), "folders": set(), "looks": 0}

def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None

def look(folder):
    try:
        names = os.listdir(folder)
    except OSError:
        return
    seen["folders"].add(folder)
    for name in names:
        path = os.path.join(folder, name)
        if read(path) is not None:
            seen["files"].add(path)
        look(path)

while not select.select([sys.stdin], [], [], 0.05)[0]:
    seen["looks"] += 1
    for folder in folders:
        look(folder)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for kind in ("cmdline", "environ"):
            text = read(f"/proc/{pid}/{kind}") or b""
            if any(needle in text for needle in needles):
                seen["processes"].add(f"{kind}: {text.decode(errors='replace')}")
print(json.dumps(seen, default=sorted))
"""

_CALLER = """
import encodings.idna, http.client, json, os, sys
user, group, port = map(int, sys.argv[1:])
os.setgroups([])
os.setgid(group)
os.setuid(user)
answers = []
for method, path in json.load(sys.stdin):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request(method, path, b"{}")
    answers.append(connection.getresponse().status)
print(json.dumps(answers))
"""


def as_nobody(script: str, *arguments: str) -> subprocess.Popen[str]:
    nobody = pwd.getpwnam("nobody")
    ids = (str(nobody.pw_uid), str(nobody.pw_gid))
    return subprocess.Popen(
        [sys.executable, "-I", "-c", script, *ids, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def spied_on(needles: list[str], *folders: Path) -> Generator[dict[str, Any]]:
    """What another user has seen within the block; it is there when the block has ended."""
    seen: dict[str, Any] = {}
    with as_nobody(_SPY, *map(str, folders)) as spy:
        assert spy.stdin
        spy.stdin.write(json.dumps(needles) + "\n")
        spy.stdin.flush()
        try:
            yield seen
        finally:
            seen |= json.loads(spy.communicate()[0])


@pytest.fixture
def careless() -> Iterator[Machine]:
    """A user with umask 000 and a home for mycli that everybody may look into."""
    before = os.umask(0)
    try:
        with tempfile.TemporaryDirectory() as shared:  # pytest's own folders are shut to others
            root = Path(shared)
            root.chmod(0o755)
            for name in ("home", "folder"):
                (root / name).mkdir(mode=0o755)
            (root / "tmp").mkdir(mode=0o1777)
            machine = Machine(root / "home", root / "folder", {"TMPDIR": str(root / "tmp")})
            try:
                yield machine
            finally:
                assert machine.run("destroy", "--force").code == 0
    finally:
        os.umask(before)


def test_another_user_sees_no_secret_and_gets_no_answer(careless: Machine, tmp_path: Path) -> None:
    token, value = f"glpat-{secrets.token_hex(16)}", f"value-{secrets.token_hex(16)}"
    make_repository(tmp_path / "git" / "sample.git")
    user = Machine(careless.home, careless.folder, {**careless.env, "OF_USER": value})
    temporary = Path(careless.env["TMPDIR"])
    init = ("init", "--local", "--force", "--runtime", "process", "--gitlab-token-file", "-")
    with serve(tmp_path / "git", user_token=f"oauth2:{token}") as url:
        host = url.split("/")[2]
        with spied_on([token, value, "sk_live_"], user.home, temporary) as seen:
            made = user.run(*init, "--gitlab-host", host, stdin=token)
            assert made.code == 0, made
            profile = yaml.safe_load((user.home / "config.yaml").read_text())
            saved = user.run("configure", stdin=profile["api_key"])
            assert saved.code == 0, saved
            command = 'mktemp; echo "$OF_USER" >file; ./hello.sh; sleep 1'
            ran = user.run("exec", "-f", "--repo", f"{url}/sample.git", "--env", "OF_USER", command)
            assert (ran.code, "hello from the repository" in ran.out) == (0, True), ran
    account = json.loads((user.home / "local" / "account.json").read_text())
    calls = [
        ("GET", "/"),
        ("POST", "/"),
        ("GET", "/v2/"),
        ("PUT", "/v2/mycli/api/manifests/1"),
        ("POST", "/_ministack/reset"),
        ("POST", "/2015-03-31/functions/mycli-orchestrator/invocations"),
        ("POST", profile["api_endpoint"].removeprefix(f"http://127.0.0.1:{account['port']}")),
    ]
    with as_nobody(_CALLER, str(account["port"])) as caller:
        answers = json.loads(caller.communicate(json.dumps(calls))[0])
    assert seen["looks"] > 10
    assert seen["processes"] == []
    assert seen["files"] == []
    assert seen["folders"] == [str(user.home), str(temporary)], "their names only"
    assert answers == [403, 403, 401, 401, 403, 403, 401]
    assert list(temporary.iterdir()) == []


@pytest.fixture
def image() -> Iterator[str]:
    if find_engine() is None or containers.BUSYBOX is None:
        pytest.skip("neither Docker nor Podman answers, or there is no busybox")
    engine, name = str(find_engine()), f"localhost/mycli-test-other-user:{os.getpid()}"
    tar = containers.root_filesystem()
    subprocess.run([engine, "import", "-", name], input=tar, capture_output=True, check=True)
    yield name
    subprocess.run([engine, "rmi", "--force", name], capture_output=True, check=True)


def test_another_user_sees_no_secret_of_a_container(careless: Machine, image: str) -> None:
    """The engine's own commands are processes like any other, with arguments for all to read."""
    token, value = f"glpat-{secrets.token_hex(16)}", f"value-{secrets.token_hex(16)}"
    user = Machine(careless.home, careless.folder, {**careless.env, "OF_USER": value})
    init = ("init", "--local", "--force", "--runtime", "container", "--image", image)
    made = user.run(*init, "--gitlab-token-file", "-", stdin=token)
    assert made.code == 0, made
    with spied_on([token, value], user.home) as seen:
        ran = user.run(
            "exec", "-f", "--skip-git", "--env", "OF_USER", 'echo "${#OF_USER}"; sleep 1'
        )
        assert (ran.code, ran.out) == (0, f"{len(value)}\n"), ran
        url = "https://127.0.0.1:1/x.git"  # with the token: there is no git in this image
        assert user.run("exec", "-f", "--repo", url, "true").code == 125
    assert seen["looks"] > 10
    assert seen["processes"] == []
    assert seen["files"] == []
