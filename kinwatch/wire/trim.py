"""
Make a snapshot small enough to be sent by itself, and say what was left out.

Flow: agent naming -> batch -> **wire**. For the snapshot of a container that makes up so many or so long features that
no batch can hold them: were it left out as a whole, a container could hide by being loud.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final, TypeVar

from kinwatch.aspects import Aspect
from kinwatch.snapshot import Origin, Snapshot
from kinwatch.wire.limits import LIMITS, Limits

Member = TypeVar("Member", str, Origin)

SHARES: Final = 16
"""Of the bytes and strings of a batch each aspect has one share, the origins another; the rest is for names. A share of
compressed bytes holds text that does not compress at all."""


def trimmed(snapshot: Snapshot, *, limits: Limits = LIMITS) -> Snapshot:
    """
    The snapshot with as many features of each aspect as are sure to fit, the shortest first.

    What is left out is counted in `truncated`, by aspect, and origins in `lost`, as `origins`.
    """
    aspects = {aspect: _kept(features, _feature_bytes, limits) for aspect, features in snapshot.aspects.items()}
    origins = _kept(snapshot.origins, _origin_bytes, limits)
    coverage = snapshot.coverage
    missing = Counter({aspect.value: len(snapshot.aspects[aspect]) - len(kept) for aspect, kept in aspects.items()})
    lost = Counter(coverage.lost) + Counter(origins=len(snapshot.origins) - len(origins))
    return replace(
        snapshot,
        aspects=aspects,
        origins=origins,
        coverage=replace(coverage, lost=dict(lost), truncated=_in_order(Counter(coverage.truncated) + missing)),
    )


def _in_order(counts: Counter[str]) -> dict[str, int]:
    return {aspect.value: counts[aspect.value] for aspect in Aspect if aspect.value in counts}


def _kept(members: Iterable[Member], size: Callable[[Member], int], limits: Limits) -> frozenset[Member]:
    """As many as their share has room for, and of equally short ones the first."""
    room = limits.compressed_bytes // SHARES
    sized = sorted((size(member), member) for member in members)
    kept = []
    for taken, member in sized[: min(limits.strings // SHARES, limits.features_per_aspect)]:
        room -= taken
        if room < 0 or taken > limits.string_bytes:
            break
        kept.append(member)
    return frozenset(kept)


def _feature_bytes(feature: str) -> int:
    """With the byte that ends it."""
    return len(feature.encode()) + 1


def _origin_bytes(origin: Origin) -> int:
    return _feature_bytes(origin.command) + _feature_bytes(origin.parent)
