"""docs/verdicts.md names what there is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from kinfolk import ATTACKED, FIXTURES, snapshot, text_of

from aggregator.main import run, score_command
from aggregator.pipeline import SWEEP_THRESHOLDS
from aggregator.read import LIMIT_BYTES
from aggregator.verdict import Outcome
from kinwatch.aspects import Aspect
from kinwatch.normalise import Profile

PAGE = (FIXTURES.parent.parent.parent / "docs" / "verdicts.md").read_text()


def fields(value: Any) -> Iterator[str]:
    """Every key of a JSON value, at any depth, but for aspects."""
    if isinstance(value, list):
        for one in value:
            yield from fields(one)
    if isinstance(value, dict):
        yield from (key for key in value if key not in set(Aspect))
        for one in value.values():
            yield from fields(one)


@pytest.mark.parametrize("sweep", [[], ["--sweep"]])
def test_every_field_is_documented(tmp_path: Any, capsys: pytest.CaptureFixture[str], sweep: list[str]) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text(text_of(snapshot("a"), snapshot("b", ATTACKED), snapshot("c")))
    run(["score", str(path), *sweep])
    assert [field for field in fields(json.loads(capsys.readouterr().out)) if f"`{field}`" not in PAGE] == []


def test_every_option_is_documented() -> None:
    options = [name for option in score_command.params for name in option.opts if name.startswith("--")]
    assert [name for name in options if f"`{name}`" not in PAGE] == []


def test_every_profile_and_outcome_is_documented() -> None:
    assert [name for name in (*Profile, *Outcome) if f"`{name}`" not in PAGE] == []


def test_the_limits_are_those_of_the_program() -> None:
    assert f"at most {LIMIT_BYTES >> 20} MiB" in PAGE
    assert len(SWEEP_THRESHOLDS) == 10
