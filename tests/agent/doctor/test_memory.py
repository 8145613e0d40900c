"""What the doctor says of the memory limit, under which the probe has to be compiled."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.doctor.files import Files
from agent.doctor.finding import Finding, Outcome
from agent.doctor.memory import judge, this_memory

V2 = "432 431 0:27 {root} /sys/fs/cgroup rw - cgroup2 cgroup rw\n"
V1 = "35 31 0:32 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
MIB = 1 << 20


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    """A node with 32,768 thread ids, which take a quarter of a MiB."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/pid_max").write_text("32768\n")
    return tmp_path


def found(root: Path, mountinfo: str, membership: str, **limits: str) -> Finding:
    (root / "proc/self/mountinfo").write_text(mountinfo)
    (root / "proc/self/cgroup").write_text(membership)
    for name, text in limits.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    (finding,) = judge(this_memory(Files(root)))
    return finding


def test_limit_that_is_too_low_is_fatal_and_names_the_value_to_set(root: Path) -> None:
    finding = found(root, V2.format(root="/"), "0::/kubepods/a\n", **{"kubepods/a/memory.max": str(100 * MIB)})
    assert finding.stops
    assert "100 MiB by /sys/fs/cgroup/kubepods/a/memory.max; 193 MiB are wanted" in finding.found
    assert "resources.limits.memory" in finding.remedy
    assert "193 MiB" in finding.remedy


def test_limit_that_makes_compiling_slow_is_warned_of(root: Path) -> None:
    finding = found(root, V2.format(root="/"), "0::/a\n", **{"a/memory.max": str(128 * MIB)})
    assert finding.outcome is Outcome.WARNING
    assert "takes long" in finding.found
    assert "193 MiB" in finding.remedy


def test_threads_of_the_node_take_room_too(root: Path) -> None:
    (root / "proc/sys/kernel/pid_max").write_text("4194304\n")
    finding = found(root, V2.format(root="/"), "0::/a\n", **{"a/memory.max": str(140 * MIB)})
    assert finding.stops
    assert "224 MiB are wanted with kernel.pid_max 4194304" in finding.found


@pytest.mark.parametrize(
    ("mountinfo", "membership", "limits"),
    [
        (V2.format(root="/"), "0::/a\n", {"a/memory.max": str(256 * MIB)}),
        (V2.format(root="/"), "0::/a\n", {"a/memory.max": "max"}),
        (V2.format(root="/"), "0::/\n", {"memory.max": str(256 * MIB)}),
        (V1.format(root="/"), "4:memory:/a\n", {"memory/a/memory.limit_in_bytes": str(256 * MIB)}),
        (V1.format(root="/"), "4:memory:/a\n", {"memory/a/memory.limit_in_bytes": "9223372036854771712"}),
    ],
)
def test_room_enough(root: Path, mountinfo: str, membership: str, limits: dict[str, str]) -> None:
    assert found(root, mountinfo, membership, **limits).outcome is Outcome.OK


def test_limit_of_a_cgroup_above_counts_as_well(root: Path) -> None:
    """A pod's limit holds for all its containers together."""
    limits = {"pod/memory.max": str(64 * MIB), "pod/a/memory.max": "max"}
    finding = found(root, V2.format(root="/"), "0::/pod/a\n", **limits)
    assert finding.stops
    assert "64 MiB by /sys/fs/cgroup/pod/memory.max" in finding.found


def test_container_on_v1_finds_its_limit_at_the_mount(root: Path) -> None:
    """Its cgroup is mounted as the root, and /proc/self/cgroup has the full path."""
    limits = {"memory/memory.limit_in_bytes": str(64 * MIB)}
    finding = found(root, V1.format(root="/kubepods/a"), "4:memory:/kubepods/a\n", **limits)
    assert finding.stops
    assert "64 MiB by /sys/fs/cgroup/memory/memory.limit_in_bytes" in finding.found


@pytest.mark.parametrize("mountinfo", ["", V2.format(root="/"), V2.format(root="/../..")])
def test_limit_that_can_not_be_read_is_said(root: Path, mountinfo: str) -> None:
    finding = found(root, mountinfo, "0::/../elsewhere\n")
    assert finding.outcome is Outcome.SKIPPED
    assert "no file that holds a limit" in finding.found
