"""The account's container registry: `/v2/` of its port, where `docker push` and `pull` go.

An ASGI app behind the guard, which has found out who calls. It speaks the OCI distribution spec:
https://github.com/opencontainers/distribution-spec/blob/main/spec.md
What a role may do in a repository is what its policies say of ECR's own actions:
https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qs

from mycli.local import emulator, lifecycle, manifests, permissions
from mycli.local.blobs import DIGEST, Blobs, TooManyUploads, Upload, WrongDigest
from mycli.local.guard import App, Message, Receive, Send
from mycli.local.place import Account
from mycli.local.registry_tokens import Caller

PIECE_BYTES = 1024 * 1024  # of a blob in memory, coming or going

_PATH = re.compile(
    rf"/v2/(?P<repository>{manifests.REPOSITORY.pattern.partition(')')[2]})/"
    r"(?:blobs/uploads/?(?P<upload>[0-9a-f]{32})?|(?P<listing>tags)/list"
    r"|(?P<kind>manifests|blobs)/(?P<reference>[A-Za-z0-9_:.-]+))"
)
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{0,18})")
_CHUNK = re.compile(r"(?:bytes )?(\d{1,18})-(\d{1,18})(?:/\S+)?")

logger = logging.getLogger("mycli")


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class _Gone(Exception):
    """The client has gone in the middle of what it sent."""


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: dict[str, str]
    body: bytes = b""
    file: Path | None = None  # instead of a body: this file, from first to last
    first: int = 0
    last: int = -1


@dataclass(frozen=True)
class _Request:
    method: str
    repository: str
    reference: str  # a tag, a digest, an upload's id
    query: dict[str, str]
    headers: dict[str, str]
    caller: Caller
    receive: Receive

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes, in pieces that are worth a write."""
        waiting = bytearray()
        more = True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            waiting += message.get("body", b"")
            more = message.get("more_body", False)
            if len(waiting) >= PIECE_BYTES or not more:
                yield bytes(waiting)
                waiting.clear()

    async def body(self) -> bytes:
        return b"".join([piece async for piece in self.pieces()])


class Registry:
    """keep: writes the state of ECR, for good; it may raise OSError."""

    def __init__(
        self, blobs: Blobs, account: Account, folder: Path, keep: Callable[[], None]
    ) -> None:
        self._blobs = blobs
        self._account_id = account.account_id
        self._region = account.region
        self._folder = folder
        self._keep = keep
        self._one_at_a_time = asyncio.Lock()
        self._actions: dict[tuple[str, str], tuple[str, Callable[..., Awaitable[_Answer]]]] = {
            ("manifests", "GET"): ("BatchGetImage", self._get_manifest),
            ("manifests", "HEAD"): ("BatchGetImage", self._get_manifest),
            ("manifests", "PUT"): ("PutImage", self._put_manifest),
            ("blobs", "GET"): ("GetDownloadUrlForLayer", self._get_blob),
            ("blobs", "HEAD"): ("BatchCheckLayerAvailability", self._get_blob),
            ("uploads", "POST"): ("InitiateLayerUpload", self._begin),
            ("upload", "GET"): ("UploadLayerPart", self._progress),
            ("upload", "PATCH"): ("UploadLayerPart", self._append),
            ("upload", "PUT"): ("CompleteLayerUpload", self._finish),
            ("upload", "DELETE"): ("UploadLayerPart", self._cancel),
            ("tags", "GET"): ("ListImages", self._tags),
        }

    def remove_unused(self) -> None:
        """Remove the layers that no image names. For the start, once the state is back."""
        ecr = emulator.service("ecr")
        with emulator.module("core.responses").request_scope(self._account_id, self._region):
            self._blobs.keep_only(
                {name: manifests.blobs_of(manifests.images(name)) for name in ecr._repositories}
            )

    def before(self, app: App) -> App:
        """The app, with the registry in front of it."""

        async def either(scope: Message, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["path"].startswith("/v2"):
                await self._serve(scope, receive, send)
            else:
                await app(scope, receive, send)

        return either

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            with emulator.module("core.responses").request_scope(self._account_id, self._region):
                answer = await self._answer(scope, receive)
        except _Gone:
            return
        except _Refused as refusal:
            answer = _error(refusal.status, refusal.code, str(refusal))
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            # Docker and Podman show the words of a 4xx only, and try again after a 5xx.
            full = f"the disk is full: the account on this machine cannot write to {self._folder}"
            answer = _error(403, "DENIED", full)
        if answer.status >= 400 and scope["method"] not in ("GET", "HEAD"):
            answer.headers["Connection"] = "close"  # its body may not have been read
        await _send(send, answer, scope["method"] == "HEAD")

    async def _answer(self, scope: Message, receive: Receive) -> _Answer:
        method, path = scope["method"], scope["path"]
        if path in ("/v2", "/v2/") and method in ("GET", "HEAD"):
            return _Answer(200, {"Content-Type": "application/json"}, b"{}")
        found = _PATH.fullmatch(path)
        if not found:
            raise _Refused(404, "UNSUPPORTED", "there is nothing under this path")
        kind = found["kind"] or found["listing"] or ("upload" if found["upload"] else "uploads")
        if (kind, method) not in self._actions:
            raise _Refused(405, "UNSUPPORTED", f"{method} is not for this path")
        query = parse_qs(scope["query_string"].decode("latin-1"))
        request = _Request(
            method,
            found["repository"],
            found["reference"] or found["upload"] or "",
            {name: values[-1] for name, values in query.items()},
            {
                name.decode("latin-1").lower(): text.decode("latin-1")
                for name, text in scope["headers"]
            },
            scope["mycli.caller"],
            receive,
        )
        action, act = self._actions[kind, method]
        self._check(request, action, request.repository)
        return await act(request)

    def _may(self, caller: Caller, action: str, repository: str) -> bool:
        arn = f"arn:aws:ecr:{self._region}:{self._account_id}:repository/{repository}"
        return caller.role_arn is None or permissions.role_may(
            caller.role_arn, f"ecr:{action}", arn
        )

    def _check(self, request: _Request, action: str, repository: str) -> None:
        if not self._may(request.caller, action, repository):
            message = f"{request.caller.role_arn} is not authorized to perform ecr:{action} on "
            raise _Refused(403, "DENIED", f"{message}repository {repository}")
        if not manifests.exists(repository):
            raise _Refused(404, "NAME_UNKNOWN", f"there is no repository {repository} here")

    # --- Manifests -----------------------------------------------------------------------------

    async def _get_manifest(self, request: _Request) -> _Answer:
        image = manifests.find(request.repository, request.reference)
        if image is None:
            message = f"{request.repository} has no image {request.reference}"
            raise _Refused(404, "MANIFEST_UNKNOWN", message)
        headers = {
            "Content-Type": image["imageManifestMediaType"],
            "Docker-Content-Digest": image["imageDigest"],
        }
        return _Answer(200, headers, image["imageManifest"].encode())

    async def _put_manifest(self, request: _Request) -> _Answer:
        name, reference = request.repository, request.reference
        by_digest = bool(DIGEST.fullmatch(reference))
        if not by_digest and not manifests.TAG.fullmatch(reference):
            raise _Refused(400, "TAG_INVALID", f"{reference} is no tag")
        body, media_type = await request.body(), request.headers.get("content-type", "")
        async with self._one_at_a_time:
            if not manifests.exists(name):  # it went in the meantime
                raise _Refused(404, "NAME_UNKNOWN", f"there is no repository {name} here")
            try:
                with manifests.undone_by_an_error(name):
                    tag = None if by_digest else reference
                    image = manifests.put(self._blobs, name, body, media_type, tag)
                    if by_digest and image["imageDigest"] != reference:
                        raise _Refused(400, "DIGEST_INVALID", "the manifest has another digest")
                    expired = lifecycle.expired(name, time.time())
                    unused = manifests.take_out(name, expired)
                    await asyncio.to_thread(self._keep)
            except manifests.Refused as refused:
                raise _Refused(400, refused.code, str(refused)) from None
        used = manifests.blobs_of(manifests.images(name))
        self._blobs.remove(name, unused - used)
        self._blobs.remove_unused(name, used)
        digest = image["imageDigest"]
        return _put_at(f"/v2/{name}/manifests/{digest}", digest)

    async def _tags(self, request: _Request) -> _Answer:
        name, last = request.repository, request.query.get("last", "")
        tags = sorted({tag for image in manifests.images(name) for tag in image["imageTags"]})
        count = request.query.get("n", "")
        tags = [tag for tag in tags if tag > last][: int(count) if count.isdecimal() else None]
        body = json.dumps({"name": name, "tags": tags}).encode()
        return _Answer(200, {"Content-Type": "application/json"}, body)

    # --- Blobs ---------------------------------------------------------------------------------

    async def _get_blob(self, request: _Request) -> _Answer:
        name, digest = request.repository, request.reference
        size = self._blobs.size(name, digest) if DIGEST.fullmatch(digest) else None
        if size is None:
            raise _Refused(404, "BLOB_UNKNOWN", f"{name} has no blob {digest}")
        headers = {
            "Content-Type": "application/octet-stream",
            "Docker-Content-Digest": digest,
            "Accept-Ranges": "bytes",
        }
        whole = _Answer(200, headers, file=self._blobs.path(name, digest), last=size - 1)
        asked = _RANGE.fullmatch(request.headers.get("range", ""))
        if not asked:
            return whole
        first, last = int(asked[1]), min(int(asked[2] or size), size - 1)
        if first > last:
            raise _Refused(416, "SIZE_INVALID", f"the blob has {size} bytes")
        part = headers | {"Content-Range": f"bytes {first}-{last}/{size}"}
        return replace(whole, status=206, headers=part, first=first, last=last)

    async def _begin(self, request: _Request) -> _Answer:
        name, query = request.repository, request.query
        digest, source = query.get("mount", ""), query.get("from", "")
        if (
            DIGEST.fullmatch(digest)
            and manifests.exists(source)
            and self._may(request.caller, "GetDownloadUrlForLayer", source)
            and self._blobs.link(source, name, digest)
        ):
            return _put_at(f"/v2/{name}/blobs/{digest}", digest)
        try:
            key = self._blobs.begin(name)
        except TooManyUploads:
            raise _Refused(429, "TOOMANYREQUESTS", "too many uploads were begun") from None
        started = replace(request, reference=key)
        return await self._finish(started) if "digest" in query else self._accepted(started)

    async def _progress(self, request: _Request) -> _Answer:
        return replace(self._accepted(request), status=204)

    async def _append(self, request: _Request) -> _Answer:
        upload = self._upload(request)
        async with upload.lock:
            await self._write(request, upload)
        return self._accepted(request)

    async def _finish(self, request: _Request) -> _Answer:
        digest, upload = request.query.get("digest", ""), self._upload(request)
        if not DIGEST.fullmatch(digest):
            raise _Refused(400, "DIGEST_INVALID", "?digest= must be one of sha256")
        async with upload.lock:
            await self._write(request, upload)
            self._upload(request)  # there still
            try:
                await self._blobs.finish(request.reference, digest)
            except WrongDigest:
                message = "what was uploaded has another digest"
                raise _Refused(400, "DIGEST_INVALID", message) from None
        return _put_at(f"/v2/{request.repository}/blobs/{digest}", digest)

    async def _cancel(self, request: _Request) -> _Answer:
        self._upload(request)
        self._blobs.cancel(request.reference)
        return _Answer(204, {})

    def _upload(self, request: _Request) -> Upload:
        upload = self._blobs.upload(request.repository, request.reference)
        if upload is None:
            raise _Refused(404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload (any more)")
        return upload

    async def _write(self, request: _Request, upload: Upload) -> None:
        """What came of it stays when the client is gone; after any other failure nothing does."""
        chunk = _CHUNK.fullmatch(request.headers.get("content-range", ""))
        if chunk and int(chunk[1]) != upload.size:
            raise _Refused(416, "BLOB_UPLOAD_INVALID", f"byte {upload.size} is the next one")
        try:
            async for piece in request.pieces():
                if piece:
                    await asyncio.to_thread(upload.write, piece)
        except FileNotFoundError:  # it was cancelled, or its repository deleted
            raise _Refused(404, "BLOB_UPLOAD_UNKNOWN", "the upload is no more") from None
        except _Gone:
            raise
        except BaseException:
            self._blobs.cancel(request.reference)
            raise

    def _accepted(self, request: _Request) -> _Answer:
        upload = self._upload(request)
        headers = {
            "Location": f"/v2/{request.repository}/blobs/uploads/{request.reference}",
            "Docker-Upload-UUID": request.reference,
            "Range": f"0-{max(0, upload.size - 1)}",
        }
        return _Answer(202, headers)


def _put_at(location: str, digest: str) -> _Answer:
    return _Answer(201, {"Location": location, "Docker-Content-Digest": digest})


def _error(status: int, code: str, message: str) -> _Answer:
    document = {"errors": [{"code": code, "message": message}]}
    return _Answer(status, {"Content-Type": "application/json"}, json.dumps(document).encode())


async def _send(send: Send, answer: _Answer, head_only: bool) -> None:
    size = answer.last - answer.first + 1 if answer.file else len(answer.body)
    headers = {"Docker-Distribution-Api-Version": "registry/2.0", **answer.headers}
    if answer.status != 204:
        headers["Content-Length"] = str(size)
    encoded = [(name.lower().encode(), text.encode()) for name, text in headers.items()]
    start = {"type": "http.response.start", "status": answer.status, "headers": encoded}
    if answer.file and not head_only:
        with answer.file.open("rb") as file:
            await send(start)
            await _send_part(send, file, answer.first, size)
        return
    await send(start)
    await send({"type": "http.response.body", "body": b"" if head_only else answer.body})


async def _send_part(send: Send, file: BinaryIO, first: int, size: int) -> None:
    file.seek(first)
    while size > 0:
        piece = await asyncio.to_thread(file.read, min(PIECE_BYTES, size))
        if not piece:
            raise OSError(errno.EIO, "the blob became shorter")
        size -= len(piece)
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
