"""Pulumi.yaml: the plain pulumi CLI in the repository plans what `mycli init` does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mycli.stack import package
from mycli.stack.automation import Settings, Stack
from tests.engine.conftest import API_KEY, ROOT, Cloud

HASHED = "$2b$10$" + "h" * 53


@pytest.mark.skipif(
    not shutil.which("pulumi-language-python"),
    reason="the plain pulumi CLI needs a `pulumi-language-python` on PATH",
)
@pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="Pulumi.yaml names a virtual environment")
def test_the_plain_cli_plans_the_same_resources(cloud: Cloud, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / ".venv").symlink_to(sys.prefix)
    for name in ("mycli", "orchestrator"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, repository / name, ignore=ignored)
    shutil.copy(ROOT / "Pulumi.yaml", repository)
    bcrypt = package.function_bcrypt(cloud.home() / "cache", lambda _: None)
    package.build(tmp_path / "function.zip", bcrypt)

    def pulumi(*words: str) -> str:
        ran = subprocess.run(
            ["pulumi", "--non-interactive", *words],
            cwd=repository,
            env={
                **cloud.process_environment(),
                "PULUMI_HOME": str(tmp_path / "pulumi"),
                "PULUMI_BACKEND_URL": f"file://{tmp_path}",
                "PULUMI_CONFIG_PASSPHRASE": "a passphrase",
                "PULUMI_SKIP_UPDATE_CHECK": "1",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ran.returncode == 0, ran
        return ran.stdout

    pulumi("stack", "init", "mycli")
    plain = (
        "aws:region=us-east-2",
        "api_key_sha256_prefix=0123abcd",
        f"function_zip={tmp_path}/function.zip",
    )
    flags = [word for value in plain for word in ("--plaintext", value)]
    pulumi("config", "set-all", "--secret", f"api_key_hash={HASHED}", *flags)
    steps = json.loads(pulumi("preview", "--json"))["steps"]
    planned = sorted(
        (step["op"], *step["urn"].rsplit(":", 3)[1::2])
        for step in steps
        if "::pulumi:" not in step["urn"]
    )
    seen = Stack("mycli", state="file").preview(Settings(api_key=API_KEY))
    assert planned == sorted((step.operation, step.type, step.name) for step in seen.steps)
    assert len(planned) == 32
    assert cloud.has() == {}
    assert cloud.provider.steps == []
