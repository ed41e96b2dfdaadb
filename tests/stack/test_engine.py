"""Finding and installing the engine: shell scripts stand for it, and nothing is downloaded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mycli.errors import EngineError
from mycli.stack import engine, installation

Put = Callable[[str], Path]


def script(folder: Path, text: str) -> Path:
    path = folder / "pulumi"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The first folder of PATH, empty; the real engine of this machine is not on it."""
    bare = tmp_path / "tools"
    bare.mkdir()
    for tool in ("sh", "sleep"):
        (bare / tool).symlink_to(str(shutil.which(tool)))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{bare}")
    for name in os.environ:
        if name.lower().endswith("_proxy") or name.startswith("PULUMI_"):
            monkeypatch.delenv(name)
    return tmp_path / "bin"


def silent(_: str) -> None:
    """For whoever does not want to be told."""


def fetch(folder: Path) -> None:
    script(folder / "bin", f"echo v{engine.PINNED}")


def no_fetch(_: Path) -> None:
    pytest.fail("there is an engine that will do")


def broken(folder: Path) -> None:
    script(folder / "bin", "exit 1")


def offline(_: Path) -> None:
    raise EngineError("the Pulumi engine could not be fetched: no route", "check the network")


@pytest.mark.parametrize("version", ["v3.256.0", "3.999.1", "v3.206.0"])
def test_an_engine_on_path_is_used_from_the_minimum_on(path: Path, version: str) -> None:
    here = script(path, f"echo {version}")
    found = engine.find(pytest.fail, fetch=no_fetch)
    assert found.command == str(here)
    assert str(found.version) == version.removeprefix("v")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("echo v3.205.9", "is 3.205.9: 3.206.0 or newer is needed"),
        ("echo v4.0.0", "is 4.0.0: mycli knows the engine up to 3.x"),
        ("echo segfault; exit 3", "does not work (exit code 3)"),
        ("echo hello", "says no version but 'hello'"),
        ("sleep 60; echo v3.256.0", "did not say its version in 0.5 s"),
    ],
)
def test_a_useless_engine_on_path_is_named_and_our_own_is_used(
    path: Path, text: str, reason: str
) -> None:
    here = script(path, text)
    said: list[str] = []
    found = engine.find(said.append, fetch=fetch, seconds=0.5)
    assert found.command == str(engine.own_engine() / "bin" / "pulumi")
    assert said[0] == f"Not used: {here} {reason}"
    assert said[1] == f"Installing the Pulumi engine {engine.PINNED} (about 500 MB, once)"
    shutil.rmtree(engine.own_engine())
    with pytest.raises(EngineError) as refused:
        engine.find(said.append, fetch=offline, seconds=0.5)
    assert refused.value.message == (
        f"the Pulumi engine could not be fetched: no route; {here} {reason}"
    )
    assert "https://www.pulumi.com/docs/install/" in refused.value.hint


def test_an_engine_of_another_machine_is_no_engine(path: Path) -> None:
    path.mkdir()
    here = path / "pulumi"
    here.write_bytes(b"\x7fELF\x02\x01\x01" + b"\0" * 200)
    here.chmod(0o755)
    said: list[str] = []
    engine.find(said.append, fetch=fetch)
    assert said[0] == f"Not used: {here} cannot be run on this machine: Exec format error"


def test_an_engine_is_installed_once(home: Path) -> None:
    said: list[str] = []
    first = engine.find(said.append, fetch=fetch)
    assert first.command == f"{home}/pulumi/versions/{engine.PINNED}/bin/pulumi"
    assert len(said) == 1
    assert engine.find(pytest.fail, fetch=no_fetch).command == first.command


def test_processes_that_install_at_once_install_once() -> None:
    """The second waits, says so, and takes what the first has installed."""
    begun, waits = threading.Event(), threading.Event()
    fetched: list[Path] = []
    said: list[str] = []

    def slow(folder: Path) -> None:
        fetched.append(folder)
        begun.set()
        assert waits.wait(30)
        fetch(folder)

    def hear(sentence: str) -> None:
        said.append(sentence)
        if sentence.startswith("Waiting"):
            waits.set()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(engine.find, hear, fetch=slow)
        assert begun.wait(30)
        second = pool.submit(engine.find, hear, fetch=slow)
        assert first.result(60).command == second.result(60).command
    assert len(fetched) == 1
    assert "Waiting for another mycli, which is installing the Pulumi engine" in said


def test_an_interrupted_installation_leaves_nothing_and_is_begun_anew() -> None:
    def interrupted(folder: Path) -> None:
        script(folder / "bin", "exit 126")  # half of it
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.find(silent, fetch=interrupted)
    versions = engine.own_engine().parent
    assert [path.name for path in versions.iterdir()] == ["install.lock"]
    killed = versions / ".new-killed"
    script(killed / "bin", "exit 126")
    script(engine.own_engine() / "bin", "exit 126")  # what an unpacking in place would leave
    assert engine.find(silent, fetch=fetch)
    assert not killed.exists()


def test_what_was_fetched_and_does_not_run_is_not_kept() -> None:
    with pytest.raises(EngineError, match="that was fetched does not work"):
        engine.find(silent, fetch=broken)
    assert not engine.own_engine().exists()


def test_the_disk_is_looked_at_before_anything_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the engine and the plugin together: one that fits alone is of no use."""
    usage = shutil.disk_usage("/")._replace(free=1_000_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)  # pyright: ignore
    with pytest.raises(EngineError, match=r"need 1,950 MB in .*, and 1,000 MB are free") as refused:
        engine.find(silent, fetch=no_fetch)
    assert "MYCLI_HOME" in refused.value.hint
    plugins = engine.pulumi_home() / "plugins" / f"resource-aws-v{installation.plugin_version()}"
    plugins.mkdir(parents=True)
    (plugins / "pulumi-resource-aws").touch()
    assert engine.find(silent, fetch=fetch)  # 750 MB are enough where the plugin is there
    (plugins.parent / f"{plugins.name}.partial").touch()
    with pytest.raises(EngineError, match="need 1,200 MB"):
        engine.provide_plugin(engine.find(silent), silent)


def test_without_a_network_it_says_what_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendor's installer for real, behind a proxy that is not there."""
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hunter2@127.0.0.1:9")
    with pytest.raises(EngineError) as refused:
        engine.find(silent)
    assert refused.value.message.startswith("the Pulumi engine could not be fetched: ")
    assert "refused" in refused.value.message
    assert "HTTPS_PROXY is http://127.0.0.1:9" in refused.value.hint
    assert "hunter2" not in refused.value.hint + refused.value.message
    assert not engine.own_engine().exists()


PLUGIN = """
case "$*" in
  version) echo v3.256.0;;
  *"plugin install resource aws v"*) echo "$PULUMI_HOME" "$@" > "$0.said"; {then};;
esac
"""


def test_the_plugin_is_installed_with_the_version_that_pulumi_aws_names(
    path: Path, home: Path
) -> None:
    version = installation.plugin_version()
    plugin = f"{home}/pulumi/plugins/resource-aws-v{version}"
    script(path, PLUGIN.format(then=f"mkdir -p {plugin}; : > {plugin}/pulumi-resource-aws"))
    (path / "mkdir").symlink_to(str(shutil.which("mkdir", path=os.defpath)))
    said: list[str] = []
    found = engine.find(said.append)
    engine.provide_plugin(found, said.append)
    engine.provide_plugin(found, pytest.fail)
    assert said == [f"Installing Pulumi's aws plugin {version} (about 800 MB, once)"]
    asked = (path / "pulumi.said").read_text().split()
    assert asked[0] == f"{home}/pulumi"
    assert asked[-1] == f"v{version}"


def test_a_plugin_that_cannot_be_fetched_is_a_sentence(path: Path) -> None:
    script(path, PLUGIN.format(then="echo 'error: [resource plugin aws] no route' >&2; exit 1"))
    with pytest.raises(EngineError) as refused:
        engine.provide_plugin(engine.find(silent), silent)
    assert refused.value.message.endswith("could not be fetched: [resource plugin aws] no route")
    assert "HTTPS_PROXY" in refused.value.hint


@pytest.mark.parametrize("attached", ["aws:1234", "random:1,aws:1234"])
def test_a_provider_that_is_attached_needs_no_plugin(
    monkeypatch: pytest.MonkeyPatch, attached: str
) -> None:
    assert not installation.has_plugin(engine.pulumi_home())
    monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", attached)
    assert installation.has_plugin(engine.pulumi_home())


def test_finding_the_engine_leaves_the_heavy_packages_alone() -> None:
    code = "import sys, mycli.stack.engine as e; sys.exit('pulumi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_the_engine_leaves_of_each_run_does_not_pile_up(path: Path) -> None:
    script(path, f"echo v{engine.PINNED}")
    for number in range(engine.KEPT_FILES + 5):
        for folder in ("logs", "workspaces"):
            file = engine.pulumi_home() / folder / f"{number:03}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
            os.utime(file, (number, number))
    engine.find(silent, fetch=no_fetch)
    for folder in ("logs", "workspaces"):
        left = sorted(file.name for file in (engine.pulumi_home() / folder).iterdir())
        assert left == [f"{number:03}" for number in range(5, engine.KEPT_FILES + 5)]
    engine.tidy(logs=0)
    assert list((engine.pulumi_home() / "logs").iterdir()) == []
