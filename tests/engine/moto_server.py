"""moto as an AWS account of its own on 127.0.0.1, for whoever follows AWS_ENDPOINT_URL.

moto's own server wants flask; this one hands each request to what moto does for boto3.
"""

from __future__ import annotations

import contextlib
import functools
import re
import secrets
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from unittest.mock import MagicMock
from urllib.parse import unquote

import boto3
from botocore.awsrequest import AWSPreparedRequest, HeadersDict
from botocore.config import Config
from moto.core.models import botocore_stubber
from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket

REGION = "us-east-2"
_SCOPE = re.compile(r"Credential=[^/]+/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")

Spoil = Callable[["Seen"], None]


def without_validator() -> None:
    """moto's API Gateway wants this to import descriptions of APIs only, and nothing has any."""
    validator = "openapi_spec_validator"
    for name in (validator, f"{validator}.validation", f"{validator}.validation.exceptions"):
        sys.modules.setdefault(name, MagicMock())


def without_bucket_policies() -> None:
    """moto reads a bucket's policy without its conditions: "never without TLS" would be "never"."""

    def neutral(self: FakeBucket, action: str, resource: str) -> PermissionResult:
        return PermissionResult.NEUTRAL

    FakeBucket.get_permission = neutral


def with_absences() -> None:
    """moto breaks, or answers with nothing, where it has no such deployment or integration."""
    from moto.apigateway.exceptions import DeploymentNotFoundException, NoIntegrationDefined
    from moto.apigateway.models import Deployment, Integration, Resource, RestAPI

    def deployment(self: RestAPI, deployment_id: str) -> Deployment:
        if deployment_id not in self.deployments:
            raise DeploymentNotFoundException
        return self.deployments[deployment_id]

    def integration(self: Resource, method_type: str) -> Integration:
        method = self.resource_methods.get(method_type)
        if not (method and method.method_integration):
            raise NoIntegrationDefined
        return method.method_integration

    def without_integration(self: Resource, method_type: str) -> Integration:
        found = integration(self, method_type)
        self.resource_methods[method_type].method_integration = None
        return found

    RestAPI.get_deployment = deployment
    Resource.get_integration = integration
    Resource.delete_integration = without_integration


class Seen:
    """A request: the service that its signature names, what is asked for, and by whom."""

    def __init__(self, service: str, method: str, path: str, headers: Mapping[str, str]) -> None:
        self.service = service
        self.method = method
        self.path = path
        self.target = headers.get("x-amz-target", "")
        self.agent = headers.get("user-agent", "")


class MotoServer:
    """An empty account. clients: service name -> its boto3 client.

    on_request is shown each request and may raise, which the caller sees as an answer 503.
    """

    def __init__(self) -> None:
        without_validator()
        without_bucket_policies()
        with_absences()
        self.account_id = f"{secrets.randbelow(9 * 10**11) + 10**11}"
        self.on_request: Spoil = lambda _: None
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._lock = threading.Lock()  # moto was not written for threads
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self.clients = functools.cache(self._client)
        threading.Thread(target=self._http.serve_forever, args=[0.02], daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _client(self, service: str) -> Any:
        return boto3.client(
            cast("Any", service),
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            config=Config(retries={"total_max_attempts": 1}, max_pool_connections=50, proxies={}),
        )

    def answer(
        self, method: str, path: str, headers: HeadersDict, body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        scope = _SCOPE.search(headers.get("authorization", "") or unquote(path))
        if scope is None:
            return 403, {}, b"the request is not signed"
        service, region = scope["service"], scope["region"]
        try:
            self.on_request(Seen(service, method, path, headers))
        except Exception as error:  # noqa: BLE001 (whatever the test wants to happen)
            return 503, {}, str(error).encode()
        headers["x-moto-account-id"] = self.account_id
        url = f"https://{service}.{region}.amazonaws.com{path}"
        request = AWSPreparedRequest(method, url, headers, body, stream_output=False)
        try:
            with self._lock:
                answer = botocore_stubber.process_request(request)
        except Exception as error:  # noqa: BLE001 (moto's own faults, told to whoever asked)
            return 500, {}, f"{error!r} {traceback.format_exc()}".encode()
        if answer is None:
            return 404, {}, f"moto does not know {service}".encode()
        status, answered, content = cast("tuple[int, Mapping[str, str], str | bytes]", answer)
        return status, answered, content.encode() if isinstance(content, str) else content


def _handler(server: MotoServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):  # the caller was killed, or is in a hurry
                super().handle()

        def answer(self) -> None:
            headers = HeadersDict(dict(self.headers.items()))
            method, body = self.command, self._body()
            status, answered, content = server.answer(method, self.path, headers, body)
            if status == 204:  # No Content: moto gives it some, and the next answer begins with it
                content = b""
            self.send_response(status)
            for name, value in answered.items():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, str(value))
            length = answered.get("content-length") if self.command == "HEAD" else None
            self.send_header("Content-Length", str(length or len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def _body(self) -> bytes:
            if self.headers.get("expect", "").lower() == "100-continue":
                self.send_response_only(100)
                self.end_headers()
            if self.headers.get("transfer-encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("content-length", 0)))
            content = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return content

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing: each request is shown to on_request."""

    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.answer)
    return Handler
