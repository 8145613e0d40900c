"""What the doctor says of the kernel, its types and the compiler."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.doctor.files import Files, Unreadable
from agent.doctor.finding import Finding, Outcome
from agent.doctor.kernel import BTF_MAGIC, Kernel, judge, this_kernel

BTF = Path("/sys/kernel/btf/vmlinux")
LOCKDOWN = "/sys/kernel/security/lockdown"


@pytest.fixture(name="kernel")
def _kernel(tmp_path: Path) -> Kernel:
    """A node on which all is well."""
    (tmp_path / "libbcc.py").touch()
    return Kernel(
        release="6.1.0-18-amd64",
        machine="x86_64",
        is_64_bit=True,
        btf=BTF,
        btf_head=BTF_MAGIC,
        lockdown="none [integrity] confidentiality\n",
        securityfs=True,
        bcc=tmp_path,
    )


def found(kernel: Kernel, check: str) -> Finding:
    return next(finding for finding in judge(kernel) if finding.check == check)


def unreadable(path: str | Path, *, missing: bool) -> Unreadable:
    reason = "No such file or directory" if missing else "Permission denied"
    return Unreadable(path=str(path), reason=reason, missing=missing)


def test_all_is_well_and_says_what_it_found(kernel: Kernel) -> None:
    findings = judge(kernel)
    assert {finding.outcome for finding in findings} == {Outcome.OK}
    text = " ".join(finding.found for finding in findings)
    assert all(fact in text for fact in ("6.1.0-18-amd64", "x86_64", str(BTF), "integrity", str(kernel.bcc)))


@pytest.mark.parametrize("release", ["5.8.0", "5.8-rc1", "5.10.0-28-amd64", "6.18.44-fc", "10.0.1"])
def test_kernel_that_has_the_ring_buffer_will_do(kernel: Kernel, release: str) -> None:
    assert found(replace(kernel, release=release), "kernel").outcome is Outcome.OK


def test_kernel_whose_release_can_not_be_read_is_tried(kernel: Kernel) -> None:
    assert found(replace(kernel, release="strange"), "kernel").outcome is Outcome.WARNING


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_machine_that_has_a_probe_will_do(kernel: Kernel, machine: str) -> None:
    assert found(replace(kernel, machine=machine), "architecture").outcome is Outcome.OK


@pytest.mark.parametrize(
    ("check", "change", "fact", "remedy"),
    [
        ("kernel", {"release": "5.7.19"}, "5.7.19", "kernel 5.8 or newer"),
        ("kernel", {"release": "4.19.0-26-amd64"}, "no BPF ring buffer", "Debian 11"),
        ("architecture", {"machine": "riscv64"}, "riscv64", "nodeSelector"),
        ("architecture", {"is_64_bit": False}, "32-bit", "64-bit Python"),
        (
            "btf",
            {"btf_head": unreadable(BTF, missing=True)},
            f"no type information at {BTF}",
            "CONFIG_DEBUG_INFO_BTF=y",
        ),
        ("btf", {"btf_head": unreadable(BTF, missing=False)}, "Permission denied", "as root"),
        ("btf", {"btf_head": b"\x7fE"}, "begins with 7f 45", "--btf"),
        ("btf", {"btf_head": b""}, "begins with nothing", "--btf"),
        ("lockdown", {"lockdown": "none integrity [confidentiality]\n"}, "confidentiality", "lockdown=integrity"),
        ("bcc", {"bcc": None}, "no package `bcc`", "python3-bpfcc"),
        ("bcc", {"bcc": Path("/nowhere/bcc")}, "PyPI", "--system-site-packages"),
    ],
)
def test_what_no_probe_can_do_without(
    kernel: Kernel, check: str, change: dict[str, Any], fact: str, remedy: str
) -> None:
    """Each is fatal, and has its message and its remedy."""
    finding = found(replace(kernel, **change), check)
    assert finding.stops
    assert fact in finding.found
    assert remedy in finding.remedy


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"lockdown": unreadable(LOCKDOWN, missing=True)}, "knows no lockdown"),
        ({"lockdown": unreadable(LOCKDOWN, missing=True), "securityfs": False}, "no securityfs is mounted"),
        ({"lockdown": unreadable(LOCKDOWN, missing=False)}, "Permission denied"),
    ],
)
def test_lockdown_that_can_not_be_read_is_said_not_passed(kernel: Kernel, change: dict[str, Any], fact: str) -> None:
    finding = found(replace(kernel, **change), "lockdown")
    assert finding.outcome is Outcome.SKIPPED
    assert fact in finding.found


def test_a_node_is_read_from_its_files(tmp_path: Path) -> None:
    lockdown = tmp_path / LOCKDOWN[1:]
    lockdown.parent.mkdir(parents=True)
    lockdown.write_text("[none] integrity confidentiality\n")
    (tmp_path / "btf").write_bytes(BTF_MAGIC + b"\x01\x00")
    kernel = this_kernel(Files(tmp_path), Path("/btf"))
    assert kernel.btf_head == BTF_MAGIC
    assert kernel.securityfs
    assert found(kernel, "lockdown").found.endswith("`none`")
