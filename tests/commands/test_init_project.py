"""mycli init-project."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from mycli import project_file
from tests.conftest import Mycli

URL = "https://github.com/user/infra"


def here() -> Path:
    return Path.cwd() / ".mycli.yaml"


def make_repository(origin: str) -> None:
    subprocess.run(["git", "init", "--quiet"], check=True)
    subprocess.run(["git", "remote", "add", "origin", origin], check=True)


def test_it_names_the_repository_and_explains_the_rest(mycli: Mycli) -> None:
    make_repository(URL)
    ran = mycli("init-project")
    assert (ran.code, ran.out) == (0, "")
    text = here().read_text()
    assert f"\nrepo: {URL}\n" in text
    for key in ("branch", "image", "build", "env", "timeout", "workdir", "cpu", "memory", "arch"):
        assert f"\n# {key}:" in text
    assert project_file.read_file(here()) == {"repo": URL}


@pytest.mark.parametrize("one_of", ["image", "build"])
def test_every_line_that_is_a_comment_can_be_used(one_of: str, mycli: Mycli) -> None:
    assert mycli("init-project").code == 0
    lines = here().read_text().splitlines()
    used = [
        line[2:] for line in lines if line[:2] == "# " and (":" in line[:22] or line[2:4] == "  ")
    ]
    document = yaml.safe_load("\n".join(used))
    del document["image" if one_of == "build" else "build"]
    here().write_text(yaml.safe_dump(document))
    found = project_file.read_file(here())
    keys = {"repo", "branch", "env", "timeout", "workdir", "cpu", "memory", "arch"}
    assert set(found) == keys | ({"services", "service"} if one_of == "build" else {"image"})


@pytest.mark.parametrize("origin", ["/a/path", "https://user:TOKEN@github.com/user/infra"])
def test_what_cannot_be_shared_is_not_written(origin: str, mycli: Mycli) -> None:
    make_repository(origin)
    mycli("init-project")
    assert "/a/path" not in here().read_text()
    assert "TOKEN" not in here().read_text()


def test_flags(mycli: Mycli) -> None:
    ran = mycli("init-project", "--repo", "git@host:x", "--image", "a: #b", "--json")
    assert ran.code == 0
    document = json.loads(ran.out)
    assert document == {"path": str(here()), "repo": "git@host:x", "image": "a: #b"}
    assert project_file.read_file(here()) == {"repo": "git@host:x", "image": "a: #b"}


def test_a_file_that_is_there_is_kept(mycli: Mycli) -> None:
    here().write_text("image: mine")
    ran = mycli("init-project")
    assert ran.code == 2
    assert "--force" in ran.err
    assert here().read_text() == "image: mine"
    assert mycli("init-project", "--force").code == 0
    assert here().read_text() != "image: mine"
