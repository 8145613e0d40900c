"""Windows, and how replicas are called."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinwatch.snapshot import Replica, Window


@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)), st.integers(5, 600))  # noqa: DTZ001 - st.datetimes wants naive bounds
def test_a_moment_is_in_its_window(moment: datetime, seconds: int) -> None:
    window = Window.containing(moment, seconds=seconds)
    assert window.start <= moment < window.end


@given(st.integers(5, 600), st.integers(0, 10**6))
def test_windows_are_the_same_on_every_node(seconds: int, index: int) -> None:
    """A window starts at a whole multiple of its length since the epoch."""
    start = datetime.fromtimestamp(index * seconds, tz=UTC)
    assert Window.containing(start + timedelta(seconds=seconds - 1), seconds=seconds).start == start


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_window_lasts(seconds: float) -> None:
    with pytest.raises(ValueError, match="more than 0 seconds"):
        Window(start=datetime(2026, 1, 1, tzinfo=UTC), seconds=seconds)


def test_a_window_starts_in_utc() -> None:
    with pytest.raises(ValueError, match="UTC"):
        Window(start=datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=1))), seconds=30)


@pytest.mark.parametrize(
    ("replica", "label"),
    [
        (Replica(pod="web-1", cgroup="/x"), "web-1"),
        (Replica(cgroup="/demo/web1", container_id="c7"), "/demo/web1"),
        (Replica(container_id="c7", pod_uid="u"), "c7"),
        (Replica(pod_uid="u"), "u"),
        (Replica(), "?"),
    ],
)
def test_a_replica_is_called_by_the_shortest_name_that_is_known(replica: Replica, label: str) -> None:
    assert replica.label == label
