"""What a person sees, and what a container can't make a terminal do."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kinfolk import ATTACKED, HEALTHY, snapshot
from rich.console import Console

from aggregator import cohort, pipeline
from aggregator.table import MARKS_SHOWN, print_sweep, print_verdicts
from aggregator.verdict import Line, Verdict
from kinwatch.aspects import Aspect
from kinwatch.normalise import Profile
from kinwatch.printable import printable
from kinwatch.snapshot import Snapshot

NASTY = "\x1b]0;owned\x07\x1b[31m[bold]red[/bold]\r\n\u202e:smile:\ud800\x9b2J"


def measured(*snapshots: Snapshot) -> list[pipeline.Measured]:
    gatherings = cohort.gather([Line(source="f.jsonl", snapshot=one) for one in snapshots], [])
    return [pipeline.measure(one, Profile.KINWATCH, pipeline.ASPECTS[Profile.KINWATCH]) for one in gatherings]


def shown(*verdicts: Verdict, terminal: bool = False) -> str:
    output = io.StringIO()
    print_verdicts(verdicts, Console(file=output, width=200, force_terminal=terminal, legacy_windows=False))
    return output.getvalue()


def verdicts(*snapshots: Snapshot) -> list[Verdict]:
    return [pipeline.verdict_on(one, 0.3) for one in measured(*snapshots)]


def test_the_verdict_the_odd_one_and_what_sets_it_apart() -> None:
    text = shown(*verdicts(snapshot("web-a"), snapshot("web-b", ATTACKED), snapshot("web-c")))
    assert text.startswith("ANOMALOUS  shop/Deployment/web at 6d4f (web)  2026-11-23T09:46:00.000Z for 30 s")
    assert "from f.jsonl" in text
    marked = [line for line in text.splitlines() if "<- anomalous" in line]
    assert len(marked) == 1
    assert marked[0].strip().startswith("web-b")
    assert "What sets web-b apart (how many of 2 others have it)" in text
    assert "nc (0)" in text


def test_features_beyond_a_few_are_counted() -> None:
    many = HEALTHY | {Aspect.FILENAMES: frozenset(f"file{letter}" for letter in "abcdefghij")}
    assert f"… and {10 - MARKS_SHOWN} more" in shown(*verdicts(snapshot("a"), snapshot("b", many), snapshot("c")))


def test_several_verdicts_are_counted_at_the_end() -> None:
    text = shown(*verdicts(snapshot("a"), snapshot("b"), snapshot("c", container="alone")))
    assert text.splitlines()[-1] == "2 verdicts: 1 normal, 1 inconclusive"


def test_replicas_that_were_not_compared_have_no_distance() -> None:
    text = shown(*verdicts(snapshot("a"), snapshot("b"), snapshot("late", observed_s=1.0)))
    assert any(line.split() == ["late", "-"] for line in text.splitlines())


def test_colour_is_for_terminals_only() -> None:
    found = verdicts(snapshot("a"), snapshot("b", ATTACKED), snapshot("c"))
    assert "\x1b[" not in shown(*found)
    assert "\x1b[" in shown(*found, terminal=True)


@pytest.mark.parametrize("aspect", [Aspect.FILENAMES, Aspect.EXECUTABLES, Aspect.CWDS])
def test_text_from_containers_stays_text(aspect: Aspect) -> None:
    """Escapes, line ends, text direction, markup and emoji codes are spelled out or left as they are."""
    evil = HEALTHY | {aspect: frozenset({NASTY})}
    text = shown(*verdicts(snapshot("a"), snapshot("b", evil), snapshot(NASTY, observed_s=1.0), snapshot("c")))
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "[bold]red[/bold]\\r\\n\\u202e:smile:\\ud800" in text
    assert "\\x1b]0;owned" in text


@given(st.text())
def test_printable_text_is_printable_and_the_rest_untouched(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(text) == text or not text.isprintable()


def test_the_sweep_is_a_table_of_thresholds() -> None:
    output = io.StringIO()
    found = measured(snapshot("a"), snapshot("b", ATTACKED), snapshot("c"), snapshot("d", container="alone"))
    print_sweep(pipeline.sweep(found, Profile.KINWATCH), Console(file=output, width=80))
    lines = output.getvalue().splitlines()
    assert lines[0] == "kinwatch: 2 snapshots, 1 of them inconclusive"
    assert lines[2].split() == ["0.1", "1", "of", "1"]
    assert lines[-1].split() == ["1.0", "0", "of", "1"]
