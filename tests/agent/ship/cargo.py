"""What is shipped in tests: windows by number, snapshots, and batches read back from a spool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from agent.pods.sources import Status
from agent.spool.spool import Spool
from agent.spool.values import SpoolLimits
from agent.values import Closed, Named
from kinwatch.aspects import Aspect
from kinwatch.batch import Batch
from kinwatch.snapshot import Coverage, Replica, Snapshot, Window, Workload
from kinwatch.wire import decode

NODE: Final = "node-1"
BOOT: Final = "0b1e7d0c-7a3f-4d83-9a51-5a5c9a2f3f10"
WINDOW_S: Final = 30.0
BEGIN: Final = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
NAMES: Final = Status(source="kubelet", problem="")


def window(number: int) -> Window:
    """The window of this number."""
    return Window(start=BEGIN + number * timedelta(seconds=WINDOW_S), seconds=WINDOW_S)


def end_s(number: int) -> float:
    """When it ends."""
    return window(number).end.timestamp()


def snapshot(number: int, pod: str = "web-a", *, files: Sequence[str] = ("hosts",)) -> Snapshot:
    """What a pod did in a window."""
    return Snapshot(
        window=window(number),
        node=NODE,
        replica=Replica(namespace="shop", pod=pod, container="web"),
        workload=Workload(kind="Deployment", name="web"),
        aspects={Aspect.FILENAMES: frozenset(files)},
        coverage=Coverage(observed_s=WINDOW_S, events=7, lost={}, truncated={}, resolved=True),
    )


def closed(
    number: int,
    snapshots: Sequence[Snapshot] | None = None,
    *,
    late: Sequence[Snapshot] = (),
    lost: Mapping[str, int] | None = None,
) -> Closed:
    """A window that was closed."""
    told = [snapshot(number)] if snapshots is None else snapshots
    return Closed(
        window=window(number),
        snapshots=told,
        late=late,
        expected=[Named(replica=one.replica, workload=one.workload) for one in told],
        observed_s=WINDOW_S,
        lost=lost or {},
    )


def names() -> Status:
    """Who tells the names."""
    return NAMES


def opened(folder: Path, *, limits: SpoolLimits | None = None) -> Spool:
    """The spool in a folder, at the end of window 0."""
    return Spool.open(folder, limits=limits or SpoolLimits(), boot=BOOT, now_s=end_s(0))


def drained(spool: Spool) -> list[Batch]:
    """The batches that wait, in order; none waits afterwards."""
    batches = []
    while record := spool.oldest():
        batches.append(decode(record.body))
        spool.acknowledge(record)
    return batches
