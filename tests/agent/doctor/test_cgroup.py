"""What the doctor says of cgroups: their version, what of them is to be seen, the kubelet's driver."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from agent.doctor.cgroup import CHECKS, judge, these_cgroups
from agent.doctor.files import Files
from agent.doctor.finding import Finding, Outcome

UID = "fb07bdc7-dd8a-4fb7-8d2a-11a71e09009a"
ID = "08da4ad47b12a1b222b8620ca7cee76eaf942c351b0c7508c1bc2a8ee0a05d13"
OTHER = ID[::-1]
CGROUPFS = f"kubepods/burstable/pod{UID}/{ID}"
SYSTEMD = f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice"
KIND = f"kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{UID.replace('-', '_')}.slice"

V2 = "432 431 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw,nsdelegate\n"
V1 = "39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
HYBRID = V1 + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
ON_V2, ON_V1, ON_HYBRID = "0::/\n", "8:pids:/\n", "8:pids:/\n0::/\n"


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    """A node of which nothing is there yet."""
    (tmp_path / "proc/self").mkdir(parents=True)
    return tmp_path


def node(root: Path, mountinfo: str, membership: str, *files: str) -> Files:
    """The node, with cgroups for those files that end in `/`."""
    (root / "proc/self/mountinfo").write_text(mountinfo)
    (root / "proc/self/cgroup").write_text(membership)
    for name in files:
        path = root / "sys/fs/cgroup" / name
        path.mkdir(parents=True) if name.endswith("/") else path.touch()
    return Files(root)


def by_check(findings: Sequence[Finding]) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings}


@pytest.mark.parametrize(
    ("mountinfo", "membership", "files", "fact"),
    [
        (V2, ON_V2, [f"{CGROUPFS}/"], "cgroup v2; the agent watches the hierarchy `unified`"),
        (V1, ON_V1, [f"pids/{CGROUPFS}/", "pids/release_agent"], "cgroup v1; the agent watches the hierarchy `pids`"),
        (HYBRID, ON_HYBRID, [f"pids/{CGROUPFS}/", "pids/release_agent"], "cgroup hybrid; the agent watches the hier"),
        (HYBRID, ON_HYBRID, ["pids/", f"unified/{CGROUPFS}/"], "cgroup hybrid; the agent watches the hierarchy `uni"),
    ],
)
def test_version_and_hierarchy_are_told(
    root: Path, mountinfo: str, membership: str, files: list[str], fact: str
) -> None:
    findings = by_check(judge(these_cgroups(node(root, mountinfo, membership, *files)), by_name=False))
    assert fact in findings["cgroup-mode"].found
    assert {finding.outcome for finding in findings.values()} == {Outcome.OK}
    assert "1 of them containers of pods" in findings["cgroup-view"].found


@pytest.mark.parametrize(
    ("paths", "fact"),
    [
        ([CGROUPFS], "cgroupfs: 1 containers"),
        ([f"{SYSTEMD}/cri-containerd-{ID}.scope"], "systemd: 1 containers"),
        ([f"{KIND}/cri-containerd-{ID}.scope"], "systemd: 1 containers"),
        ([f"elsewhere/pod{UID}/{ID}"], "neither driver"),
    ],
)
def test_driver_is_told_by_the_names_it_gives(root: Path, paths: list[str], fact: str) -> None:
    findings = by_check(judge(these_cgroups(node(root, V2, ON_V2, *(f"{path}/" for path in paths))), by_name=False))
    assert findings["cgroup-driver"].outcome is Outcome.OK
    assert fact in findings["cgroup-driver"].found


def test_both_drivers_are_a_left_over_and_are_both_watched(root: Path) -> None:
    files = node(root, V2, ON_V2, f"{CGROUPFS}/", f"{SYSTEMD}/cri-containerd-{OTHER}.scope/")
    finding = by_check(judge(these_cgroups(files), by_name=False))["cgroup-driver"]
    assert finding.outcome is Outcome.WARNING
    assert "both drivers" in finding.found
    assert "cgroupDriver" in finding.remedy


def test_node_without_pods_has_no_driver_to_tell(root: Path) -> None:
    finding = by_check(judge(these_cgroups(node(root, V2, ON_V2, "system.slice/")), by_name=False))["cgroup-driver"]
    assert finding.outcome is Outcome.SKIPPED
    assert "no pods on this node" in finding.found


def test_unprivileged_pod_sees_its_own_cgroup_alone(root: Path) -> None:
    """As recorded on a node of cgroup v2: the mount's root is `/`, and only cgroup.events gives it away."""
    files = node(root, V2, ON_V2, "init/", "cgroup.events")
    finding = by_check(judge(these_cgroups(files), by_name=False))["cgroup-view"]
    assert finding.stops
    assert "that of this container" in finding.found
    assert "hostPath" in finding.remedy
    assert "agent.securityMode" in finding.remedy


def test_part_of_a_hierarchy_will_do_for_cgroups_given_by_name(root: Path) -> None:
    files = node(root, V2, ON_V2, "demo/", "cgroup.events")
    assert by_check(judge(these_cgroups(files), by_name=True))["cgroup-view"].outcome is Outcome.WARNING


def test_node_within_a_container_sees_its_pods(root: Path) -> None:
    """As kind's do: not the root of the hierarchy, but that of all pods."""
    files = node(
        root, V2, ON_V2, f"{KIND}/cri-containerd-{ID}.scope/", f"{KIND}/cri-containerd-{OTHER}.scope/", "cgroup.events"
    )
    assert by_check(judge(these_cgroups(files), by_name=False))["cgroup-view"].outcome is Outcome.OK


def test_nothing_mounted_is_fatal_and_the_rest_skipped(root: Path) -> None:
    findings = by_check(judge(these_cgroups(node(root, "", ON_V2)), by_name=False))
    assert findings["cgroup-mode"].stops
    assert "mount /sys/fs/cgroup of the host" in findings["cgroup-mode"].remedy
    assert [findings[name].outcome for name in ("cgroup-view", "cgroup-driver")] == [Outcome.SKIPPED] * 2


def test_proc_that_can_not_be_read_is_said(tmp_path: Path) -> None:
    findings = judge(these_cgroups(Files(tmp_path)), by_name=False)
    assert [finding.check for finding in findings] == [check.name for check in CHECKS]
    assert all("/proc/self/mountinfo: No such file" in finding.found for finding in findings)
