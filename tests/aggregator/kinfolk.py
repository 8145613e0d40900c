"""Replicas for tests: lines and captures with the least that a test must say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any

from kinwatch.aspects import CHISEL_KEYS, Aspect
from kinwatch.jsonline import encode
from kinwatch.snapshot import Coverage, Replica, Snapshot, Window, Workload

FIXTURES = Path(__file__).parent.parent / "fixtures" / "sysdig"
START = datetime(2026, 11, 23, 9, 46, 0, tzinfo=UTC)
HEALTHY = {
    Aspect.SYSCALLS: frozenset({"accept4", "read", "write", "close"}),
    Aspect.FILENAMES: frozenset({"index.html", "null"}),
    Aspect.EXECUTABLES: frozenset({"httpd"}),
}
ATTACKED = {
    Aspect.SYSCALLS: HEALTHY[Aspect.SYSCALLS] | {"connect", "execve"},
    Aspect.FILENAMES: HEALTHY[Aspect.FILENAMES] | {"passwd"},
    Aspect.EXECUTABLES: HEALTHY[Aspect.EXECUTABLES] | {"nc"},
}


def snapshot(pod: str, aspects: dict[Aspect, frozenset[str]] | None = None, **changed: Any) -> Snapshot:
    """A snapshot of the container `web` of one pod of the Deployment shop/web, healthy unless told."""
    return Snapshot(
        window=Window(start=changed.get("start", START), seconds=changed.get("seconds", 30)),
        node=changed.get("node", "node-1"),
        replica=Replica(
            namespace="shop", pod=pod, pod_uid=f"uid-of-{pod}", container=changed.get("container", "web"), cgroup=None
        ),
        workload=changed.get("workload", Workload(kind="Deployment", name="web", revision="6d4f")),
        aspects=HEALTHY if aspects is None else aspects,
        coverage=Coverage(
            observed_s=changed.get("observed_s", 30.0),
            events=changed.get("events", 1000),
            lost=changed.get("lost", {}),
            truncated=changed.get("truncated", {}),
            resolved=changed.get("resolved", True),
        ),
    )


def text_of(*snapshots: Snapshot) -> str:
    """Snapshots as JSON lines."""
    return "".join(encode(one) + "\n" for one in snapshots)


def chisel_replica(pod_id: str, *, without: tuple[str, ...] = (), **lists: list[str]) -> dict[str, Any]:
    """An element of a chisel capture; `lists` are named by aspect."""
    replica: dict[str, Any] = {"pod_id": pod_id, "begin_time": "09:46:00.000000000", "end_time": "09:46:30.000000000"}
    replica |= {key: sorted(lists.get(aspect.value, HEALTHY.get(aspect, ()))) for aspect, key in CHISEL_KEYS.items()}
    return {key: value for key, value in replica.items() if key not in without}


def chisel_text(*replicas: dict[str, Any]) -> str:
    """A chisel capture."""
    return json.dumps(replicas)


def stream_of(content: str | bytes) -> BufferedReader:
    """Bytes as a source gives them."""
    return BufferedReader(BytesIO(content.encode() if isinstance(content, str) else content))  # type: ignore[arg-type]
