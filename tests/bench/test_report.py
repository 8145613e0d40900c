"""A figure stands beside its bar, and a table in its place in the document."""

from __future__ import annotations

import json
import re

import pytest

from bench.bars import Bar, figure
from bench.report import DOCUMENT, Report, replaced
from kinwatch.errors import InputError

REPORT = Report(
    name="capture",
    columns=("attached", "ns"),
    rows=[["bare", 0.0], ["agent", 12345.6], ["other", None]],
    bars=[Bar(what="added", measured=1.5, at_most=1.6), Bar(what="windows", measured=1, at_least=2)],
    machine={"date": "today"},
)


def test_bar_is_met_up_to_and_including_its_limit() -> None:
    assert Bar(what="", measured=1.6, at_most=1.6).met
    assert not Bar(what="", measured=1.61, at_most=1.6).met
    assert Bar(what="", measured=2, at_least=2).met
    assert not Bar(what="", measured=1, at_least=2).met


def test_report_is_met_only_if_all_its_bars_are() -> None:
    assert not REPORT.met


def test_figures_have_the_digits_that_mean_something() -> None:
    assert [figure(value) for value in (0, 997, 1.23456, 123.456, 12345.6)] == ["0", "997", "1.23", "123", "12,346"]


def test_table_stands_between_the_markers_of_its_bench_and_nothing_else_changes() -> None:
    document = "before\n<!-- bench-a -->\nold\n<!-- end of bench-a -->\nafter <!-- bench-b -->\n"
    assert replaced(document, "a", r"new \1") == document.replace("old", r"new \1")


def test_missing_marker_is_told_with_its_remedy() -> None:
    with pytest.raises(InputError, match="markers"):
        replaced("nothing here", "a", "new")


def test_document_has_a_place_for_every_bench() -> None:
    text = DOCUMENT.read_text()
    makefile = (DOCUMENT.parent.parent / "Makefile").read_text()
    benches = set(re.findall(r"^bench-(\w+):.*##", makefile, re.MULTILINE)) - {"lock"}
    assert benches
    for name in benches:
        assert replaced(text, name, "table") != text


def test_markdown_and_json_tell_the_same() -> None:
    assert "| agent | 12,346 |" in REPORT.markdown()
    assert "| windows | 1 | ≥ 2 | NOT MET |" in REPORT.markdown()
    told = json.loads(REPORT.as_json())
    assert told["rows"][1] == {"attached": "agent", "ns": 12345.6}
    assert [bar["met"] for bar in told["bars"]] == [True, False]
