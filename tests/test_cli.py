"""The command line as a whole: what it loads, its help, its errors, its exit codes."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mycli as package
from tests.conftest import Mycli
from tests.fake_endpoint import ID, STATUS, Answer, FakeEndpoint

HEAVY = ("pulumi", "pulumi_aws", "boto3", "botocore", "httpx", "yaml", "rich", "ministack")
VERBS = (
    "exec",
    "status",
    "logs",
    "stop",
    "list",
    "build",
    "list-images",
    "register-image",
    "unregister-image",
    "list-task-definitions",
    "cleanup-task-definitions",
    "configure",
    "doctor",
    "init-project",
    "completion",
)


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["exec", "--help"]])
def test_help_and_version_load_nothing_heavy(words: list[str]) -> None:
    program = (
        "import sys\n"
        "from mycli.cli import run\n"
        f"code = run({words!r})\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stderr.splitlines()[-1] == "[]"
    assert ran.stdout


def test_a_request_loads_httpx_without_all_of_rich(configured: FakeEndpoint) -> None:
    configured.says("status", STATUS)
    program = (
        f"import sys; from mycli.cli import run; code = run(['status', '{ID}'])\n"
        "sys.exit(code or 'rich' in sys.modules or 'httpx' not in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert ran.returncode == 0, ran


def test_importing_the_package_loads_nothing_heavy() -> None:
    program = f"import sys, mycli; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "[]\n"


def test_the_version(mycli: Mycli) -> None:
    assert mycli("--version").out == f"mycli {package.__version__}\n"
    assert importlib.metadata.version("mycli") == package.__version__


def test_no_verb_shows_the_help(mycli: Mycli) -> None:
    ran = mycli()
    assert (ran.code, ran.out) == (2, "")
    assert all(f"  {verb} " in ran.err for verb in VERBS)


def test_what_a_verb_does_is_said_whole_on_a_narrow_screen(
    mycli: Mycli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    _, _, shown = mycli("--help").out.partition("Commands:")
    assert "..." not in shown
    assert max(map(len, shown.splitlines())) <= 60


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help_with_an_example(verb: str, mycli: Mycli) -> None:
    ran = mycli(verb, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert f"\n  mycli {verb}" in ran.out
    assert "--json" in ran.out
    assert mycli(verb, "-h").out == ran.out


def test_the_app_runs_in_typers_own_runner() -> None:
    from mycli.cli import app

    shown = CliRunner().invoke(app, ["list", "--help"], prog_name="mycli")
    assert shown.exit_code == 0
    assert "Usage: mycli list" in shown.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["stauts"], "Did you mean 'status'?"),
        (["status"], "Missing argument 'EXECUTION'"),
        (["list", "--colour"], "No such option"),
        (["list", "--limit", "many"], "not a valid integer"),
        (["list", "--limit", "0"], "--limit"),
        (["status", "nonsense"], "12 hexadecimal digits"),
    ],
)
def test_misuse_is_a_line_and_a_hint(
    words: list[str], said: str, configured: FakeEndpoint, mycli: Mycli
) -> None:
    ran = mycli(*words)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert len(ran.err.splitlines()) == 2
    assert ran.err.count("Did you mean") <= 1
    under_json = mycli(*words, "--json")
    assert under_json.code == 2
    assert json.loads(under_json.out)["error"]
    assert configured.seen == []


def test_errors_are_a_line_and_a_hint_and_a_document_under_json(
    configured: FakeEndpoint, mycli: Mycli
) -> None:
    configured.says("status", Answer({"error": "no", "hint": "do"}, status=502))
    ran = mycli("status", ID)
    assert (ran.code, ran.out, ran.err) == (125, "", "✗ no\n  do\n")
    ran = mycli("status", ID, "--json")
    assert ran.code == 125
    assert json.loads(ran.out) == {"error": "no", "hint": "do"}


def test_not_configured(mycli: Mycli) -> None:
    ran = mycli("list")
    assert ran.code == 2
    assert "not configured yet" in ran.err


def test_debug_shows_the_traceback(
    configured: FakeEndpoint, mycli: Mycli, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Traceback" not in mycli("status", ID).err
    assert "Traceback" in mycli("--debug", "status", ID).err
    monkeypatch.setenv("MYCLI_DEBUG", "1")
    ran = mycli("status", ID)
    assert "Traceback" in ran.err
    assert "sk_live_" not in ran.err


def test_what_nobody_thought_of_is_told_as_a_bug_and_is_no_success(
    configured: FakeEndpoint, mycli: Mycli
) -> None:
    configured.says("status", {**STATUS, "cost_usd": "a fortune"})
    ran = mycli("status", ID)
    assert ran.code == 125
    assert ran.err.startswith("✗ ValueError: ")
    assert "bug in mycli" in ran.err
    assert "Traceback" in mycli("--debug", "status", ID).err


def test_a_home_that_cannot_be_written_is_told(
    endpoint: FakeEndpoint, mycli: Mycli, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.says("list", {"executions": []})
    monkeypatch.setenv("MYCLI_HOME", "/dev/null/home")
    monkeypatch.setenv("MYCLI_API_KEY", endpoint.profile.api_key)
    ran = mycli("configure", "--endpoint", endpoint.url)
    assert ran.code != 0
    assert "/dev/null/home" in ran.err
    assert "Traceback" not in ran.err


def test_another_profile(configured: FakeEndpoint, mycli: Mycli) -> None:
    configured.says("status", STATUS)
    assert mycli("status", "--profile", "default", ID).code == 0
    ran = mycli("status", "--profile", "staging", ID)
    assert ran.code == 2
    assert "there is no profile 'staging'" in ran.err


# --- As a process --------------------------------------------------------------------------------


def in_a_shell(line: str) -> subprocess.CompletedProcess[str]:
    """A line of sh, in which `mycli` is this one."""
    return subprocess.run(
        ["/bin/sh", "-c", line.replace("mycli", f"{sys.executable} -m mycli", 1)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
@pytest.mark.parametrize("words", ["list --json", f"status {ID}", "--help", "completion bash"])
def test_a_full_disk_is_told_in_one_line(words: str, configured: FakeEndpoint) -> None:
    configured.says("list", {"executions": []})
    configured.says("status", STATUS)
    ran = in_a_shell(f"mycli {words} >/dev/full")
    assert (ran.returncode, ran.stderr) == (125, "✗ No space left on device\n")


@pytest.mark.parametrize("words", ["--help", "--version", "exec --help", "completion bash"])
def test_a_pipe_that_nobody_reads_ends_it_quietly(words: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as unread:
        line = [sys.executable, "-m", "mycli", *words.split()]
        ran = subprocess.run(line, stdout=unread, stderr=subprocess.PIPE, check=False)
    assert (ran.returncode, ran.stderr) == (141, b"")


def test_streams_may_be_closed(configured: FakeEndpoint) -> None:
    configured.says("list", {"executions": [STATUS]})
    assert in_a_shell("mycli list >&- 2>&-").returncode == 0
    ran = in_a_shell("mycli list 2>&-")
    assert (ran.returncode, ID in ran.stdout) == (0, True)
    if Path("/dev/full").exists():
        ran = in_a_shell("mycli list 2>/dev/full")
        assert (ran.returncode, ID in ran.stdout) == (0, True)
    ran = in_a_shell("mycli configure <&-")
    assert (ran.returncode, "no API key was given" in ran.stderr) == (2, True)


def test_ctrl_c_while_it_loads_is_quiet() -> None:
    program = (
        "import sys\n"
        "from importlib.metadata import entry_points\n"
        "class Interrupts:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'mycli.cli': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupts())\n"
        "[command] = entry_points(group='console_scripts', name='mycli')\n"
        "command.load()()\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, b"", b"")
