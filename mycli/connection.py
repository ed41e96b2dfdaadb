"""Where the API key goes: to the endpoint of its profile, and nowhere else.

Never over plain HTTP to another machine, never to where a redirect points, and to a stack on this
machine only over a connection on which the daemon has just proved that it is this account's: the
port of a daemon that has stopped may be anybody's.
"""

from __future__ import annotations

import hmac
import secrets
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mycli.config import Profile
from mycli.errors import ConfigError, EndpointError
from orchestrator import wire

if TYPE_CHECKING:
    import httpx

READ_TIMEOUT_SECONDS = 40.0  # API Gateway answers within 29 s, if only with a 504
PROOFS = 3  # connections that may be lost between the proof and the request


def origin(profile: Profile) -> str:
    """The endpoint's scheme, host and port."""
    return "{0.scheme}://{0.netloc}".format(urlsplit(profile.api_endpoint))


def post(http: httpx.Client, profile: Profile, body: bytes) -> httpx.Response:
    """Send one request with the key. Raises httpx.RequestError, and EndpointError without a proof.

    The connection to a daemon that carries the key is never a new one: a new one is refused before
    it is made, the proof is asked for (on a connection that stays open), and the request follows.
    """
    headers = {wire.API_KEY_HEADER: profile.api_key, "Content-Type": "application/json"}
    if not profile.daemon_secret:
        return http.post(profile.api_endpoint, content=body, headers=headers)
    proved_only = {"trace": _refuse_new_connection}
    for _ in range(PROOFS):
        try:
            return http.post(
                profile.api_endpoint, content=body, headers=headers, extensions=proved_only
            )
        except _NewConnection:
            _prove(http, profile)
    raise EndpointError(
        f"{origin(profile)} closes each connection after its proof: the API key was not sent",
        "restart the account on this machine: `mycli local stop`, `mycli local start`",
    )


class _NewConnection(Exception):
    """The request would have gone over a connection on which nothing was proved."""


def _refuse_new_connection(event: str, _: object) -> None:
    if event == "connection.connect_tcp.started":
        raise _NewConnection


def _prove(http: httpx.Client, profile: Profile) -> None:
    nonce = secrets.token_hex(32)
    message = f"{nonce} {origin(profile)}".encode()
    expected = hmac.digest(profile.daemon_secret.encode(), message, "sha256").hex()
    response = http.get(f"{origin(profile)}/_mycli/prove", params={"nonce": nonce})
    try:
        given = str(response.json()["proof"])
    except (ValueError, TypeError, KeyError):
        given = ""
    if not hmac.compare_digest(given.encode(errors="replace"), expected.encode()):
        raise EndpointError(
            f"what answers at {origin(profile)} is not your account on this machine: "
            "the API key was not sent",
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
        raise ConfigError(
            f"{profile.api_endpoint!r} is no endpoint", "it looks like https://…/prod/execute"
        )
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
        # One connection to a daemon, so that the proof and the request share it.
        limits=httpx.Limits(max_connections=1 if profile.daemon_secret else None),
        # A proxy has no business between two programs of one machine, and plain HTTP needs no
        # certificates: loading them would take longer than the request.
        trust_env=not profile.is_loopback,
        verify=_no_certificates() if profile.api_endpoint.startswith("http://") else True,
        transport=transport,
    )


def _no_certificates() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
