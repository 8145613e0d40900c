"""What keeps this node from running the probe is said before anything is loaded."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path

import pytest

from agent.preflight import CAP_BPF, CAP_PERFMON, CAP_SYS_ADMIN, Node, check, this_node
from kinwatch.errors import NodeError

BOTH = 1 << CAP_BPF | 1 << CAP_PERFMON


@pytest.fixture(name="node")
def _node(tmp_path: Path) -> Node:
    """A node on which all is well."""
    btf = tmp_path / "vmlinux"
    btf.touch()
    return Node(release="6.1.0-18-amd64", capabilities=BOTH, lockdown="none [integrity] confidentiality\n", btf=btf)


@pytest.mark.parametrize("release", ["5.8.0", "5.10.0-28-amd64", "6.18.44-fc", "10.0.1", "5.8-rc1", "strange"])
def test_kernel_that_has_the_ring_buffer_will_do(node: Node, release: str) -> None:
    """One whose release can't be read is tried."""
    check(replace(node, release=release))


@pytest.mark.parametrize("capabilities", [BOTH, 1 << CAP_SYS_ADMIN, (1 << 41) - 1])
def test_capabilities_that_suffice(node: Node, capabilities: int) -> None:
    check(replace(node, capabilities=capabilities))


def test_lockdown_that_can_not_be_read_is_none(node: Node) -> None:
    check(replace(node, lockdown=""))


@pytest.mark.parametrize(
    ("change", "problem", "remedy"),
    [
        ({"release": "5.7.19"}, "kernel 5.7.19 has no BPF ring buffer", "kernel 5.8 or newer"),
        ({"release": "4.19.0-26-amd64"}, "kernel 4.19.0-26-amd64 has no", "Debian 11"),
        ({"capabilities": 0}, "lacks CAP_BPF and CAP_PERFMON", "as root"),
        ({"capabilities": 1 << CAP_BPF}, "lacks CAP_PERFMON", "grant it"),
        ({"capabilities": 1 << CAP_PERFMON}, "lacks CAP_BPF", "grant it"),
        ({"lockdown": "none integrity [confidentiality]\n"}, "confidentiality", "boot with lockdown=integrity"),
        ({"btf": Path("/nowhere/vmlinux")}, "no type information at /nowhere/vmlinux", "CONFIG_DEBUG_INFO_BTF=y"),
    ],
)
def test_each_hindrance_has_its_message_and_its_remedy(
    node: Node, change: dict[str, object], problem: str, remedy: str
) -> None:
    with pytest.raises(NodeError) as raised:
        check(replace(node, **change))  # type: ignore[arg-type]
    assert problem in raised.value.problem
    assert remedy in raised.value.remedy
    assert raised.value.exit_code == 3


def test_this_node_says_what_the_kernel_says(tmp_path: Path) -> None:
    node = this_node(release=platform.release(), btf=tmp_path)
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff"))
    assert node.capabilities == int(line.split()[1], 16)
