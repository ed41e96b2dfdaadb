"""ECR's actions as AWS answers them, for the registry that is in this daemon.

The emulator names a registry of AWS's own, gives everybody the same token, keeps layers in memory
and does not page. https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

from mycli.local import emulator, lifecycle, manifests
from mycli.local.actions import Action, Refused, Request, answering
from mycli.local.blobs import Blobs
from mycli.local.registry_tokens import USER, Caller, Tokens

_ACCESS_KEY = re.compile(r"Credential=([A-Z0-9]+)/")
_MOST = 1000


def mend(blobs: Blobs, tokens: Tokens, host: str, on_deleted: Callable[[str], None]) -> None:
    """host: where the registry is reached, with its port.

    on_deleted: is told the address of each repository that is deleted.
    """
    ecr = emulator.service("ecr")
    home = ecr.get_region()
    ecr._repo_uri = f"{host}/{{}}".format
    mended: dict[str, Action] = {
        "_create_repository": _create(ecr._create_repository, home),
        "_describe_repositories": _describe_repositories,
        "_delete_repository": _delete(ecr._delete_repository, blobs, host, on_deleted),
        "_put_image": lambda request: _put_image(blobs, request),
        "_put_lifecycle_policy": _put_policy(ecr._put_lifecycle_policy),
        "_describe_images": _describe_images,
        "_list_images": _list_images,
        "_batch_delete_image": lambda request: _batch_delete(blobs, request),
        "_batch_check_layer_availability": lambda request: _check_layers(blobs, request),
        "_get_download_url_for_layer": lambda request: _layer_url(blobs, host, request),
        "_initiate_layer_upload": _by_the_registry,
        "_upload_layer_part": _by_the_registry,
        "_complete_layer_upload": _by_the_registry,
    }
    for name, action in mended.items():
        setattr(ecr, name, answering(action))
    ecr._find_image = _find_image
    handlers = emulator.module("app").SERVICE_HANDLERS
    handlers["ecr"] = _with_tokens(handlers["ecr"], tokens, f"http://{host}")


def _with_tokens(handler: Any, tokens: Tokens, endpoint: str) -> Any:
    """Only here it is known who asks."""

    async def handle(method: str, path: str, headers: dict[str, str], *rest: Any) -> Any:
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        if action != "GetAuthorizationToken":
            return await handler(method, path, headers, *rest)
        responses = emulator.module("core.responses")
        caller = _caller(headers.get("authorization", ""))
        if caller is None:
            reason = "Tokens are for roles, and for the account's owner."
            return responses.error_response_json("AccessDeniedException", reason, 400)
        password, expires = tokens.issue(caller)
        given = {
            "authorizationToken": base64.b64encode(f"{USER}:{password}".encode()).decode(),
            "expiresAt": expires,
            "proxyEndpoint": endpoint,
        }
        return responses.json_response({"authorizationData": [given]})

    return handle


def _caller(authorization: str) -> Caller | None:
    """Who signed. A session that may do less than its role gets no token: that would do more."""
    key = _ACCESS_KEY.search(authorization)
    session = emulator.service("sts")._sessions.get(key[1]) if key else None
    if session is None or session.get("SessionPolicies"):
        return None
    arn = str(session["Arn"])
    _, _, _, _, account_id, resource = arn.split(":", 5)
    if resource == "root":
        return Caller()
    kind, _, rest = resource.partition("/")
    name = rest.partition("/")[0]
    return Caller(f"arn:aws:iam::{account_id}:role/{name}") if kind == "assumed-role" else None


def _repository(request: Request) -> str:
    name = str(request.get("repositoryName", ""))
    if not manifests.exists(name):
        raise _missing(name)
    return name


def _missing(name: str) -> Refused:
    account_id = emulator.service("ecr")._registry_id()
    return Refused(
        f"The repository with name '{name}' does not exist in the registry with id '{account_id}'",
        "RepositoryNotFoundException",
    )


def _create(create: Action, home: str) -> Action:
    def create_repository(request: Request) -> Any:
        if not manifests.REPOSITORY.fullmatch(str(request.get("repositoryName", ""))):
            reason = "Invalid parameter at 'repositoryName' failed to satisfy constraint: "
            raise Refused(reason + manifests.REPOSITORY.pattern)
        if emulator.service("ecr").get_region() != home:
            raise Refused(f"The registry here is that of {home}.")
        return create(request)

    return create_repository


def _describe_repositories(request: Request) -> Any:
    ecr = emulator.service("ecr")
    names = request.get("repositoryNames") or sorted(ecr._repositories)
    for name in names:
        if not manifests.exists(name):
            raise _missing(name)
    shapes = [ecr._repo_shape(ecr._repositories[name]) for name in names]
    return _page(request, "repositories", shapes)


def _page(request: Request, name: str, items: list[Any]) -> Any:
    first = int(request.get("nextToken") or 0)
    last = first + min(int(request.get("maxResults") or 100), _MOST)
    page: Request = {name: items[first:last]}
    if last < len(items):
        page["nextToken"] = str(last)
    return emulator.module("core.responses").json_response(page)


def _delete(delete: Action, blobs: Blobs, host: str, on_deleted: Callable[[str], None]) -> Action:
    def delete_repository(request: Request) -> Any:
        answer = delete(request)
        if answer[0] == 200:
            blobs.remove_repository(request["repositoryName"])
            on_deleted(f"{host}/{request['repositoryName']}")
        return answer

    return delete_repository


def _put_policy(put: Action) -> Action:
    def put_lifecycle_policy(request: Request) -> Any:
        try:
            lifecycle.rules(str(request.get("lifecyclePolicyText", "")))
        except ValueError as error:
            raise Refused(str(error)) from None
        return put(request)

    return put_lifecycle_policy


def _put_image(blobs: Blobs, request: Request) -> Any:
    name, tag = _repository(request), request.get("imageTag")
    body = str(request.get("imageManifest", "")).encode()
    there = manifests.find(name, tag) if tag else None
    try:
        if tag is not None and not manifests.TAG.fullmatch(tag):
            raise Refused(f"'{tag}' is no tag")
        image = manifests.put(blobs, name, body, request.get("imageManifestMediaType", ""), tag)
    except manifests.TagTaken as taken:
        raise Refused(str(taken), "ImageTagAlreadyExistsException") from None
    except manifests.NotThere as missing:
        raise Refused(str(missing), "LayersNotFoundException") from None
    except manifests.Refused as refused:
        raise Refused(str(refused)) from None
    if there is image:
        reason = f"Image with digest '{image['imageDigest']}' and tag '{tag}' already exists"
        raise Refused(reason, "ImageAlreadyExistsException")
    responses = emulator.module("core.responses")
    return responses.json_response({"image": _shape(image, _image_id(image, tag))})


def _shape(image: Request, image_id: Request) -> Request:
    kept = ("registryId", "repositoryName", "imageManifest", "imageManifestMediaType")
    return {**{name: image[name] for name in kept}, "imageId": image_id}


def _image_id(image: Request, tag: str | None) -> Request:
    return {"imageDigest": image["imageDigest"], **({"imageTag": tag} if tag else {})}


def _find_image(repository: str, image_id: Request) -> Request | None:
    """All that is given must fit: digest and tag."""
    wanted = [image_id[name] for name in ("imageDigest", "imageTag") if image_id.get(name)]
    found = [manifests.find(repository, reference) for reference in wanted]
    return found[0] if found and all(image is found[0] for image in found) else None


def _describe_images(request: Request) -> Any:
    name = _repository(request)
    found = manifests.images(name)
    if wanted := request.get("imageIds"):
        found = []
        for image_id in wanted:
            image = _find_image(name, image_id)
            if image is None:
                reason = f"The image with imageId {json.dumps(image_id)} does not exist within the "
                raise Refused(f"{reason}repository with name '{name}'", "ImageNotFoundException")
            found.append(image)
    return _page(request, "imageDetails", [_details(i) for i in found if _asked_for(request, i)])


def _asked_for(request: Request, image: Request) -> bool:
    status = (request.get("filter") or {}).get("tagStatus", "ANY")
    return status == "ANY" or (status == "TAGGED") == bool(image["imageTags"])


def _details(image: Request) -> Request:
    kept = ("registryId", "repositoryName", "imageDigest", "imageSizeInBytes", "imagePushedAt")
    details = {name: image[name] for name in (*kept, "imageManifestMediaType")}
    return details | ({"imageTags": image["imageTags"]} if image["imageTags"] else {})


def _list_images(request: Request) -> Any:
    """One for each tag."""
    found = [
        image for image in manifests.images(_repository(request)) if _asked_for(request, image)
    ]
    ids = [_image_id(image, tag) for image in found for tag in (image["imageTags"] or [None])]
    return _page(request, "imageIds", ids)


def _batch_delete(blobs: Blobs, request: Request) -> Any:
    """A tag goes alone, where the image has others; the disk is free of what no image needs."""
    name = _repository(request)
    unused: set[str] = set()
    deleted: list[Request] = []
    failures: list[Request] = []
    for image_id in request.get("imageIds") or []:
        image = _find_image(name, image_id)
        failure = _undeletable(name, image, image_id)
        if image is None or failure:
            failures.append({"imageId": image_id, **failure})
        elif "imageDigest" not in image_id and len(image["imageTags"]) > 1:
            image["imageTags"].remove(image_id["imageTag"])
            deleted.append(_image_id(image, image_id["imageTag"]))
        else:
            unused |= manifests.take_out(name, [image])
            deleted += [_image_id(image, tag) for tag in (image["imageTags"] or [None])]
    blobs.remove(name, unused)
    answer = {"imageIds": deleted, "failures": failures}
    return emulator.module("core.responses").json_response(answer)


def _undeletable(name: str, image: Request | None, image_id: Request) -> Request:
    if image is None:
        code, reason = "ImageNotFound", "Requested image not found"
    elif manifests.lists_with(name, image["imageDigest"]) and (
        "imageDigest" in image_id or len(image["imageTags"]) == 1
    ):
        code, reason = "ImageReferencedByManifestList", "A manifest list names this image"
    else:
        return {}
    return {"failureCode": code, "failureReason": reason}


def _check_layers(blobs: Blobs, request: Request) -> Any:
    name = _repository(request)
    layers: list[Request] = []
    failures: list[Request] = []
    for digest in request.get("layerDigests") or []:
        if manifests.DIGEST.fullmatch(digest):
            size = blobs.size(name, digest)
            availability = "UNAVAILABLE" if size is None else "AVAILABLE"
            layer = {"layerDigest": digest, "layerAvailability": availability}
            layers.append(layer | ({} if size is None else {"layerSize": size}))
        else:
            failures.append({"layerDigest": digest, "failureCode": "InvalidLayerDigest"})
    answer = {"layers": layers, "failures": failures}
    return emulator.module("core.responses").json_response(answer)


def _layer_url(blobs: Blobs, host: str, request: Request) -> Any:
    name, digest = _repository(request), str(request.get("layerDigest", ""))
    if not manifests.DIGEST.fullmatch(digest) or blobs.size(name, digest) is None:
        raise Refused(f"there is no layer {digest} here", "LayersNotFoundException")
    url = f"http://{host}/v2/{name}/blobs/{digest}"
    answer = {"downloadUrl": url, "layerDigest": digest}
    return emulator.module("core.responses").json_response(answer)


def _by_the_registry(_request: Request) -> Any:
    raise Refused("Layers come by `docker push` here.", "UnsupportedOperationException")
