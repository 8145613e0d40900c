"""docs/doctor.md names what there is."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from agent.doctor.command import CHECKS
from agent.doctor.finding import Check, Finding, Outcome
from agent.doctor.memory import LEAST_BYTES, THREAD_BYTES, WANTED_BYTES
from agent.doctor.namespaces import INITIAL

PAGE = (Path(__file__).parents[3] / "docs/doctor.md").read_text()
ROWS = {
    cells[1].strip().strip("`"): [cell.strip() for cell in cells[2:-1]]
    for cells in (line.split("|") for line in PAGE.splitlines() if line.startswith("| `"))
    if len(cells) == len(("", "check", "looked at", "why", "fatal", "remedy", ""))
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: f"row of {check.name}")
def test_every_check_has_its_row(check: Check) -> None:
    """With what is looked at, why, whether it is fatal, and the remedy."""
    looked_at, why, fatal, remedy = ROWS[check.name]
    assert looked_at
    assert remedy
    assert why == check.why
    assert fatal == ("yes" if check.fatal else "no")


def test_rows_are_the_checks_in_their_order() -> None:
    assert list(ROWS) == [check.name for check in CHECKS]


def test_every_outcome_and_every_key_is_documented() -> None:
    names = [*Outcome, *(field.name for field in fields(Finding))]
    assert [name for name in names if f"`{name}`" not in PAGE] == []


def test_figures_are_those_of_the_program() -> None:
    assert f"{WANTED_BYTES >> 20} MiB are wanted, and {LEAST_BYTES >> 20} MiB needed" in PAGE
    assert f"and {THREAD_BYTES} bytes for each thread id" in PAGE
    assert str(INITIAL["user"]) in PAGE
    assert str(INITIAL["pid"]) in PAGE
