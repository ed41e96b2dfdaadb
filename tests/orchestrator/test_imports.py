"""What the function may import: the zip holds this folder and bcrypt; Lambda brings boto3."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import orchestrator

FOLDER = Path(orchestrator.__file__).parent
MODULES = sorted(path.stem for path in FOLDER.glob("*.py"))


def imported(module: str) -> set[str]:
    """The top-level names of every import in the file, those inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((FOLDER / f"{module}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names - set(sys.stdlib_module_names)


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_imported_that_is_not_in_the_zip_or_in_lambda(module: str) -> None:
    assert imported(module) <= {"orchestrator", "boto3", "botocore", "bcrypt"}


def test_the_wire_contract_needs_the_standard_library_alone() -> None:
    assert imported("wire") == set()


def test_the_environment_is_looked_at_in_one_place() -> None:
    texts = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py")}

    assert [name for name, text in texts.items() if "os.environ" in text] == ["handler"]
    assert [name for name, text in texts.items() if "getenv" in text] == []
