from __future__ import annotations

import pytest

from mycli.errors import UsageError
from mycli.stack.names import MAX_LENGTH, check_stack_name


@pytest.mark.parametrize(
    "name", ["mycli", "m", "dev-2", "a" * MAX_LENGTH, "multitask", "my-own-cli"]
)
def test_accepted(name: str) -> None:
    assert check_stack_name(name) == name


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", "lower-case letters"),
        ("Mycli", "lower-case letters"),
        ("2nd", "start with a letter"),
        ("-dev", "start with a letter"),
        ("my_cli", "lower-case letters"),
        ("my cli", "lower-case letters"),
        ("mycli\n", "lower-case letters"),
        ("café", "lower-case letters"),
        ("٣", "lower-case letters"),
        ("dev-", "end with a hyphen"),
        ("my--cli", "two hyphens in a row"),
        ("a" * (MAX_LENGTH + 1), "25 characters, 24 are allowed"),
        ("a-task", "-task"),
        ("dev-tasks-2", "-task"),
        ("aws-dev", "aws or ssm"),
        ("ssm", "aws or ssm"),
    ],
)
def test_refused_by_the_rule_it_breaks(name: str, rule: str) -> None:
    with pytest.raises(UsageError, match=rule) as refused:
        check_stack_name(name)
    assert refused.value.exit_code == 2


def test_every_role_fits_into_the_64_characters_of_iam() -> None:
    assert len("a" * MAX_LENGTH + "-task-execution-role") <= 64
