"""Where the API key goes: to the endpoint of its profile, and nowhere else.

Never over plain HTTP to another machine, never to where a redirect points, and to a stack on this
machine only over a connection on which the daemon has just proved that it is this account's: the
port of a daemon that has stopped may be anybody's.
"""

from __future__ import annotations

import hmac
import http.client
import json
import secrets
import socket
import ssl
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from mycli.config import Profile
from mycli.errors import ConfigError, EndpointError
from orchestrator import wire

if TYPE_CHECKING:
    import httpcore
    import httpx

READ_TIMEOUT_SECONDS = 40.0  # API Gateway answers within 29 s, if only with a 504
_PROOF_SECONDS = 10.0  # for each part of the daemon's answer
_PROOF_BYTES = 4096


def origin(profile: Profile) -> str:
    """The endpoint's scheme, host and port."""
    return "{0.scheme}://{0.netloc}".format(urlsplit(profile.api_endpoint))


class Received(NamedTuple):
    """An answer, of whatever status, whole."""

    status: int
    headers: Mapping[str, str]
    text: str


def post(client: httpx.Client, profile: Profile, body: bytes) -> Received:
    """Send a request with the key. Raises httpx.RequestError; EndpointError without a proof."""
    import httpx

    with _post(client, profile, body) as response:
        # Piece by piece: a page of a log is long, and httpx itself would keep it as bytes, too.
        text = "".join(response.iter_text())
    # With its stream a response is a circle, and waits for the garbage collector.
    response.stream = httpx.ByteStream(b"")
    return Received(response.status_code, response.headers, text)


def _post(
    client: httpx.Client, profile: Profile, body: bytes
) -> AbstractContextManager[httpx.Response]:
    headers = {wire.API_KEY_HEADER: profile.api_key, "Content-Type": "application/json"}
    if not profile.daemon_secret:
        return client.stream("POST", profile.api_endpoint, content=body, headers=headers)

    def prove_new_connection(event: str, info: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            _prove_stream(info["return_value"], profile)

    # A connection is proved before it is one of the pool's, where other threads could take it.
    traced = {"trace": prove_new_connection}
    return client.stream(
        "POST", profile.api_endpoint, content=body, headers=headers, extensions=traced
    )


def _prove_stream(stream: httpcore.NetworkStream, profile: Profile) -> None:
    import httpx

    try:
        prove(stream.get_extra_info("socket"), origin(profile), profile.daemon_secret)
    except (OSError, EndpointError) as error:
        stream.close()
        if isinstance(error, OSError):  # the daemon may be ending, and come back
            raise httpx.ReadError(str(error)) from error
        raise


def prove(connection: socket.socket, origin: str, daemon_secret: str) -> None:
    """Let who answers on a new connection prove that it holds the secret of the account.

    The connection can then be used for HTTP. Raises EndpointError, and OSError where it is lost.
    """
    nonce = secrets.token_hex(32)
    expected = hmac.digest(daemon_secret.encode(), f"{nonce} {origin}".encode(), "sha256").hex()
    before = connection.gettimeout()
    connection.settimeout(_PROOF_SECONDS)
    host = urlsplit(origin).netloc
    asked = f"GET /_mycli/prove?nonce={nonce} HTTP/1.1\r\nHost: {host}\r\n\r\n"
    connection.sendall(asked.encode())
    with http.client.HTTPResponse(connection) as response:
        try:
            response.begin()
            given = str(json.loads(response.read(_PROOF_BYTES))["proof"])
            given = "" if response.will_close else given
        except (http.client.HTTPException, ValueError, TypeError, LookupError) as error:
            if isinstance(error, OSError):
                raise
            given = ""
    connection.settimeout(before)
    if not hmac.compare_digest(given.encode(errors="replace"), expected.encode()):
        raise EndpointError(
            f"what answers at {origin} is not your account on this machine: your key was not sent",
            "another program may have its port: see `mycli local status`, `mycli local start`",
        )


def check(profile: Profile) -> None:
    """Raise a ConfigError for an address or a key that cannot be right."""
    try:
        address = urlsplit(profile.api_endpoint)
        usable = address.port is None or address.port > 0
    except ValueError:
        address, usable = urlsplit(""), False
    usable = usable and address.scheme in ("http", "https") and bool(address.hostname)
    if not usable or "@" in address.netloc:
        _, _, shown = profile.api_endpoint.rpartition("@")  # a password may stand before it
        raise ConfigError(f"{shown!r} is no endpoint", "it looks like https://…/prod/execute")
    if address.scheme == "http" and not profile.is_loopback:
        raise ConfigError(
            f"{profile.api_endpoint} is not https: the API key would cross the network in clear",
            "use the https address",
        )
    # Checked here, as HTTP libraries quote a header that they refuse in their errors.
    if not wire.API_KEY_PATTERN.fullmatch(profile.api_key):
        raise ConfigError(
            "the API key is not one of mycli's", "it is sk_live_ and 64 hexadecimal digits"
        )


def open_client(profile: Profile, transport: httpx.BaseTransport | None) -> httpx.Client:
    import httpx

    return httpx.Client(
        headers={"User-Agent": "mycli", "Accept": "application/json"},
        timeout=httpx.Timeout(READ_TIMEOUT_SECONDS, connect=10, pool=None),
        # A proxy has no business between two programs of one machine, and plain HTTP needs no
        # certificates: loading them would take longer than the request.
        trust_env=not profile.is_loopback,
        verify=_no_certificates() if profile.api_endpoint.startswith("http://") else True,
        transport=transport,
    )


def _no_certificates() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
