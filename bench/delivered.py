"""
Hold what arrived against what was closed: nothing missing that is not told, nothing twice, all in order.

Flow: stored, journals -> **delivered** -> delivery.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bench.stored import Stored
from kinwatch.aspects import Aspect
from kinwatch.batch import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What became of the batches of some nodes."""

    closed: int
    """Windows that were handed to shipping."""
    stored: int
    missing: int
    """Windows that were closed and did not arrive."""
    twice: int
    """Windows that arrived twice, under other keys."""
    disordered: int
    """Batches that came before one that goes before them, or after a gap in the sequence."""
    untold: int
    """By how many windows what is told as lost differs from what is missing between two batches of a node."""
    told: int
    """Windows that are told as lost."""


def judged(arrived: Sequence[Stored], closed: Mapping[str, Iterable[str]], *, window_s: float) -> Delivered:
    """`closed`: the marks of each node's windows."""
    by_node: defaultdict[str, list[Batch]] = defaultdict(list)
    for one in arrived:
        by_node[one.batch.key.node].append(one.batch)
    marks = Counter(mark for batches in by_node.values() for batch in batches for mark in marks_of(batch))
    wanted = {mark for of_node in closed.values() for mark in of_node}
    gaps = [gap for batches in by_node.values() for gap in _gaps(batches, window_s)]
    return Delivered(
        closed=len(wanted),
        stored=len(arrived),
        missing=len(wanted - marks.keys()),
        twice=sum(count - 1 for count in marks.values()),
        disordered=sum(map(disordered, by_node.values())),
        untold=sum(abs(missing - told) for missing, told in gaps),
        told=sum(told for _, told in gaps),
    )


def marks_of(batch: Batch) -> set[str]:
    """By what the windows in it are known again."""
    features = (feature for one in batch.snapshots for feature in one.features(Aspect.FILENAMES))
    return {f"{batch.key.node}/{feature}" for feature in features if "-" in feature}


def disordered(batches: Sequence[Batch]) -> int:
    """How many of a node's batches don't follow the one that came before them."""
    keys = [batch.key for batch in batches]
    return sum(
        later.sequence != (sooner.sequence + 1 if later.boot == sooner.boot else 1) for sooner, later in pairwise(keys)
    )


def _gaps(batches: Sequence[Batch], window_s: float) -> Iterable[tuple[int, int]]:
    """Windows missing before each batch of a node but the first, and windows that it tells as lost."""
    for sooner, later in pairwise(batches):
        missing = round((later.window.start - sooner.window.end).total_seconds() / window_s)
        yield max(missing, 0), later.coverage.lost.get("windows", 0)
