"""A disk that is full: found out, and told to whoever asks the stack's API.

The function could not be unpacked or could not write its record, and knows only that AWS failed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from mycli.local.guard import App, Message, Receive, Send

ROOM_BYTES = 4 * 1024 * 1024  # what a function that starts, and the records, may need


def has_room(folder: Path) -> bool:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize > ROOM_BYTES


def telling(app: App, folder: Path) -> App:
    """The app; an API's answer that something failed is another one while the disk is full."""
    said = {
        "error": f"the disk is full: the account on this machine cannot write to {folder}",
        "hint": "make room, and run the same command again; `mycli destroy` and "
        "`mycli local reset` work all the same",
    }
    body = json.dumps(said).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]

    async def told(scope: Message, receive: Receive, send: Send) -> None:
        replaced = False

        async def replacing(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start":
                status: int = message["status"]
                replaced = (status == 429 or status >= 500) and not has_room(folder)
                if replaced:
                    message = {**message, "status": 507, "headers": headers}
            elif replaced:
                if message.get("more_body"):
                    return
                message = {"type": "http.response.body", "body": body}
            await send(message)

        await app(scope, receive, replacing if _is_of_an_api(scope) else send)

    return told


def _is_of_an_api(scope: Any) -> bool:
    return scope["type"] == "http" and scope["path"].startswith("/restapis/")
