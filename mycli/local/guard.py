"""Who may call the account on this machine: an ASGI layer in front of the emulator.

The emulator can start processes, so nobody but this account's owner may get through to it:

- a page in the owner's browser: refused by `Origin`, `Sec-Fetch-*` and a foreign `Host`;
- another user of the machine: has no key that this account knows (the emulator alone takes an empty
  one, `test` and any account number for its root, and then checks no signature);
- a caller with an API key: only the API's own invoke path is open without AWS credentials;
- a caller with a password of the registry's: only its paths are open to him, and to nobody else.

The emulator then checks the signature and IAM's policies, but not on every path: many it answers to
whoever names a key. So all paths are shut but those of the services that a stack is made of.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Coroutine[Any, Any, None]]

PROVE_PATH = "/_mycli/prove"
# The function takes 64 KB, and says so of what is larger. It looks at the key when all has been
# read: with API Gateway's own 10 MB, strangers could fill the memory.
MAX_INVOKE_BYTES = 256 * 1024
MAX_AWS_BYTES = 70 * 1024 * 1024  # Lambda takes 50 MB of code in a request, base64 besides

MAX_MANIFEST_BYTES = 4 * 1024 * 1024  # the least that a registry must take, and ECR's most
MAX_LAYER_BYTES = 52_000 * 1024 * 1024  # ECR's limit

BODY_SECONDS = 30.0  # from the head of a request to the end of its body
PIECE_SECONDS = 60.0  # of a layer, which may take hours, from each piece to the next

_INVOKE = re.compile(r"/restapis/[A-Za-z0-9]+/[A-Za-z0-9_-]+/_user_request_(/[^\x00-\x20]*)?")
# The JSON and query protocols; API Gateway; Lambda.
_AWS = re.compile(r"/|/(restapis|tags|20\d\d-\d\d-\d\d)(/[^\x00-\x20]*)?")
_REGISTRY = re.compile(r"/v2(/[^\x00-\x20]*)?")
_UPLOAD = re.compile(r"/v2/.+/blobs/uploads/?[^/]*")
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
_NONCE = re.compile(r"[0-9a-f]{32,128}")
_CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256 Credential=([A-Za-z0-9]{16,128})/")
_QUERY_CREDENTIALS = {"x-amz-credential", "x-amz-signature", "x-amz-algorithm", "awsaccesskeyid"}


class _Refused(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class _Limit:
    """Of a body: its size, and the time that it, or each piece of it, may take."""

    size: int
    seconds: float
    each_piece: bool = False


def proof(daemon_secret: str, nonce: str, origin: str) -> str:
    """What only the holder of the account's secret can answer to this nonce, for this address."""
    message = f"{nonce} {origin}".encode()
    return hmac.new(daemon_secret.encode(), message, hashlib.sha256).hexdigest()


def guard(
    app: App,
    port: int,
    daemon_secret: str,
    knows_key: Callable[[str], bool],
    registry_caller: Callable[[str], object | None],
    *,
    body_seconds: float = BODY_SECONDS,
    piece_seconds: float = PIECE_SECONDS,
) -> App:
    """The app behind the guard.

    knows_key: whether an access key id is one of this account's. registry_caller: whose password an
    Authorization header has; the app finds it in its scope as `mycli.caller`.
    """
    origin = f"http://127.0.0.1:{port}"

    async def guarded(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        started = False

        async def without_cors(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                # The emulator invites every web page; this account invites none.
                headers = [h for h in message["headers"] if not h[0].lower().startswith(_CORS)]
                message = {**message, "headers": headers}
            await send(message)

        try:
            headers = _headers(scope)
            _refuse_strangers(scope, headers, port)
            if scope["path"] == PROVE_PATH:
                await _answer(send, 200, _prove(scope, daemon_secret, origin))
                return
            if _REGISTRY.fullmatch(scope["path"]):
                scope = {**scope, "mycli.caller": _registry_caller(headers, registry_caller)}
                limit = _registry_limit(scope["path"], body_seconds, piece_seconds)
            else:
                limit = _Limit(_limit(scope, headers, knows_key), body_seconds)
            await app(scope, _limited(receive, headers, limit), without_cors)
        except _Refused as refusal:
            if not started:
                await _refuse(send, scope, refusal)

    return guarded


_CORS = b"access-control-"


def _headers(scope: Message) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return headers


def _refuse_strangers(scope: Message, headers: dict[str, list[str]], port: int) -> None:
    # Others name their host elsewhere (HTTP/2) or nowhere (HTTP/1.0).
    if scope["http_version"] != "1.1" or scope["method"] not in _METHODS:
        raise _Refused(403, "forbidden: HTTP/1.1 with a common method is spoken here")
    if headers.get("host") != [f"127.0.0.1:{port}"]:
        raise _Refused(403, f"forbidden: Host must be 127.0.0.1:{port}")
    if "origin" in headers or any(name.startswith("sec-fetch-") for name in headers):
        raise _Refused(403, "forbidden: web pages cannot call the account on this machine")


def _prove(scope: Message, daemon_secret: str, origin: str) -> dict[str, str]:
    nonces = parse_qs(scope["query_string"].decode("latin-1")).get("nonce", [])
    if scope["method"] != "GET" or len(nonces) != 1 or not _NONCE.fullmatch(nonces[0]):
        raise _Refused(400, "invalid request: GET with one nonce of 32 to 128 hex digits")
    return {"proof": proof(daemon_secret, nonces[0], origin)}


def _limit(scope: Message, headers: dict[str, list[str]], knows_key: Callable[[str], bool]) -> int:
    """How many bytes this caller may send. Raises _Refused where he may send none."""
    path: str = scope["path"]
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if _QUERY_CREDENTIALS & {name.lower() for name in query}:
        raise _Refused(403, "forbidden: credentials belong in the Authorization header")
    authorization = headers.get("authorization", [])
    if _INVOKE.fullmatch(path) and not authorization:
        return MAX_INVOKE_BYTES
    if not _AWS.fullmatch(path):
        raise _Refused(403, "forbidden: this path is shut")
    credential = _CREDENTIAL.match(authorization[0]) if len(authorization) == 1 else None
    if not credential or not knows_key(credential[1]):
        raise _Refused(403, "forbidden: the access key is not one of this account's")
    return MAX_AWS_BYTES


def _registry_caller(
    headers: dict[str, list[str]], registry_caller: Callable[[str], object | None]
) -> object:
    authorization = headers.get("authorization", [])
    caller = registry_caller(authorization[0]) if len(authorization) == 1 else None
    if caller is None:
        raise _Refused(401, "unauthorized: the password is none of this account's, or has expired")
    return caller


def _registry_limit(path: str, body_seconds: float, piece_seconds: float) -> _Limit:
    if _UPLOAD.fullmatch(path):
        return _Limit(MAX_LAYER_BYTES, piece_seconds, each_piece=True)
    return _Limit(MAX_MANIFEST_BYTES, body_seconds)


def _limited(receive: Receive, headers: dict[str, list[str]], limit: _Limit) -> Receive:
    announced = headers.get("content-length", ["0"])[0]
    if not announced.isdecimal() or int(announced) > limit.size:
        raise _Refused(413, f"too large: a request may have {limit.size} bytes")
    received, whole = 0, False
    clock = asyncio.get_running_loop().time
    deadline = clock() + limit.seconds

    async def counted() -> Message:
        nonlocal received, whole
        end = clock() + limit.seconds if limit.each_piece else deadline
        try:
            async with asyncio.timeout_at(None if whole else end):
                message = await receive()
        except TimeoutError:
            what = "each piece of a request" if limit.each_piece else "a request"
            raise _Refused(408, f"too slow: {what} may take {limit.seconds:.0f} s") from None
        received += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if received > limit.size:
            raise _Refused(413, f"too large: a request may have {limit.size} bytes")
        return message

    return counted


async def _refuse(send: Send, scope: Message, refusal: _Refused) -> None:
    """In the words of whoever asked: the registry's clients show nothing else."""
    if not _REGISTRY.fullmatch(scope["path"]):
        await _answer(send, refusal.status, {"error": str(refusal)})
        return
    code = "UNAUTHORIZED" if refusal.status == 401 else "DENIED"
    document = {"errors": [{"code": code, "message": str(refusal)}]}
    more = [(b"connection", b"close")] if scope["method"] not in ("GET", "HEAD") else []
    if refusal.status == 401:
        more.append((b"www-authenticate", b'Basic realm="the account on this machine"'))
    await _answer(send, refusal.status, document, more)


async def _answer(
    send: Send, status: int, document: dict[str, Any], more: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    body = json.dumps(document).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *more]})
    await send({"type": "http.response.body", "body": body})
