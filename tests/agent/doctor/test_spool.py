"""What the doctor says of the folder in which batches wait for the aggregator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.doctor.files import Files
from agent.doctor.finding import Outcome
from agent.doctor.spool import Room, judge, this_room

MIB = 1 << 20
DISK = Room(
    folder=Path("/var/lib/kinwatch"),
    existing=Path("/var/lib"),
    is_folder=True,
    writable=True,
    free_bytes=300 * MIB,
    kind="ext4",
)


def test_none_is_configured() -> None:
    (finding,) = judge(None, bound=1)
    assert finding.outcome is Outcome.SKIPPED
    assert "no spool folder is configured" in finding.found


def test_disk_with_room() -> None:
    (finding,) = judge(DISK, bound=256 * MIB)
    assert finding.outcome is Outcome.OK
    assert "300 MiB of room on ext4" in finding.found


@pytest.mark.parametrize(
    ("change", "outcome", "fact", "remedy"),
    [
        ({"free_bytes": 10 * MIB}, Outcome.FAILED, "less than the 256 MiB", "--spool-bytes"),
        ({"writable": False}, Outcome.FAILED, "/var/lib can't be written to", "writable volume"),
        ({"is_folder": False}, Outcome.FAILED, "no folder", "--spool"),
        ({"kind": "tmpfs"}, Outcome.WARNING, "does not outlive the machine", "hostPath"),
        ({"kind": "overlay"}, Outcome.WARNING, "does not outlive the container", "hostPath"),
    ],
)
def test_what_may_be_wrong_with_it(change: dict[str, Any], outcome: Outcome, fact: str, remedy: str) -> None:
    """None of it is fatal: the agent ships as long as the aggregator takes it."""
    (finding,) = judge(replace(DISK, **change), bound=256 * MIB)
    assert finding.outcome is outcome
    assert not finding.fatal
    assert fact in finding.found
    assert remedy in finding.remedy


def test_room_is_that_of_the_nearest_folder_and_of_what_the_spool_holds(tmp_path: Path) -> None:
    room = this_room(Files(), tmp_path / "not/there")
    assert room.existing == tmp_path
    assert room.kind
    assert room.free_bytes > 0
    (tmp_path / "batch").write_bytes(b"x" * MIB)
    assert this_room(Files(), tmp_path).existing == tmp_path
    assert not (tmp_path / "not").exists()
