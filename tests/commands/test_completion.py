"""mycli completion."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mycli import config
from tests.conftest import Mycli
from tests.fake_endpoint import FakeEndpoint

MYCLI = Path(sys.executable).with_name("mycli")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell(shell: str, mycli: Mycli) -> None:
    ran = mycli("completion", shell)
    assert (ran.code, ran.err) == (0, "")
    assert "_MYCLI_COMPLETE" in ran.out
    assert json.loads(mycli("completion", "--json", shell).out)["script"] + "\n" == ran.out
    program = shutil.which(shell)
    if program:
        subprocess.run([program, "-n"], input=ran.out, text=True, check=True)


def test_another_shell(mycli: Mycli) -> None:
    ran = mycli("completion", "csh")
    assert ran.code == 2
    assert "bash" in ran.err


def completed_by_bash(*words: str) -> list[str]:
    """What bash offers for the last of these words, with our script sourced."""
    program = (
        f"source <({MYCLI} completion bash); COMP_WORDS=({' '.join(words)} '');"
        f"COMP_WORDS[{len(words) - 1}]={words[-1]}; COMP_CWORD={len(words) - 1};"
        f'_mycli_completion mycli; printf "%s\\n" "${{COMPREPLY[@]}}"'
    )
    environ = {**os.environ, "PATH": f"{MYCLI.parent}:{os.environ['PATH']}"}
    ran = subprocess.run(
        ["bash", "-c", program], capture_output=True, text=True, check=True, env=environ
    )
    return ran.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_verbs_flags_and_profiles(endpoint: FakeEndpoint) -> None:
    config.save_profile(endpoint.profile, "staging")
    assert completed_by_bash("mycli", "st") == ["status", "stop"]
    assert completed_by_bash("mycli", "exec", "--fol") == ["--follow"]
    assert completed_by_bash("mycli", "list", "--profile", "st") == ["staging"]
