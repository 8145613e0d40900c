"""How a command ends: its exit code, and what is said on standard error."""

from __future__ import annotations

from typing import NoReturn

import pytest

from kinwatch.command_line import exit_code_of
from kinwatch.errors import InputError, NodeError, OperatorError


def raising(error: Exception) -> int:
    def command() -> NoReturn:
        raise error

    return exit_code_of(command)


def test_a_command_has_its_own_exit_code() -> None:
    assert exit_code_of(lambda: 7) == 7


@pytest.mark.parametrize(("kind", "code"), [(InputError, 2), (NodeError, 3), (OperatorError, 2)])
def test_an_operator_is_told_problem_and_remedy(
    capsys: pytest.CaptureFixture[str], kind: type[OperatorError], code: int
) -> None:
    assert raising(kind("it is broken", remedy="mend it")) == code
    assert capsys.readouterr().err == "error: it is broken\nremedy: mend it\n"


def test_a_bug_shows_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(KeyError("x")) == 1
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "bug in Kinwatch" in said


def test_an_error_reads_as_problem_and_remedy() -> None:
    assert str(InputError("it is broken", remedy="mend it")) == "it is broken (mend it)"
