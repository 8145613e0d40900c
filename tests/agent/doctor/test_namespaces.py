"""What the doctor says of the namespaces that the agent shares with its node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.doctor.files import Files, Unreadable
from agent.doctor.finding import Finding, Outcome
from agent.doctor.namespaces import INITIAL, Namespaces, judge, these_namespaces

OF_THE_NODE = {name: f"{name}:[{inode}]" for name, inode in INITIAL.items()} | {"mnt": "mnt:[4026531832]"}
OF_A_POD = {
    name: f"{name}:[4026533{number}]" for number, name in enumerate(("user", "pid", "cgroup", "net", "mnt"), 100)
}
DENIED = {
    name: Unreadable(path=f"/proc/1/ns/{name}", reason="Permission denied", missing=False) for name in OF_THE_NODE
}


def found(check: str, own: dict[str, Any], first: dict[str, Any], **settings: Any) -> Finding:
    namespaces = Namespaces(own=own, first=first, uid_map="0 100000 65536\n", **settings)
    return next(finding for finding in judge(namespaces) if finding.check == check)


@pytest.mark.parametrize("first", [OF_THE_NODE, DENIED])
@pytest.mark.parametrize("check", ["user-namespace", "pid-namespace", "cgroup-namespace", "network-namespace"])
def test_on_the_node_all_are_shared(check: str, first: dict[str, Any]) -> None:
    """Whether or not those of PID 1 may be read: the first namespaces have fixed inodes."""
    assert found(check, OF_THE_NODE, first, kubelet="localhost:10250").outcome is Outcome.OK


def test_user_namespace_of_its_own_is_fatal() -> None:
    finding = found("user-namespace", OF_A_POD, OF_A_POD)
    assert finding.stops
    assert "0 100000 65536" in finding.found
    assert "hostUsers" in finding.remedy


def test_pid_namespace_of_its_own_names_the_setting() -> None:
    """/proc/1 is the pod's own first process there, so comparing with it would tell nothing."""
    finding = found("pid-namespace", OF_A_POD, OF_A_POD)
    assert finding.outcome is Outcome.FAILED
    assert not finding.fatal
    assert "agent.hostPID: true" in finding.remedy


def test_node_within_a_container_is_told_apart_from_a_pod_without_host_pid() -> None:
    """With hostPID on kind, PID 1 is the node's: in another mount namespace than the pod."""
    finding = found("pid-namespace", OF_A_POD, OF_A_POD | {"mnt": "mnt:[4026533999]"})
    assert finding.outcome is Outcome.WARNING
    assert "kind" in finding.found


def test_cgroup_namespace_of_its_own_is_no_harm_where_the_cluster_tells_names() -> None:
    finding = found("cgroup-namespace", OF_A_POD, OF_THE_NODE)
    assert finding.outcome is Outcome.OK
    assert "one of its own" in finding.found


def test_runtimes_containers_are_not_found_from_a_cgroup_namespace_of_its_own() -> None:
    """There /proc/PID/cgroup has `/../../kubepods…`, which no path of the mount is."""
    finding = found("cgroup-namespace", OF_A_POD, OF_THE_NODE, by_runtime=True)
    assert finding.outcome is Outcome.WARNING
    assert "--cgroupns=host" in finding.remedy


HOST_PID = OF_A_POD | {"pid": OF_THE_NODE["pid"]}


@pytest.mark.parametrize("kubelet", ["localhost:10250", "127.0.0.1", "[::1]:10250", "::1"])
def test_localhost_is_not_the_node_in_a_network_of_its_own(kubelet: str) -> None:
    finding = found("network-namespace", HOST_PID, OF_THE_NODE, kubelet=kubelet)
    assert finding.outcome is Outcome.FAILED
    assert "agent.hostNetwork: true" in finding.remedy
    assert "status.hostIP" in finding.remedy


def test_network_is_shared_where_it_is_that_of_pid_1() -> None:
    """Before kernel 6.18 the node's had no fixed inode."""
    own = HOST_PID | {"net": "net:[4026531840]"}
    first = OF_THE_NODE | {"net": "net:[4026531840]"}
    assert found("network-namespace", own, first, kubelet="localhost").outcome is Outcome.OK


@pytest.mark.parametrize(
    ("own", "first", "kubelet", "fact"),
    [
        (HOST_PID, OF_THE_NODE, None, "no kubelet is asked"),
        (HOST_PID, DENIED, "localhost", "/proc/1/ns/net: Permission denied"),
        (OF_A_POD, OF_A_POD, "localhost", "it can't be told"),
    ],
)
def test_network_is_not_told_where_it_can_not_be(own: Any, first: Any, kubelet: str | None, fact: str) -> None:
    finding = found("network-namespace", own, first, kubelet=kubelet)
    assert finding.outcome is Outcome.SKIPPED
    assert fact in finding.found


def test_network_does_not_matter_for_an_address_of_the_node() -> None:
    finding = found("network-namespace", OF_A_POD, DENIED, kubelet="192.0.2.7:10250")
    assert finding.outcome is Outcome.OK
    assert "192.0.2.7" in finding.found


def test_proc_without_namespaces_is_said(tmp_path: Path) -> None:
    findings = judge(these_namespaces(Files(tmp_path), kubelet="localhost", by_runtime=False))
    assert {finding.outcome for finding in findings} == {Outcome.SKIPPED}
    assert all("No such file" in finding.found for finding in findings)
