"""A real git server on 127.0.0.1, and a repository to serve: `git http-backend` behind http.server.

sample = make_repository(tmp_path / "git" / "sample.git")
with serve(tmp_path / "git", user_token="x-access-token:s3cret") as url:
    subprocess.run(["git", "clone", f"{url}/sample.git"])
"""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


@contextlib.contextmanager
def serve(
    root: Path,
    user_token: str | None = None,
    *,
    seen: list[str] | None = None,
    any_commit: bool = True,
) -> Generator[str]:
    """Serve the bare repositories under `root`; gives the address, `http://127.0.0.1:PORT`.

    user_token: `user:token` that a client must send (basic auth), else it gets a 401.
    seen: collects the `user:token` of each request that had one.
    any_commit: False speaks only git's first protocol, whose server refuses to send a commit that
    no branch or tag points to.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self._admitted():
                self._run_backend()

        def do_POST(self) -> None:
            self.do_GET()

        def _admitted(self) -> bool:
            given = self.headers.get("Authorization", "").removeprefix("Basic ")
            credentials = base64.b64decode(given).decode()
            if credentials and seen is not None:
                seen.append(credentials)
            if user_token in (None, credentials):
                return True
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return False

        def _run_backend(self) -> None:
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            protocol = self.headers.get("Git-Protocol", "") if any_commit else ""
            environment = {
                "PATH": os.environ["PATH"],
                "HOME": str(root),
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_PROTOCOL": protocol,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            }
            answer = subprocess.run(
                ["git", "http-backend"],
                input=body,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                check=False,
            ).stdout
            head, _, content = answer.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
            self.send_response(int(headers.pop("Status", "200").split()[0]))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Repository:
    """A bare repository. `where.txt` says in which commit one is; each folder is `sub/folder`.

    default branch: trunk, three commits (`first`, `second`, `third`); tag v1 at `first`;
    branch `feature/one` with a commit of its own on `third`. It names a submodule that exists
    nowhere, and gives its text files a filter that no git here knows.
    """

    path: Path
    first: str
    second: str
    third: str
    feature: str


def make_repository(path: Path) -> Repository:
    """Make the sample at `path`, which must not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    work = path.with_suffix(".work")
    git(path.parent, "init", "--quiet", "--initial-branch=trunk", str(work))
    (work / "sub" / "folder").mkdir(parents=True)
    (work / "sub" / "folder" / "here.txt").write_text("in the folder\n")
    (work / "hello.sh").write_text("#!/bin/sh\necho hello from the repository\n")
    (work / "hello.sh").chmod(0o755)
    (work / ".gitattributes").write_text("*.txt filter=unknown\n")
    submodule = '[submodule "library"]\n\tpath = library\n\turl = https://invalid.invalid/x\n'
    (work / ".gitmodules").write_text(submodule)
    git(work, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},library")
    first = _commit(work, "first")
    git(work, "tag", "v1")
    second, third = _commit(work, "second"), _commit(work, "third")
    git(work, "checkout", "--quiet", "-b", "feature/one")
    feature = _commit(work, "feature")
    git(work, "checkout", "--quiet", "trunk")
    git(path.parent, "clone", "--quiet", "--bare", str(work), str(path))
    return Repository(path, first, second, third, feature)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return make_repository(tmp_path_factory.mktemp("git") / "sample.git")


@pytest.fixture(scope="module")
def server(repository: Repository) -> Iterator[str]:
    """The address under which that repository is `/sample.git`."""
    with serve(repository.path.parent) as url:
        yield url


def git(folder: Path, *args: str) -> str:
    """Run git in a folder, apart from this user's own settings; gives what it printed."""
    identity = {f"GIT_{who}_NAME": "Ada" for who in ("AUTHOR", "COMMITTER")}
    identity |= {f"GIT_{who}_EMAIL": "ada@example.com" for who in ("AUTHOR", "COMMITTER")}
    settings = {"HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"]}
    return subprocess.run(
        ["git", *args],
        cwd=folder,
        env=settings | identity,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.strip()


def _commit(work: Path, where: str) -> str:
    (work / "where.txt").write_text(f"{where}\n")
    git(work, "add", "--all", ":!library")
    git(work, "commit", "--quiet", "--message", where)
    return git(work, "rev-parse", "HEAD")
