"""The container registry of a running account, as `docker push` and `pull` speak to it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from mycli.local.place import Account

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Registry:
    """Speaks to one repository."""

    http: httpx.Client
    repository: str

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        return self.http.request(method, f"/v2/{self.repository}/{path}", **request)

    def begin(self) -> str:
        """Where a new upload goes on."""
        answer = self.ask("POST", "blobs/uploads/")
        assert answer.status_code == 202, answer.text
        return answer.headers["location"]

    def put_blob(self, content: bytes) -> str:
        """Upload in one; its digest."""
        digest = digest_of(content)
        done = self.http.put(self.begin(), params={"digest": digest}, content=content)
        assert done.status_code == 201, done.text
        return digest

    def put_manifest(
        self, reference: str, document: dict[str, Any], media_type: str = IMAGE
    ) -> httpx.Response:
        body = json.dumps(document).encode()
        headers = {"content-type": media_type}
        return self.ask("PUT", f"manifests/{reference}", content=body, headers=headers)

    def push(self, tag: str, *layers: bytes) -> str:
        """An image of these layers under this tag; its digest."""
        config = self.put_blob(json.dumps({"tag": tag}).encode())
        answer = self.put_manifest(tag, manifest(config, map(self.put_blob, layers)))
        assert answer.status_code == 201, answer.text
        return answer.headers["docker-content-digest"]

    def status(self, path: str, method: str = "GET") -> int:
        return self.ask(method, path).status_code


def manifest(config: str, layers: Iterable[str]) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": {"digest": config},
        "layers": [{"digest": digest} for digest in layers],
    }


def token_of(ecr: Any) -> str:
    """The `AWS:password`, in base64, that this client of ECR is given."""
    return ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]


def password_of(ecr: Any) -> str:
    return base64.b64decode(token_of(ecr)).decode().partition(":")[2]


@contextmanager
def registry(
    account: Account, clients: Callable[[str], Any], repository: str, **options: Any
) -> Generator[Registry]:
    """The registry as the account's owner has it, with a new repository."""
    clients("ecr").create_repository(repositoryName=repository, **options)
    headers = {"authorization": f"Basic {token_of(clients('ecr'))}"}
    with httpx.Client(
        base_url=account.origin, headers=headers, timeout=30, trust_env=False
    ) as http:
        yield Registry(http, repository)
