"""
Measure how alike the replicas of a cohort are: pairwise Jaccard similarity, aspect by aspect.

Flow: cohort -> **score** -> judge. Pure arithmetic on sets: no files, no clock. Features are numbered once per cohort
and window; the sizes of all pairwise intersections come from one matrix product per aspect.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from aggregator.likeness import Likeness, Numbers
from kinwatch.snapshot import Features

Sets = Sequence[Features]
"""The sets of one aspect, one per replica."""


def published_likeness(aspects: Sequence[Sets]) -> Likeness:
    """As ReplicaWatcher has it: a replica whose own set is empty is no different from its kin."""
    return _likeness(aspects, _published_similarity)


def symmetric_likeness(aspects: Sequence[Sets]) -> Likeness:
    """Empty against empty is no difference, empty against full is a whole one, from either side."""
    return _likeness(aspects, _symmetric_similarity)


def _likeness(aspects: Sequence[Sets], similarity: Callable[[Sets], Numbers]) -> Likeness:
    return Likeness(similarity=np.stack([similarity(sets) for sets in aspects]))


def membership(sets: Sets) -> NDArray[np.bool_]:
    """One row per replica, one column per feature, numbered in sorted order: whether the replica has the feature."""
    number = {feature: index for index, feature in enumerate(sorted(frozenset[str]().union(*sets)))}
    matrix = np.zeros((len(sets), len(number)), dtype=np.bool_)
    for row, features in enumerate(sets):
        matrix[row, [number[feature] for feature in features]] = True
    return matrix


def _overlaps(sets: Sets) -> tuple[Numbers, Numbers]:
    """Sizes of the pairwise intersections and unions, for each two replicas. Counts are exact in a double."""
    members = membership(sets).astype(np.float64)
    intersections = members @ members.T
    sizes = np.diagonal(intersections)
    return intersections, sizes[:, np.newaxis] + sizes[np.newaxis, :] - intersections


def _jaccard(intersections: Numbers, unions: Numbers) -> Numbers:
    return np.asarray(intersections / np.maximum(unions, 1.0))


def _published_similarity(sets: Sets) -> Numbers:
    similarity = _jaccard(*_overlaps(sets))
    similarity[[not features for features in sets], :] = 1.0
    return similarity


def _symmetric_similarity(sets: Sets) -> Numbers:
    intersections, unions = _overlaps(sets)
    similarity = _jaccard(intersections, unions)
    similarity[unions == 0.0] = 1.0
    return similarity
