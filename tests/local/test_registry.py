"""The account's container registry: what it keeps, and what it does not take."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from mycli.local import account
from tests.local.conftest import Running, new_account, prepare, until
from tests.local.registry_client import INDEX, Registry, digest_of, manifest, registry


@pytest.fixture
def here(running: Running, request: pytest.FixtureRequest) -> Iterator[Registry]:
    """A repository of this test's own."""
    name = "here/" + request.node.originalname.replace("_", "-")
    with registry(running.account, running.clients, name) as client:
        yield client
    with contextlib.suppress(ClientError):
        running.clients("ecr").delete_repository(repositoryName=name, force=True)


@contextlib.contextmanager
def another(running: Running, here: Registry, **options: Any) -> Generator[Registry]:
    """A second repository beside this one."""
    name = f"{here.repository}-other"
    with registry(running.account, running.clients, name, **options) as client:
        yield client
    with contextlib.suppress(ClientError):
        running.clients("ecr").delete_repository(repositoryName=name, force=True)


def contents(running: Running) -> list[bytes]:
    """What is on disk of images: of each blob once, however many repositories have it."""
    files = {
        path.stat().st_ino: path for path in running.place.registry.rglob("*") if path.is_file()
    }
    return [path.read_bytes() for path in files.values()]


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["code"]


# --- Layers ---------------------------------------------------------------------------------------


def test_what_was_pushed_is_pulled(running: Running, here: Registry) -> None:
    digest = here.push("1", b"layer", b"")
    for reference in ("1", digest):
        answer = here.ask("GET", f"manifests/{reference}")
        assert digest_of(answer.content) == digest == answer.headers["docker-content-digest"]
        head = here.ask("HEAD", f"manifests/{reference}")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(answer.content))
    for layer in (b"layer", b""):
        answer = here.ask("GET", f"blobs/{digest_of(layer)}")
        assert (answer.status_code, answer.content) == (200, layer)
    [image] = running.clients("ecr").describe_images(repositoryName=here.repository)["imageDetails"]
    assert (image["imageDigest"], image["imageTags"]) == (digest, ["1"])
    assert image["imageSizeInBytes"] == len(b"layer") + len(json.dumps({"tag": "1"}))


def test_a_layer_comes_in_pieces_and_in_order(here: Registry) -> None:
    upload = here.begin()
    for piece, span, status in (
        (b"abc", "0-2", 202),
        (b"xyz", "5-7", 416),  # it would leave a hole
        (b"abc", "0-2", 416),  # it came already
        (b"def", "3-5", 202),
        (b"ghi", None, 202),  # as Docker sends it: what comes is what is next
    ):
        headers = {"content-range": span} if span else {}
        answer = here.http.patch(upload, content=piece, headers=headers)
        assert answer.status_code == status, span
    assert here.http.get(upload).headers["range"] == "0-8"
    digest = digest_of(b"abcdefghi!")
    done = here.http.put(upload, params={"digest": digest}, content=b"!")
    assert (done.status_code, done.headers["docker-content-digest"]) == (201, digest)
    assert here.ask("GET", f"blobs/{digest}").content == b"abcdefghi!"
    assert refusal(here.http.patch(upload, content=b"more")) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_a_layer_comes_with_the_first_request(here: Registry) -> None:
    digest = digest_of(b"at once")
    answer = here.ask("POST", "blobs/uploads/", params={"digest": digest}, content=b"at once")
    assert answer.status_code == 201
    assert here.status(f"blobs/{digest}", "HEAD") == 200


def test_a_part_of_a_layer_is_read(here: Registry) -> None:
    path = "blobs/" + here.put_blob(bytes(range(100)))
    for asked, status, content in (
        ("bytes=10-19", 206, bytes(range(10, 20))),
        ("bytes=90-", 206, bytes(range(90, 100))),
        ("bytes=90-1000", 206, bytes(range(90, 100))),
        ("bytes=0-0", 206, b"\0"),
        ("bytes=-5", 200, bytes(range(100))),  # not known here: all of it
        ("bytes=0-1,5-6", 200, bytes(range(100))),
    ):
        answer = here.ask("GET", path, headers={"range": asked})
        assert (answer.status_code, answer.content) == (status, content), asked
    assert here.ask("GET", path, headers={"range": "bytes=100-"}).status_code == 416


@pytest.mark.parametrize("digest", ["wrong", "sha256:abc", f"sha512:{'0' * 128}", "sha256:../../x"])
def test_a_digest_must_be_one(here: Registry, running: Running, digest: str) -> None:
    before = contents(running)
    done = here.http.put(here.begin(), params={"digest": digest}, content=b"x")
    assert refusal(done) == (400, "DIGEST_INVALID")
    assert done.headers["connection"] == "close", "its body was not read"
    assert here.http.put(here.begin(), content=b"x").status_code == 400
    assert contents(running) == [*before, b"", b""], "the uploads go on"


def test_what_is_not_its_digest_is_nowhere(here: Registry, running: Running) -> None:
    before, digest = contents(running), digest_of(b"good")
    done = here.http.put(here.begin(), params={"digest": digest}, content=b"evil")
    assert refusal(done) == (400, "DIGEST_INVALID")
    assert here.status(f"blobs/{digest}") == 404
    assert contents(running) == before


def test_an_upload_is_of_its_repository_and_can_be_cancelled(
    running: Running, here: Registry
) -> None:
    before, upload = contents(running), here.begin()
    here.http.patch(upload, content=b"half")
    with another(running, here) as other:
        elsewhere = upload.replace(here.repository, other.repository)
        assert other.http.patch(elsewhere, content=b"x").status_code == 404
    assert here.http.delete(upload).status_code == 204
    assert here.http.get(upload).status_code == 404
    assert contents(running) == before


def test_many_push_the_same_layer_at_once(here: Registry) -> None:
    layer = os.urandom(3_000_000)
    with ThreadPoolExecutor(8) as pool:
        assert len({*pool.map(here.put_blob, [layer] * 8)}) == 1
    assert here.ask("GET", f"blobs/{digest_of(layer)}").content == layer


def test_a_layer_of_another_repository_is_shared(running: Running, here: Registry) -> None:
    digest = here.put_blob(b"shared layer")
    with another(running, here) as other:
        mounted = {"mount": digest, "from": here.repository}
        assert other.ask("POST", "blobs/uploads/", params=mounted).status_code == 201
        assert contents(running).count(b"shared layer") == 1
        running.clients("ecr").delete_repository(repositoryName=here.repository, force=True)
        assert other.ask("GET", f"blobs/{digest}").content == b"shared layer"
        for source in (here.repository, "no/such", "../x"):  # then it is uploaded
            asked = {"mount": digest_of(b"?"), "from": source}
            assert other.ask("POST", "blobs/uploads/", params=asked).status_code == 202
    assert b"shared layer" not in contents(running)


# --- Manifests ------------------------------------------------------------------------------------


def test_a_manifest_names_what_is_there(running: Running, here: Registry) -> None:
    config = here.put_blob(b"{}")
    missing = manifest(config, [digest_of(b"nowhere")])
    assert refusal(here.put_manifest("1", missing)) == (400, "MANIFEST_BLOB_UNKNOWN")
    with another(running, here) as other:  # what another repository has is not here
        answer = other.put_manifest("1", manifest(config, []))
        assert refusal(answer) == (400, "MANIFEST_BLOB_UNKNOWN")
    image = digest_of(json.dumps(manifest(config, [])).encode())
    index = {"schemaVersion": 2, "manifests": [{"digest": image}]}
    assert refusal(here.put_manifest("all", index, INDEX)) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert here.put_manifest(image, manifest(config, [])).status_code == 201
    assert here.put_manifest("all", index, INDEX).status_code == 201
    assert here.ask("GET", "manifests/all").json() == index
    assert here.ask("GET", "manifests/all").headers["content-type"] == INDEX
    elsewhere = manifest(config, []) | {"layers": [{"digest": digest_of(b"?"), "urls": ["x"]}]}
    assert here.put_manifest("2", elsewhere).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no JSON",
        b"\xff\xfe",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"schemaVersion": 1}',
        b'{"schemaVersion": 2}',
        b'{"schemaVersion": 2, "config": [], "layers": {}}',
        b'{"schemaVersion": 2, "config": {"digest": 5}, "layers": []}',
        b'{"schemaVersion": 2, "config": {"digest": "sha256:../../x"}, "layers": []}',
        b'{"schemaVersion": 2, "mediaType": "another", "config": {}, "layers": []}',
    ],
)
def test_what_is_no_manifest_is_refused(here: Registry, body: bytes) -> None:
    headers = {"content-type": "application/vnd.oci.image.manifest.v1+json"}
    answer = here.ask("PUT", "manifests/1", content=body, headers=headers)
    assert refusal(answer) == (400, "MANIFEST_INVALID")


def test_a_manifest_is_what_its_reference_says(here: Registry) -> None:
    document = manifest(here.put_blob(b"{}"), [])
    assert refusal(here.put_manifest(digest_of(b"another"), document)) == (400, "DIGEST_INVALID")
    assert refusal(here.put_manifest("." * 5, document)) == (400, "TAG_INVALID")
    assert refusal(here.put_manifest("x" * 129, document)) == (400, "TAG_INVALID")
    unknown = here.put_manifest("1", document, "text/plain")
    assert refusal(unknown) == (400, "MANIFEST_INVALID")
    assert here.ask("GET", "tags/list").json()["tags"] == []
    assert here.ask("GET", f"manifests/{digest_of(json.dumps(document).encode())}").is_error


def test_a_tag_moves_only_where_it_may(running: Running, here: Registry) -> None:
    first, second = here.push("1", b"first"), here.push("1", b"second")
    assert here.ask("GET", "manifests/1").headers["docker-content-digest"] == second != first
    assert here.status(f"manifests/{first}") == 200
    with another(running, here, imageTagMutability="IMMUTABLE") as fixed:
        kept = fixed.push("1", b"first")
        config = fixed.put_blob(b"{}")
        taken = fixed.put_manifest("1", manifest(config, []))
        assert refusal(taken) == (400, "TAG_INVALID")
        assert "immutable" in taken.text
        assert fixed.ask("GET", "manifests/1").headers["docker-content-digest"] == kept
        assert fixed.push("1", b"first") == kept, "the same again is no change"
        assert fixed.put_manifest("2", fixed.ask("GET", "manifests/1").json()).is_success
        assert fixed.ask("GET", "tags/list").json()["tags"] == ["1", "2"]
        page = fixed.ask("GET", "tags/list", params={"n": "1", "last": "1"}).json()
        assert page["tags"] == ["2"]


# --- Paths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/v2/../registry/blobs/x",
        "/v2/%2e%2e/%2e%2e/account.json",
        "/v2/{name}/../../account.json",
        "/v2/{name}/blobs/../../../../account.json",
        "/v2/{name}/blobs/..%2f..%2f..%2faccount.json",
        "/v2/{name}/blobs/uploads/../../x",
        "/v2/{name}/manifests/a%2fb",
        "/v2/{name}/manifests/a%00b",
        "/v2/{name}//manifests/1",
        "/v2//manifests/1",
        "/v2/UPPER/manifests/1",
        "/v2/a/",
        "/v2/_catalog",
        "/v2/" + "a/" * 4000 + "manifests/1",
        "/v2/" + "a" * 300 + "/manifests/1",
        "/v2/" + "a-" * 4000 + "/manifests/1",
    ],
)
def test_a_path_is_of_the_registry_or_of_nobody(
    running: Running, here: Registry, path: str
) -> None:
    target = path.format(name=here.repository)
    with socket.create_connection(("127.0.0.1", running.account.port), 10) as connection:
        head = [f"GET {target} HTTP/1.1", f"Host: 127.0.0.1:{running.account.port}"]
        head += [f"Authorization: {here.http.headers['authorization']}", "Connection: close"]
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        answer = connection.makefile("rb").read()
    assert answer.startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 404 ", b"HTTP/1.1 405 ")), answer
    assert running.account.secret_access_key.encode() not in answer


def test_a_method_has_its_path(here: Registry) -> None:
    digest = here.push("1", b"x")
    for method, path in (
        ("DELETE", "manifests/1"),
        ("DELETE", f"manifests/{digest}"),
        ("DELETE", f"blobs/{digest_of(b'x')}"),
        ("POST", "tags/list"),
        ("PUT", "blobs/uploads/"),
    ):
        assert here.status(path, method) == 405
    assert here.status(f"manifests/{digest}") == 200


def test_a_repository_is_made_by_its_own_call(running: Running, here: Registry) -> None:
    gone = Registry(here.http, "no/such")
    assert refusal(gone.ask("POST", "blobs/uploads/")) == (404, "NAME_UNKNOWN")
    assert refusal(gone.ask("GET", "manifests/1")) == (404, "NAME_UNKNOWN")


# --- What stays, and what does not ----------------------------------------------------------------


def test_what_goes_with_a_repository(running: Running, here: Registry) -> None:
    before = contents(running)
    with another(running, here) as other:
        other.push("1", b"only there")
        upload = other.begin()
        other.http.patch(upload, content=b"half")
        running.clients("ecr").delete_repository(repositoryName=other.repository, force=True)
        assert contents(running) == before
        for answer in (
            other.http.patch(upload, content=b"more"),
            other.http.put(upload, params={"digest": digest_of(b"half")}),
            other.ask("GET", "manifests/1"),
        ):
            assert refusal(answer) == (404, "NAME_UNKNOWN")
        running.clients("ecr").create_repository(repositoryName=other.repository)
        assert other.status(f"blobs/{digest_of(b'only there')}") == 404
        assert other.http.get(upload).status_code == 404


def test_a_client_that_goes_holds_up_nobody(running: Running, here: Registry) -> None:
    upload = here.begin()
    with socket.create_connection(("127.0.0.1", running.account.port), 10) as connection:
        head = [f"PATCH {upload} HTTP/1.1", f"Host: 127.0.0.1:{running.account.port}"]
        head += [f"Authorization: {here.http.headers['authorization']}", "Content-Length: 100"]
        connection.sendall("\r\n".join([*head, "", "half"]).encode())
    here.put_blob(b"another one, meanwhile")
    digest = {"digest": digest_of(b"whole")}
    until(lambda: here.http.put(upload, params=digest, content=b"").status_code == 400)


@pytest.fixture
def own(ended: None) -> Running:
    return prepare(new_account())


def kill_and_start(own: Running) -> None:
    os.kill(account.status()["pid"], signal.SIGKILL)
    until(lambda: not account.is_running(own.place))
    account.start(own.account)


def test_a_kill_keeps_what_was_pushed_and_clears_away_what_was_cut_short(own: Running) -> None:
    with registry(own.account, own.clients, "mycli/api", imageTagMutability="IMMUTABLE") as client:
        digest = client.push("1", b"kept", b"x" * 3_000_000)
        client.put_blob(b"of a push without an end")
        half = client.begin()
        client.http.patch(half, content=b"half")
        kill_and_start(own)
        assert client.ask("GET", "manifests/1").headers["docker-content-digest"] == digest
        assert client.ask("GET", f"blobs/{digest_of(b'kept')}").content == b"kept"
        assert client.http.get(half).status_code == 404
        assert sorted(map(len, contents(own))) == [4, 12, 3_000_000]
        assert refusal(client.put_manifest("1", manifest(client.put_blob(b"{}"), []))) == (
            400,
            "TAG_INVALID",
        )
        ecr = own.clients("ecr")
        [image] = ecr.describe_images(repositoryName="mycli/api")["imageDetails"]
        assert (image["imageDigest"], image["imageTags"]) == (digest, ["1"])
        ecr.delete_repository(repositoryName="mycli/api", force=True)
        kill_and_start(own)
        assert ecr.describe_repositories()["repositories"] == []
        assert contents(own) == []
