"""
A batch from the document of version 1.

Flow: agent naming -> batch -> **wire** -> aggregator ingest. Takes what msgpack has unpacked, and refuses whatever the
writer would not have written. What a batch points at is read by `body_1`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from kinwatch.batch import Batch, BatchKey, NodeCoverage
from kinwatch.snapshot import Window
from kinwatch.wire import values
from kinwatch.wire.body_1 import Body
from kinwatch.wire.limits import Limits
from kinwatch.wire.refusal import Refusal, WireError
from kinwatch.wire.version_1 import EPOCH, HIGHEST, LAST_START_MS, LONGEST_MS, LONGEST_S, NODE_BYTES

_FIELDS: Final = 15
_UUID_BYTES: Final = 16


def read(document: object, limits: Limits) -> Batch:
    """The batch; WireError if the document is none."""
    fields = values.row(document, _FIELDS, "the document")
    node, boot, sequence, start_ms, length_ms, late, agent_version, coverage, *rest = fields
    key = BatchKey(node=_node(node), boot=_boot(boot), sequence=values.whole(sequence, "the sequence", 1, HIGHEST))
    window = _window(start_ms, length_ms)
    body = Body(rest, limits, node=key.node, window=window)
    if values.truth(late, "late") and body.expected:
        raise WireError(Refusal.VALUE, "a late batch that expects replicas")
    return Batch(
        key=key,
        window=window,
        late=late,
        agent_version=values.text(agent_version, "the agent's version", limits),
        coverage=_coverage(coverage, limits),
        expected=body.expected,
        snapshots=body.snapshots,
    )


def _node(value: object) -> str:
    node: str = values.of_type(value, str, "the node")
    if not 0 < len(node.encode()) <= NODE_BYTES:
        raise WireError(Refusal.VALUE, f"the node: expected 1 to {NODE_BYTES} bytes")
    return node


def _boot(value: object) -> str:
    raw: bytes = values.of_type(value, bytes, "the boot id")
    if len(raw) != _UUID_BYTES:
        raise WireError(Refusal.VALUE, f"the boot id: expected the {_UUID_BYTES} bytes of a UUID, not {len(raw)}")
    return str(UUID(bytes=raw))


def _window(start: object, length: object) -> Window:
    start_ms = values.whole(start, "the window's start", 0, LAST_START_MS)
    length_ms = values.whole(length, "the window's length", 1, LONGEST_MS)
    if start_ms % length_ms:
        raise WireError(Refusal.VALUE, f"no window of {length_ms} ms starts at {start_ms} ms: they start at multiples")
    return Window(start=EPOCH + timedelta(milliseconds=start_ms), seconds=length_ms / 1000)


def _coverage(value: object, limits: Limits) -> NodeCoverage:
    observed, lost, names_source, problem = values.row(value, 4, "the node's coverage")
    return NodeCoverage(
        observed_s=values.seconds(observed, "the node's observed seconds", LONGEST_S),
        lost=_lost(lost, limits),
        names_source=values.maybe_text(names_source, "the source of names", limits),
        problem=values.maybe_text(problem, "the problem of the source of names", limits),
    )


def _lost(value: object, limits: Limits) -> dict[str, int]:
    what = "the node's losses"
    whys, counts = values.pairs(value, what, at_most=limits.counts, highest=HIGHEST)
    named = [values.text(why, what, limits) for why in whys]
    values.require_rising(named, what)
    return dict(zip(named, counts, strict=True))
