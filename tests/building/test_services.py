"""`build` and `services` in .mycli.yaml: what they mean, and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mycli import ConfigError
from mycli.building.services import Service
from mycli.project_file import read_file


def read(folder: Path, text: str) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    (folder / ".mycli.yaml").write_text(text)
    return read_file(folder / ".mycli.yaml")


def test_every_key_of_a_service(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "services:\n"
        "  api:\n"
        "    context: .\n"
        "    dockerfile: services/api/Dockerfile\n"
        "    name: the-api\n"
        "    paths: [services/api, shared]\n"
        "    args: {PYTHON: '3.13'}\n"
        "  web: {context: services/web}\n"
        "  all:\n",
    )
    assert found["services"] == {
        "api": Service(
            name="api",
            repository="the-api",
            folder=tmp_path,
            context=".",
            dockerfile="services/api/Dockerfile",
            paths=("services/api", "shared"),
            args={"PYTHON": "3.13"},
        ),
        "web": Service(name="web", repository="web", folder=tmp_path, context="services/web"),
        "all": Service(name="all", repository="all", folder=tmp_path),
    }
    assert "service" not in found
    assert found["services"]["web"].shown_dockerfile == "services/web/Dockerfile"


def test_one_image_is_the_one_that_is_run(tmp_path: Path) -> None:
    found = read(tmp_path / "tool", "build: {name: other, dockerfile: x}")
    service = Service(name="other", repository="other", folder=tmp_path / "tool", dockerfile="x")
    assert found == {"services": {"other": service}, "service": "other"}
    assert read(tmp_path / "tool", "build: {}")["service"] == "tool"
    assert read(tmp_path / "tool", "build:\nimage: x") == {"image": "x"}


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("build: true", ":1: build is true", "a mapping"),
        ("build: .", ":1: build is .", "{context: ., dockerfile: Dockerfile}"),
        ("build:\n  contxt: x", ":2: build: unknown key 'contxt'", "did you mean context?"),
        ("build:\n  name: x\n  context: 1", ":3: build.context is 1", "a folder"),
        ("build:\n  context: /x", ":2: build.context is '/x'", "a path from the folder"),
        ("build:\n  dockerfile: ''", ":2: build.dockerfile is ''", "a path from the context"),
        ("build:\n  context: ~/x", ":2: build.context is '~/x'", "a path"),
        ("build:\n  name: My App", ":2: build: name is 'My App'", "small letters"),
        ("build:\n  name: team/app", ":2: build: name is 'team/app'", "small letters"),
        ("build: {}", ":1: build: name is missing, and cannot be 'A folder'", "small letters"),
        ("build:\n  paths: src", ":2: build.paths is src", "a list"),
        ("build:\n  paths: []", ":2: build.paths is empty", "leave it out"),
        ("build:\n  paths: [1]", ":2: build.paths: 1 is not text", "quotes"),
        ("build:\n  paths: [/x]", ":2: build.paths is '/x'", "a path"),
        ("build:\n  args: [A=1]", ":2: build.args is none", "a mapping"),
        ("build:\n  args:\n    PIN: 1234", ":3: build.args: PIN is not text", 'PIN: "..."'),
        ("build:\n  args:\n    a-b: x", ":3: build.args: 'a-b' is no name", "letters"),
        ("build:\n  args:\n    ON: x", ":2: build.args: True is no name", "letters"),
        ("services: [api]", ":1: services is ['api']", "a mapping of names"),
        ("services: {}", ":1: services is empty", "api: {context: services/api}"),
        ("services:\n  api: x", ":2: services.api is x", "a mapping of context, dockerfile"),
        ("services:\n  1: {}", ":1: services: the name 1 is not text", "quote"),
        ("services:\n  A: {}", ":2: services.A: name is missing, and cannot be 'A'", "small"),
        (
            "services:\n  a: {}\n  b:\n    name: a",
            ":3: services a and b have one name in the registry, a",
            "name",
        ),
        ("services:\n  a:\n    dockerfil: x", ":3: services.a: unknown key 'dockerfil'", "file?"),
        ("build: {name: x}\nservices: {a: {}}", ":2: build and services exclude", "services"),
        ("image: x\nbuild: {name: x}", ":2: image and build exclude each other", "one of them"),
        ("service: api", ":1: unknown key 'service'", "did you mean services?"),
    ],
)
def test_what_cannot_be(text: str, message: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path / "A folder", text)
    assert f".mycli.yaml{message}" in caught.value.message
    assert hint in caught.value.hint
    assert "1234" not in caught.value.message + caught.value.hint
