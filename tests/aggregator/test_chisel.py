"""What a chisel capture holds, and what is refused in one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kinfolk import FIXTURES, chisel_replica, chisel_text

from aggregator.chisel import CaptureError, parse_capture, seconds_of_day, window_of
from aggregator.verdict import Capture, Span
from kinwatch.aspects import Aspect


def parse(text: str) -> Capture:
    return parse_capture(text, source="f.json", name="f")


def times(*pairs: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"begin_time": begin, "end_time": end} for begin, end in pairs]


def test_a_real_capture() -> None:
    capture = parse((FIXTURES / "empty_lists.json").read_text())
    (idler,) = capture.observations
    assert idler.replica.pod == "idler"
    assert idler.features(Aspect.ARGUMENTS) == {""}
    assert idler.features(Aspect.DIRECTORIES) == set()
    assert idler.coverage is None
    assert capture.window == Span(start="09:46:54.648355811", seconds=2.903564711)


def test_bytes_that_sysdig_could_not_print_are_dots() -> None:
    """As sysdig gives them; a backslash and a quote come through JSON whole."""
    (one,) = parse((FIXTURES / "odd_names.json").read_text()).observations
    assert {"esc.[31m", "back\\slash", 'q"uote'} <= one.features(Aspect.FILENAMES)


def test_a_missing_list_is_an_empty_one_and_that_is_said() -> None:
    capture = parse(chisel_text(chisel_replica("a", without=("list_distinct_args", "list_distinct_cwds"))))
    assert capture.observations[0].features(Aspect.CWDS) == set()
    assert capture.notes == ("a has no list_distinct_cwds, list_distinct_args: taken as empty",)


@pytest.mark.parametrize(
    ("replica", "problem"),
    [
        ({key: value for key, value in chisel_replica("a").items() if key != "pod_id"}, "replica 1 has no key pod_id"),
        (chisel_replica("a") | {"pod_id": None}, "pod_id of replica 1 is not text"),
        (chisel_replica("a") | {"begin_time": 9}, "begin_time of replica 1 is not text"),
        ({"pod_id": "a"}, "replica 1 has none of the lists"),
        (chisel_replica("a") | {"list_distinct_args": {}}, "list_distinct_args of replica 1 is not a list"),
        (chisel_replica("a") | {"list_distinct_args": [None]}, "list_distinct_args of replica 1 holds something"),
        ("a", "element 1 is not an object"),
    ],
)
def test_a_replica_that_is_none_is_refused(replica: Any, problem: str) -> None:
    with pytest.raises(CaptureError, match=problem) as caught:
        parse(json.dumps([replica]))
    assert "as the chisel writes them" in caught.value.remedy


@pytest.mark.parametrize("length", [1, 2, 30, 200, 300])
def test_a_capture_cut_anywhere_is_called_cut(length: int) -> None:
    text = chisel_text(chisel_replica("a"))
    assert length < len(text)
    with pytest.raises(CaptureError, match="cut in the middle") as caught:
        parse(text[:length])
    assert caught.value.line == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[nonsense]", "not JSON"),
        ("[] []", "not JSON: Extra data"),
        ("[NaN]", "NaN is no JSON value"),
        ("[-Infinity]", "-Infinity is no JSON value"),
        ("[" + "9" * 5000 + "]", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("{}", "no array"),
    ],
    ids=lambda text: text[:12],
)
def test_what_is_no_capture_is_refused(text: str, problem: str) -> None:
    with pytest.raises(CaptureError, match=problem):
        parse(text)


class TestWindow:
    def test_it_reaches_from_the_earliest_begin_to_the_latest_end(self) -> None:
        span = window_of(times(("09:00:01.0", "09:00:09.5"), ("09:00:00.5", "09:00:08.0")))
        assert span == Span(start="09:00:00.5", seconds=9.0)

    def test_it_may_cross_midnight(self) -> None:
        span = window_of(times(("00:00:05.0", "00:00:20.0"), ("23:59:50.0", "00:00:19.0")))
        assert span == Span(start="23:59:50.0", seconds=30.0)

    def test_it_is_unknown_where_a_time_is(self) -> None:
        assert window_of(times(("", ""))) == Span(start=None, seconds=None)
        assert window_of(times(("soon", "later"))) == Span(start="soon", seconds=None)
        assert window_of([]) == Span(start=None, seconds=None)

    @pytest.mark.parametrize(
        "time", ["24:00:00", "12:60:00", "12:00:60", "1200", "12:00:00.0000000000", "", "\u0661\u0662:00:00"]
    )
    def test_what_is_no_time_of_day(self, time: str) -> None:
        assert seconds_of_day(time) is None
