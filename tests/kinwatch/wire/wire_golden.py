"""The batch that the golden files hold, one for each version of the schema: small, with something in every place."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgpack
import zstandard

from kinwatch.aspects import Aspect
from kinwatch.batch import Batch, BatchKey, Expected, NodeCoverage
from kinwatch.snapshot import Coverage, Origin, Replica, Snapshot, Window, Workload
from kinwatch.wire import decode
from kinwatch.wire.frame import inflated

FOLDER = Path(__file__).parents[2] / "fixtures/wire"
WINDOW = Window(start=datetime(2026, 11, 23, 9, 46, tzinfo=UTC), seconds=30.0)
WEB = Workload(kind="Deployment", name="web", revision="6d4f")
FIRST = Replica(
    namespace="shop", pod="web-1", pod_uid="u1", container="app", container_id="c1", role="app", cgroup="/c1"
)
SECOND = Replica(cgroup="/c2")
COMMON = {Aspect.SYSCALLS: frozenset({"read", "write"}), Aspect.EXECUTABLES: frozenset[str]()}
BATCH = Batch(
    key=BatchKey(node="node-1", boot="6f1c9a52-7f0e-4c1b-9a57-0d6f2c1e8b34", sequence=300),
    window=WINDOW,
    late=False,
    agent_version="0.4.0",
    coverage=NodeCoverage(observed_s=29.5, lost={"batches": 2, "bytes": 70_000}, names_source="kubelet", problem=None),
    expected=(Expected(replica=FIRST, workload=WEB, resolved=True),),
    snapshots=(
        Snapshot(
            window=WINDOW,
            node="node-1",
            replica=FIRST,
            workload=WEB,
            aspects=COMMON | {Aspect.FILENAMES: frozenset({"index.html", "é"})},
            coverage=Coverage(
                observed_s=30.0, events=4_711, lost={"files": 3}, truncated={"filenames": 1}, resolved=True
            ),
            origins=frozenset({Origin(command="sh -c date", parent="runc", outside=True)}),
        ),
        Snapshot(
            window=WINDOW,
            node="node-1",
            replica=SECOND,
            workload=Workload(),
            aspects=COMMON | {Aspect.FILENAMES: frozenset({"index.html", "passwd"})},
            coverage=Coverage(observed_s=12.25, events=0, lost={}, truncated={}, resolved=False),
        ),
    ),
)

FIELDS = (
    "node boot sequence start_ms length_ms late agent_version coverage "
    "strings expected replicas sets origins origin_sets snapshots"
).split()
"""The places of a document, by the names that docs/wire.md has for them."""


def golden(version: int = 1) -> bytes:
    """The bytes of a golden file."""
    return (FOLDER / f"version-{version}.batch").read_bytes()


def document() -> dict[str, Any]:
    """The document of the golden file, by its places."""
    return dict(zip(FIELDS, msgpack.unpackb(inflated(golden())[1:]), strict=True))


def body_of(changed: dict[str, Any]) -> bytes:
    """The bytes of a document."""
    return framed(b"\1" + msgpack.packb(list(changed.values())))


def framed(payload: bytes) -> bytes:
    """A payload in a right frame."""
    return zstandard.ZstdCompressor(write_checksum=True).compress(payload)


def decoded(changed: dict[str, Any]) -> Batch:
    """The batch of a document."""
    return decode(body_of(changed))
