"""Make batches."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import msgpack
import zstandard

from kinwatch.aspects import Aspect
from kinwatch.batch import Batch, BatchKey, NodeCoverage
from kinwatch.snapshot import Coverage, Replica, Snapshot, Window, Workload
from kinwatch.wire import encode

START = datetime(2026, 11, 23, 9, 46, tzinfo=UTC)
BOOT = str(UUID(int=1))


def batch(
    sequence: int = 1, *, node: str = "node-a", boot: str = BOOT, lost: dict[str, int] | None = None, seen: str = "read"
) -> Batch:
    """A window of a node with one replica, which made the system call `seen`."""
    window = Window(start=START, seconds=30.0)
    coverage = Coverage(observed_s=30.0, events=1, lost={}, truncated={}, resolved=True)
    snapshot = Snapshot(
        window=window,
        node=node,
        replica=Replica(namespace="shop", pod="web-1", container="web"),
        workload=Workload(kind="Deployment", name="web", revision="1"),
        aspects={Aspect.SYSCALLS: frozenset({seen})},
        coverage=coverage,
    )
    return Batch(
        key=BatchKey(node=node, boot=boot, sequence=sequence),
        window=window,
        late=False,
        agent_version="0.1.0",
        coverage=NodeCoverage(observed_s=30.0, lost=lost or {}, names_source="kubelet", problem=None),
        expected=(),
        snapshots=(snapshot,),
    )


def body(sequence: int = 1, **of_batch: object) -> bytes:
    """The bytes of a batch."""
    return encode(partial(batch, sequence)(**of_batch))  # type: ignore[arg-type]


def framed(payload: bytes) -> bytes:
    """A payload as a frame that is all right."""
    return zstandard.ZstdCompressor(write_checksum=True, write_content_size=True).compress(payload)


def zeros(count: int) -> bytes:
    """A frame that inflates to so many zeros, and says so; made without holding them."""
    compressor = zstandard.ZstdCompressor(level=1, write_checksum=True, write_content_size=True).compressobj(size=count)
    chunk = bytes(1 << 20)
    return b"".join(compressor.compress(chunk) for _ in range(count >> 20)) + compressor.flush()


def lying(frame: bytes, size: int) -> bytes:
    """A frame whose header says another size; for one with a size of 4 bytes."""
    header = zstandard.get_frame_parameters(frame)
    return frame.replace(header.content_size.to_bytes(4, "little"), size.to_bytes(4, "little"), 1)


BOMBS = {
    "4 GB of zeros": (lambda: zeros(4 << 30), 413),
    "zeros that say they are few": (lambda: lying(zeros(1 << 30), 1 << 20), 400),
    "lists in lists": (lambda: framed(b"\x01" + b"\x91" * 1_000_000), 400),
    "lists that say they are long": (lambda: framed(b"\x01" + b"\xdd\xff\xff\xff\xff" * 100_000), 400),
    "a map": (lambda: framed(b"\x01\xdf\xff\xff\xff\xff"), 400),
    "16 MB of empty strings": (lambda: framed(b"\x01" + msgpack.packb([b"\xff" * 15_000_000] * 1)), 400),
    "an unknown version": (lambda: framed(b"\x63\x90"), 422),
}
"""What would cost much where it is believed → how to make it, and the status of the answer."""
