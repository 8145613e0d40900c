"""
Find the batches of a node that never came.

Flow: intake -> ledger: **gaps**. Sequences count from 1 without a gap for each node and boot; one that is jumped over
is missing until it comes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from aggregator.store.values import NodeSeen
from kinwatch.batch import BatchKey

BOOTS: Final = 4096
"""Nodes and their boots that are remembered; then the one goes that was silent for longest."""
RANGES: Final = 32
"""Gaps that are remembered of each; then the oldest goes, and what comes of it later is not counted as found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What a batch tells of others."""

    missing: range = range(0)
    """Sequences that were jumped over just now."""
    found: int = 0
    """How many that were missing have come: 1, or 0."""


@dataclass(slots=True, kw_only=True)
class _Boot:
    highest: int = 0
    missing: list[range] = field(default_factory=list)


class Gaps:
    """The sequences of all nodes. For one thread."""

    def __init__(self, known: Iterable[NodeSeen] = ()) -> None:
        """`known` is what was stored before; what was missing then is not told again."""
        self._boots: OrderedDict[tuple[str, str], _Boot] = OrderedDict()
        for node in known:
            self._boots[node.node, node.boot] = _Boot(highest=node.last_sequence)

    def note(self, key: BatchKey) -> Gap:
        """Take note of a batch that was stored."""
        boot = self._boot(key)
        if key.sequence <= boot.highest:
            return Gap(found=_found(boot, key.sequence))
        missing = range(boot.highest + 1, key.sequence)
        boot.highest = key.sequence
        if missing:
            boot.missing = [*boot.missing, missing][-RANGES:]
        return Gap(missing=missing)

    def _boot(self, key: BatchKey) -> _Boot:
        boot = self._boots.setdefault((key.node, key.boot), _Boot())
        self._boots.move_to_end((key.node, key.boot))
        if len(self._boots) > BOOTS:
            self._boots.popitem(last=False)
        return boot


def _found(boot: _Boot, sequence: int) -> int:
    """Take a sequence out of the gap that it is in, if it is in one."""
    for index, gap in enumerate(boot.missing):
        if sequence in gap:
            parts = (range(gap.start, sequence), range(sequence + 1, gap.stop))
            boot.missing[index : index + 1] = [part for part in parts if part]
            return 1
    return 0
