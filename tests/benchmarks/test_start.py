"""What a start of the command loads: counted, as its time would be noise."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.fake_endpoint import ID, STATUS, FakeEndpoint


def loaded(*words: str) -> set[str]:
    """The modules that are there when this command line has ended."""
    program = (
        "import sys\n"
        "from mycli.__main__ import main\n"
        f"sys.argv[1:] = {list(words)!r}\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as error:\n"
        "    there = [name for name, module in sys.modules.items() if module]\n"
        "    import json\n"
        "    print(json.dumps([error.code, there]), file=sys.stderr)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    code, names = json.loads(ran.stderr.splitlines()[-1])
    assert code == 0, ran
    return set(names)


def verbs(modules: set[str]) -> set[str]:
    return {name for name in modules if name.startswith("mycli.commands.")}


@pytest.mark.parametrize(("words", "most"), [("--version", 200), ("--help", 240)])
def test_help_and_version_load_few_modules(words: str, most: int) -> None:
    assert len(loaded(words)) <= most


def test_the_version_loads_no_verb() -> None:
    assert verbs(loaded("--version")) == set()


def test_a_request_loads_its_verb_and_what_asks(configured: FakeEndpoint) -> None:
    configured.says("status", STATUS)
    modules = loaded("status", ID)

    assert verbs(modules) == {"mycli.commands.status"}
    assert "httpx" in modules
    unneeded = {"h2", "rich", "boto3", "pulumi", "mycli.project", "mycli.checkout"}
    assert modules & unneeded == set()
    assert len(modules) <= 330


def test_help_makes_no_verb() -> None:
    """Making all of them takes longer than everything else of a start."""
    program = (
        "from typer import main\n"
        "made = []\n"
        "plain = main.get_command_from_info\n"
        "main.get_command_from_info = lambda *a, **k: made.append(1) or plain(*a, **k)\n"
        "from mycli.cli import run\n"
        "run(['--help'])\n"
        "assert not made, made\n"
        "run(['status', '--help'])\n"
        "assert len(made) == 1, made\n"
    )
    subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
