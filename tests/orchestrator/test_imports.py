"""What the function may import: the zip holds this folder and bcrypt; Lambda brings boto3."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import orchestrator

FOLDER = Path(orchestrator.__file__).parent
TEXTS = {
    path.relative_to(FOLDER).as_posix(): path.read_text(encoding="utf-8")
    for path in FOLDER.rglob("*.py")
}
OF_THE_WIRE = sorted(name for name in TEXTS if name.startswith("wire/"))


def imported(name: str) -> set[str]:
    """The modules of every import in the file, those inside functions too."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(TEXTS[name])):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module or "")
    return {each for each in modules if each.partition(".")[0] not in sys.stdlib_module_names}


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_nothing_is_imported_that_is_not_in_the_zip_or_in_lambda(name: str) -> None:
    packages = {module.partition(".")[0] for module in imported(name)}
    assert packages <= {"orchestrator", "boto3", "botocore", "bcrypt"}


@pytest.mark.parametrize("name", OF_THE_WIRE)
def test_the_wire_contract_needs_the_standard_library_alone(name: str) -> None:
    assert all(module.startswith("orchestrator.wire.") for module in imported(name))


def test_the_environment_is_looked_at_in_one_place() -> None:
    assert [name for name, text in TEXTS.items() if "os.environ" in text] == ["handler.py"]
    assert [name for name, text in TEXTS.items() if "getenv" in text] == []
