"""
A batch as the bytes that are sent, and back.

Flow: agent naming -> batch -> **wire** -> aggregator ingest. docs/wire.md tells what each byte is.
"""

from __future__ import annotations

from kinwatch.batch import Batch
from kinwatch.wire import frame, versions, writer_1
from kinwatch.wire.limits import LIMITS, Limits
from kinwatch.wire.refusal import Refusal, WireError


def encode(batch: Batch, *, limits: Limits = LIMITS) -> bytes:
    """
    The bytes of a batch, equal for equal batches; WireError if no reader would take them.

    What was written is read back before it is given away: an agent hears of a batch that would be refused, while it can
    still do something about it, and a batch that comes out different is never sent.
    """
    payload = _written(batch)
    if len(payload) > limits.decompressed_bytes:
        raise WireError(
            Refusal.DECOMPRESSED_SIZE,
            f"{len(payload):,} bytes of msgpack, of {limits.decompressed_bytes:,} that are taken",
        )
    if versions.read(payload, limits) != batch:
        raise WireError(Refusal.VALUE, "the batch has something that is not written: see docs/wire.md")
    body = frame.deflated(payload)
    if len(body) > limits.compressed_bytes:
        raise WireError(Refusal.COMPRESSED_SIZE, f"{len(body):,} bytes, of {limits.compressed_bytes:,} that are taken")
    return body


def decode(body: bytes, *, limits: Limits = LIMITS) -> Batch:
    """The batch of the bytes of one; WireError, and no other error, whatever else they are."""
    return read(frame.inflated(body, limits), limits=limits)


def read(payload: bytes, *, limits: Limits = LIMITS) -> Batch:
    """The batch of what `Inflating` gives; WireError, and no other error, whatever else it is."""
    return versions.read(payload, limits)


def _written(batch: Batch) -> bytes:
    for snapshot in batch.snapshots:
        if snapshot.window != batch.window or snapshot.node != batch.key.node:
            raise WireError(Refusal.VALUE, "a snapshot of another window or node than its batch")
    try:
        return writer_1.payload(batch)
    except (ValueError, OverflowError) as error:
        raise WireError(Refusal.VALUE, f"the batch has something that can't be written: {error}") from error
