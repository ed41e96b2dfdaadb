"""The Dockerfile as a text: what comes from outside is named exactly, and checked."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCKER = Path(__file__).parents[2] / "docker"
HADOLINT = Path(sys.executable).with_name("hadolint")


def instructions() -> list[tuple[str, str]]:
    """Each instruction of the Dockerfile and its arguments, on one line."""
    text = (DOCKER / "Dockerfile").read_text("utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split()[0], line.partition(" ")[2]) for line in lines if line]


def arguments_of(instruction: str) -> list[str]:
    return [arguments for name, arguments in instructions() if name == instruction]


@pytest.mark.skipif(not HADOLINT.exists(), reason="there is no hadolint in this environment")
def test_hadolint_finds_nothing() -> None:
    checked = [HADOLINT, "--no-color", DOCKER / "Dockerfile"]
    assert subprocess.run(checked, capture_output=True, text=True, check=False).stdout == ""


def test_every_version_has_a_checksum_for_each_architecture() -> None:
    given = dict(argument.split("=") for argument in arguments_of("ARG"))
    assert given.pop("BASE") == "ubuntu:22.04"
    tools = {name.removesuffix("_VERSION") for name in given if name.endswith("_VERSION")}
    assert tools == {"TERRAFORM", "KUBECTL", "HELM", "AWS_CLI"}
    sums = [f"{tool}_SHA256_{arch}" for tool in tools for arch in ("AMD64", "ARM64")]
    assert set(given) == {*sums, *(f"{tool}_VERSION" for tool in tools)}
    assert all(re.fullmatch(r"[0-9a-f]{64}", given[name]) for name in sums)
    assert len({given[name] for name in sums}) == len(sums)


def test_every_address_is_fetched_and_checked_before_anything_else() -> None:
    fetching = [run for run in arguments_of("RUN") if "://" in run]
    assert len(fetching) == 4
    for run in fetching:
        asked = re.search(
            r"&& download \"[^\"]*\$\{(\w+)_VERSION\}[^\"]*\" +\S+ +"
            r"\"\$\{\1_SHA256_AMD64\}\" +\"\$\{\1_SHA256_ARM64\}\" *&&",
            run,
        )
        assert asked, run
        before = run[: asked.start()]
        assert re.fullmatch(r"\w+=\$\([^)]*\)( *&& site=\S+)? *", before), before


def test_nothing_else_comes_from_outside() -> None:
    names = {name for name, _ in instructions()}
    assert names <= {"ARG", "FROM", "RUN", "COPY", "ENV", "WORKDIR", "USER", "ENTRYPOINT"}
    stages = [line.split(" AS ") for line in arguments_of("FROM")]
    assert {stage[0] for stage in stages} == {"${BASE}", "download"}
    for run in arguments_of("RUN"):
        assert run.startswith("apt-get ") or not re.search(r"\b(curl|wget|git)\b", run)
        if "pip install" in run:
            assert "--require-hashes" in run
            assert "--only-binary :all:" in run


def test_every_python_package_is_pinned_by_hash_and_names_no_index() -> None:
    text = (DOCKER / "requirements.txt").read_text("utf-8").replace("\\\n", "")
    for line in text.splitlines():
        assert re.fullmatch(r"[a-z0-9-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line
    pinned = {line.partition("==")[0] for line in text.splitlines()}
    wanted = (DOCKER / "requirements.in").read_text("utf-8").splitlines()
    assert {name for name in wanted if not name.startswith("#")} <= pinned


def test_the_last_stage_is_not_root_and_enters_by_the_door() -> None:
    assert arguments_of("USER") == ["10001"]
    assert arguments_of("ENTRYPOINT") == ['["/opt/mycli/entrypoint.sh"]']
    assert "docker/entrypoint.sh orchestrator/task.sh /opt/mycli/" in arguments_of("COPY")


def test_what_is_copied_is_in_the_build_context() -> None:
    kept = (DOCKER / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    copied = [line.split()[:-1] for line in arguments_of("COPY") if not line.startswith("--from")]
    assert kept == ["*", *sorted(f"!{source}" for sources in copied for source in sources)]
    assert all((DOCKER.parent / name.removeprefix("!")).is_file() for name in kept[1:])
    for name in ("entrypoint.sh", "download.sh"):
        assert (DOCKER / name).stat().st_mode & 0o111
