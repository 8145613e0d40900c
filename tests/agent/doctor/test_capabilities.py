"""What the doctor says of capabilities, one by one."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.doctor.capabilities import (
    BPF,
    CHECKS,
    DAC_READ_SEARCH,
    PERFMON,
    SYS_ADMIN,
    SYS_PTRACE,
    SYS_RESOURCE,
    Privileges,
    judge,
    these_privileges,
)
from agent.doctor.files import Files, Unreadable
from agent.doctor.finding import Finding, Outcome

NEWER, OLDER = "6.1.0-18-amd64", "5.10.0-28-amd64"
PLAIN_PROC = "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
HIDING_PROC = "22 27 0:21 / /proc rw,relatime - proc proc rw,hidepid={}\n"


def found(
    check: str,
    *held: int,
    release: str = NEWER,
    uid: int = 0,
    mountinfo: str = PLAIN_PROC,
    locked_memory: int = 64 << 10,
) -> Finding:
    effective = sum(1 << bit for bit in held)
    status = f"Name:\tpython3\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nCapPrm:\t0\nCapEff:\t{effective:016x}\nCapBnd:\t0\n"
    privileges = Privileges(release=release, status=status, mountinfo=mountinfo, locked_memory=locked_memory)
    return next(finding for finding in judge(privileges) if finding.check == check)


@pytest.mark.parametrize(
    ("check", "held"),
    [
        ("capability-bpf", BPF),
        ("capability-bpf", SYS_ADMIN),
        ("capability-perfmon", PERFMON),
        ("capability-perfmon", SYS_ADMIN),
        ("capability-dac-read-search", DAC_READ_SEARCH),
        ("capability-sys-ptrace", SYS_PTRACE),
    ],
)
def test_capability_that_is_held(check: str, held: int) -> None:
    assert found(check, held, uid=1000).outcome is Outcome.OK


@pytest.mark.parametrize(
    ("check", "held", "name"),
    [
        ("capability-bpf", PERFMON, "CAP_BPF"),
        ("capability-bpf", SYS_PTRACE, "CAP_BPF"),
        ("capability-perfmon", BPF, "CAP_PERFMON"),
    ],
)
def test_probe_needs_its_two_capabilities(check: str, held: int, name: str) -> None:
    """Root without them doesn't help."""
    finding = found(check, held)
    assert finding.stops
    assert f"lacks {name}" in finding.found
    assert name in finding.remedy
    assert "agent.securityMode" in finding.remedy


def test_root_reads_its_files_without_a_capability_for_it() -> None:
    assert found("capability-dac-read-search", BPF).outcome is Outcome.OK


def test_who_is_not_root_may_not_read_what_is_closed_to_others() -> None:
    finding = found("capability-dac-read-search", BPF, uid=65534)
    assert finding.outcome is Outcome.WARNING
    assert "user 65534" in finding.found


@pytest.mark.parametrize(
    ("mountinfo", "outcome"),
    [
        (PLAIN_PROC, Outcome.OK),
        (HIDING_PROC.format("0"), Outcome.OK),
        (HIDING_PROC.format("off"), Outcome.OK),
        (HIDING_PROC.format("2"), Outcome.WARNING),
        (HIDING_PROC.format("invisible"), Outcome.WARNING),
    ],
)
def test_ptrace_is_needed_where_proc_hides_processes(mountinfo: str, outcome: Outcome) -> None:
    finding = found("capability-sys-ptrace", BPF, mountinfo=mountinfo)
    assert finding.outcome is outcome
    assert bool(finding.remedy) is (outcome is Outcome.WARNING)


def test_locked_memory_is_asked_about_on_old_kernels_only() -> None:
    assert found("capability-sys-resource", release=NEWER).outcome is Outcome.SKIPPED
    assert found("capability-sys-resource", release="strange").outcome is Outcome.SKIPPED
    assert found("capability-sys-resource", SYS_RESOURCE, release=OLDER).outcome is Outcome.OK
    assert found("capability-sys-resource", release=OLDER, locked_memory=-1).outcome is Outcome.OK
    finding = found("capability-sys-resource", BPF, release=OLDER)
    assert finding.stops
    assert "64 KiB" in finding.found
    assert "CAP_SYS_RESOURCE" in finding.remedy


def test_status_that_can_not_be_read_is_said_of_each() -> None:
    status = Unreadable(path="/proc/self/status", reason="Permission denied", missing=False)
    findings = judge(Privileges(release=NEWER, status=status, mountinfo=PLAIN_PROC, locked_memory=-1))
    assert [finding.check for finding in findings] == [check.name for check in CHECKS]
    assert {finding.outcome for finding in findings} == {Outcome.SKIPPED}
    assert all("/proc/self/status: Permission denied" in finding.found for finding in findings)


def test_this_process_is_read_from_the_kernel(tmp_path: Path) -> None:
    assert "CapEff:" in str(these_privileges(Files(), NEWER).status)
    assert isinstance(these_privileges(Files(tmp_path), NEWER).status, Unreadable)
