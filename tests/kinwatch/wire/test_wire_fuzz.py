"""Some thousand broken batches; `make fuzz-wire` breaks a million."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench import fuzz_wire
from bench.wire_batches import busy_node
from bench.wire_damage import DAMAGES
from bench.wire_valid import assert_valid
from kinwatch.wire import LIMITS, Refusal


def test_broken_batches_are_refused_with_a_reason_or_are_batches() -> None:
    outcomes, findings = fuzz_wire.chunk(20_261_123, 4_000)
    assert [finding.trace for finding in findings] == []
    results = {result for _, result in outcomes}
    assert results == {"accepted", *(reason.value for reason in Refusal)} - {Refusal.COMPRESSED_SIZE.value}
    assert {damage for damage, _ in outcomes} == {damage.__name__ for damage in DAMAGES}


def test_the_independent_look_is_not_blind() -> None:
    batch = busy_node(replicas=2)
    assert_valid(batch, LIMITS)
    for wrong in (
        replace(batch, late=True),
        replace(batch, key=replace(batch.key, node="other")),
        replace(batch, snapshots=batch.snapshots * 2),
        replace(batch, coverage=replace(batch.coverage, observed_s=-1.0)),
    ):
        with pytest.raises(AssertionError):
            assert_valid(wrong, LIMITS)
