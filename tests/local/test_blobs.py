"""Uploads and layers that nobody comes back for."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from pathlib import Path

import pytest

from mycli.local.blobs import MAX_UPLOADS, Blobs, TooManyUploads

DAY_SECONDS = 86_400


def files(folder: Path) -> list[str]:
    return sorted(path.read_text() for path in folder.rglob("*") if path.is_file())


def put(blobs: Blobs, content: str) -> str:
    digest = "sha256:" + hashlib.sha256(content.encode()).hexdigest()
    key = blobs.begin("a")
    upload = blobs.upload("a", key)
    assert upload
    upload.write(content.encode())
    asyncio.run(blobs.finish(key, digest))
    return digest


def test_uploads_without_an_end_are_limited_and_forgotten(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    keys = [blobs.begin("a") for _ in range(MAX_UPLOADS)]
    with pytest.raises(TooManyUploads):
        blobs.begin("b")
    oldest = blobs.upload("a", keys[0])
    assert oldest
    oldest.write(b"given up")
    oldest.touched -= 3601
    blobs.begin("b")
    assert blobs.upload("a", keys[0]) is None
    assert files(tmp_path) == [""] * MAX_UPLOADS


def test_a_layer_that_no_image_has_goes_after_a_day(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    used, unused, asked_for, young = (put(blobs, text) for text in ("used", "old", "asked", "new"))
    yesterday = time.time() - DAY_SECONDS - 1
    for digest in (used, unused, asked_for):
        os.utime(blobs.path("a", digest), (yesterday, yesterday))
    assert blobs.size("a", asked_for) == len("asked"), "an image may be about to come"
    blobs.remove_unused("a", {used})
    assert files(tmp_path) == ["asked", "new", "used"]
    blobs.keep_only({"a": {used, young}})
    assert files(tmp_path) == ["new", "used"]
    blobs.keep_only({})
    assert files(tmp_path) == []


def test_an_upload_that_was_cancelled_writes_nothing_more(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    key = blobs.begin("a")
    upload = blobs.upload("a", key)
    assert upload
    blobs.remove_repository("a")
    with pytest.raises(FileNotFoundError):
        upload.write(b"late")
    assert files(tmp_path) == []
