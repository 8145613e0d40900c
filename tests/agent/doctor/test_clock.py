"""What the doctor says of the node's clock."""

from __future__ import annotations

import pytest

from agent.doctor.clock import Clock, judge, this_clock
from agent.doctor.finding import Outcome


@pytest.mark.parametrize("unsynchronised", [False, True])
def test_small_error_is_well_whatever_the_flag_says(unsynchronised: bool) -> None:  # noqa: FBT001
    """As chronyd without rtcsync leaves it set."""
    (finding,) = judge(Clock(unsynchronised=unsynchronised, max_error_us=12_345), window_s=30)
    assert finding.outcome is Outcome.OK
    assert "0.0123 s" in finding.found


@pytest.mark.parametrize(
    ("max_error_us", "window_s", "fact"),
    [
        (16_000_000, 600, "unsynchronised"),
        (8_000_000, 30, "off by at most 8 s, of windows of 30 s"),
        (300_000, 1, "windows of 1 s"),
    ],
)
def test_clock_that_may_be_off_by_a_quarter_of_a_window_is_warned_of(
    max_error_us: int, window_s: float, fact: str
) -> None:
    (finding,) = judge(Clock(unsynchronised=True, max_error_us=max_error_us), window_s=window_s)
    assert finding.outcome is Outcome.WARNING
    assert fact in finding.found
    assert "chronyd" in finding.remedy


def test_kernel_that_does_not_tell_is_said() -> None:
    (finding,) = judge(None, window_s=30)
    assert finding.outcome is Outcome.SKIPPED


def test_this_kernel_tells() -> None:
    clock = this_clock()
    assert clock is not None
    assert 0 <= clock.max_error_us <= 16_000_000
