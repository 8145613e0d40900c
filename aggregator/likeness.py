"""
How alike the replicas of a cohort are, and the distances that follow from it.

Flow: beside it; score makes this value, judge and main read distances off it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Likeness:
    """`similarity[a, j, i]`: how alike replica i is to replica j in aspect a, 0 to 1, as seen from j."""

    similarity: Numbers

    @property
    def replicas(self) -> int:
        """How many replicas were compared."""
        return int(self.similarity.shape[1])

    def dissimilarities(self, replica: int, kin: Sequence[int]) -> Numbers:
        """Per aspect 1 minus the mean similarity of a replica to its kin (at least one, not itself)."""
        return np.asarray(1.0 - self.similarity[:, replica, list(kin)].sum(axis=1) / len(kin))

    def distance(self, replica: int, kin: Sequence[int]) -> float:
        """The Euclidean norm of a replica's dissimilarities."""
        return float(np.sqrt(np.square(self.dissimilarities(replica, kin)).sum()))

    def distances(self, among: Sequence[int]) -> dict[int, float]:
        """The distance of each replica of a group to the rest of the group, which has two members or more."""
        return {replica: self.distance(replica, others(among, replica)) for replica in among}


def others(among: Sequence[int], replica: int) -> tuple[int, ...]:
    """A group without one of its members."""
    return tuple(member for member in among if member != replica)
