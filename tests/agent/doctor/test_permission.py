"""What the doctor says of whether the kernel lets the probe in."""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import Any

import pytest

from agent.doctor.capabilities import BPF, PERFMON
from agent.doctor.files import Unreadable
from agent.doctor.finding import Finding, Outcome
from agent.doctor.permission import Permission, judge
from agent.doctor.trial import Trial, try_bpf

CAPABLE = f"CapEff:\t{1 << BPF | 1 << PERFMON:016x}\nSeccomp:\t0\n"
BARE = "CapEff:\t0000000000000000\nSeccomp:\t0\n"
FILTERED = CAPABLE.replace("Seccomp:\t0", "Seccomp:\t2")
LETS_IN = Trial(map_errno=0, program_errno=0)
REFUSES = Trial(map_errno=errno.EPERM, program_errno=errno.EPERM)
WELL = Permission(
    status=CAPABLE,
    trial=LETS_IN,
    perf_event_paranoid="2\n",
    security_module="unconfined\n",
    mountinfo="42 23 0:13 / /sys/kernel/tracing rw,relatime - tracefs tracefs rw\n",
)


def found(check: str, **change: Any) -> Finding:
    return next(finding for finding in judge(replace(WELL, **change)) if finding.check == check)


def test_all_is_well() -> None:
    assert {finding.outcome for finding in judge(WELL)} == {Outcome.OK}


@pytest.mark.parametrize(
    ("change", "fact", "remedy"),
    [
        ({"trial": REFUSES, "status": BARE}, "making a BPF map: Operation not permitted", "grant CAP_BPF"),
        ({"trial": REFUSES}, "making a BPF map", "seccompProfile Unconfined"),
        ({"trial": REFUSES}, "making a BPF map", "hostUsers"),
        ({"trial": REFUSES, "security_module": "cri-containerd.apparmor.d (enforce)\n"}, "cri-containerd", "apparmor"),
        ({"trial": Trial(map_errno=errno.ENOSYS, program_errno=errno.ENOSYS)}, "not implemented", "CONFIG_BPF_SYSCALL"),
        ({"trial": Trial(map_errno=0, program_errno=errno.EPERM)}, "loading a BPF program", "CAP_PERFMON"),
        ({"trial": Trial(map_errno=0, program_errno=errno.EINVAL)}, "reads the kernel's memory", "confidentiality"),
    ],
)
def test_refusal_stops_the_agent_and_says_who_may_be_behind_it(change: dict[str, Any], fact: str, remedy: str) -> None:
    finding = found("bpf-permission", **change)
    assert finding.stops
    assert fact in finding.found
    assert remedy in finding.remedy


def test_trial_is_skipped_on_a_machine_that_has_no_probe() -> None:
    assert try_bpf("riscv64") is None
    assert found("bpf-permission", trial=None).outcome is Outcome.SKIPPED


def test_seccomp_profile_is_told_by_what_it_does() -> None:
    assert found("seccomp", status=FILTERED).outcome is Outcome.OK
    refusing = found("seccomp", status=FILTERED, trial=REFUSES)
    assert refusing.outcome is Outcome.WARNING
    assert "mode filter" in refusing.found
    assert found("seccomp", status="CapEff:\t0\n").outcome is Outcome.SKIPPED


@pytest.mark.parametrize("value", ["-1", "2", "3", "4"])
def test_paranoia_about_perf_events_does_not_concern_raw_tracepoints(value: str) -> None:
    finding = found("perf-event-paranoid", perf_event_paranoid=f"{value}\n")
    assert finding.outcome is Outcome.OK
    assert f"is {value}" in finding.found
    assert ("not from the agent's raw tracepoints" in finding.found) is (value in {"3", "4"})


def test_tracefs_is_not_needed_wherever_it_is() -> None:
    assert found("tracefs").found == "mounted at /sys/kernel/tracing; not needed"
    assert found("tracefs", mountinfo="").found == "not mounted; not needed"


@pytest.mark.parametrize(
    ("check", "part"),
    [("seccomp", "status"), ("perf-event-paranoid", "perf_event_paranoid"), ("tracefs", "mountinfo")],
)
def test_what_can_not_be_read_is_said(check: str, part: str) -> None:
    finding = found(check, **{part: Unreadable(path="/proc/x", reason="Permission denied", missing=False)})
    assert finding.outcome is Outcome.SKIPPED
    assert finding.found == "reading /proc/x: Permission denied"
