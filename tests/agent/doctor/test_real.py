"""The doctor on this node as it is, and on the same node with something taken away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from agent.doctor.command import CHECKS, exit_code, findings, run
from agent.doctor.examined import Examined, examined_of
from agent.doctor.finding import Outcome
from agent.settings import Settings

CHECKOUT = Path(__file__).parents[3]
PROGRAM = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from agent.doctor.command import findings
from agent.doctor.examined import Examined
spool = Path(sys.argv[2]) if len(sys.argv) > 2 else None
print(json.dumps([asdict(one) for one in findings(Examined(run_dir=Path(sys.argv[1]), spool=spool))]))
"""


def doctor(*prefix: str, run_dir: Path, spool: Path | None = None) -> dict[str, dict[str, Any]]:
    """What the doctor finds in a process that is started by `prefix`."""
    command = [*prefix, sys.executable, "-c", PROGRAM, str(run_dir), *([str(spool)] if spool else [])]
    run = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    return {one["check"]: one for one in json.loads(run.stdout)}


def outcomes(found: dict[str, dict[str, Any]], *checks: str) -> list[str]:
    return [found[check]["outcome"] for check in checks]


def with_capabilities(*names: str, uid: int = 0) -> Sequence[str]:
    """Start a process that has these capabilities alone."""
    listed = ",".join(["-all", *(f"+{name}" for name in names)])
    user = [] if uid == 0 else [f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    return ("setpriv", *user, f"--inh-caps={listed}", f"--ambient-caps={listed}", f"--bounding-set={listed}")


@pytest.mark.kernel
def test_this_node_can_run_the_agent(tmp_path: Path) -> None:
    """Every check speaks up once, in order, and nothing of the node's own is amiss."""
    found = findings(Examined(run_dir=tmp_path))
    assert [finding.check for finding in found] == [check.name for check in CHECKS]
    assert [finding for finding in found if finding.outcome is Outcome.FAILED] == []
    warned = {finding.check for finding in found if finding.outcome is Outcome.WARNING}
    assert warned <= {"clock", "runtime", "cgroup-driver", "memory-limit"}
    assert exit_code(found) == 0
    assert json.dumps([asdict(finding) for finding in found])


def test_findings_are_shown_as_they_are_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever this node can or can't do; a file that is no type information fails on every one."""
    (tmp_path / "btf").write_bytes(b"\x7fELF")
    examined = examined_of(Settings(btf=tmp_path / "btf", run_dir=tmp_path, cgroups=("/demo/*",)))
    assert run(examined, as_json=True) == 3
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == 3
    assert [one["check"] for one in document["findings"]] == [check.name for check in CHECKS]
    assert run(examined, as_json=False) == 3
    assert "the agent can't run here." in capsys.readouterr().out


@pytest.mark.kernel
@pytest.mark.parametrize("uid", [0, 65534])
def test_two_capabilities_are_enough_for_the_probe(uid: int) -> None:
    found = doctor(*with_capabilities("bpf", "perfmon", uid=uid), run_dir=Path("/dev/shm"))
    assert outcomes(found, "capability-bpf", "capability-perfmon", "bpf-permission") == ["ok", "ok", "ok"]
    assert found["capability-dac-read-search"]["outcome"] == ("ok" if uid == 0 else "warning")


@pytest.mark.kernel
def test_without_perfmon_the_map_is_made_and_the_program_refused(tmp_path: Path) -> None:
    found = doctor(*with_capabilities("bpf"), run_dir=tmp_path)
    assert outcomes(found, "capability-bpf", "capability-perfmon", "bpf-permission") == ["ok", "failed", "failed"]
    assert "loading a BPF program" in found["bpf-permission"]["found"]
    assert "CAP_PERFMON" in found["bpf-permission"]["remedy"]


@pytest.mark.kernel
def test_without_capabilities_nothing_is_let_in(tmp_path: Path) -> None:
    found = doctor(*with_capabilities(), run_dir=tmp_path)
    assert outcomes(found, "capability-bpf", "capability-perfmon", "bpf-permission") == ["failed"] * 3
    assert "making a BPF map: Operation not permitted" in found["bpf-permission"]["found"]


@pytest.mark.kernel
def test_root_of_a_user_namespace_is_no_root(tmp_path: Path) -> None:
    """It has every capability there, and the trial shows that they count for nothing."""
    found = doctor("unshare", "--user", "--map-root-user", run_dir=tmp_path)
    assert outcomes(found, "user-namespace", "capability-bpf", "bpf-permission") == ["failed", "ok", "failed"]
    assert "hostUsers" in found["bpf-permission"]["remedy"]


@pytest.mark.kernel
def test_namespaces_of_a_pod(tmp_path: Path) -> None:
    found = doctor("unshare", "--pid", "--fork", "--mount-proc", "--cgroup", "--net", run_dir=tmp_path)
    assert found["pid-namespace"]["outcome"] == "failed"
    assert "one of its own" in found["cgroup-namespace"]["found"]
    assert found["bpf-permission"]["outcome"] == "ok"


@pytest.mark.kernel
def test_proc_that_hides_processes(tmp_path: Path) -> None:
    """Mounted with hidepid, in a pid namespace of our own, by an agent without CAP_SYS_PTRACE."""
    script = 'mount -t proc -o hidepid=2 proc /proc && exec "$@"'
    prefix = ("unshare", "--pid", "--fork", "--mount", "sh", "-c", script, "sh", *with_capabilities("bpf", "perfmon"))
    assert doctor(*prefix, run_dir=tmp_path)["capability-sys-ptrace"]["outcome"] == "warning"


@pytest.mark.kernel
def test_seccomp_profile_that_refuses_bpf(tmp_path: Path) -> None:
    """A filter of the system call alone, with all capabilities: what a container's profile does."""
    found = doctor(sys.executable, "-c", REFUSE_BPF, run_dir=tmp_path)
    assert outcomes(found, "seccomp", "bpf-permission", "capability-bpf") == ["warning", "failed", "ok"]
    assert "seccompProfile" in found["bpf-permission"]["remedy"]


REFUSE_BPF = """
import ctypes, os, platform, struct, sys
number = {"x86_64": 321, "aarch64": 280}[platform.machine()]
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
program = struct.pack("@HP", len(steps), ctypes.addressof(code))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0, ctypes.get_errno()
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""PR_SET_NO_NEW_PRIVS, then PR_SET_SECCOMP with a filter: EPERM for bpf(2), all else allowed."""


@pytest.fixture(name="volume")
def _volume(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB in memory."""
    folder = tmp_path / "volume"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.kernel
def test_full_disk_has_no_room_for_the_spool(tmp_path: Path, volume: Path) -> None:
    (volume / "other").mkdir()
    (volume / "other/fill").write_bytes(b"x" * (1 << 19))
    found = doctor(run_dir=tmp_path, spool=volume / "spool")
    assert found["spool"]["outcome"] == "failed"
    assert "0 MiB of room on tmpfs, less than the 256 MiB" in found["spool"]["found"]


@pytest.mark.kernel
def test_read_only_volume_takes_no_spool_and_no_lock(volume: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", volume], check=True)
    found = doctor(run_dir=volume / "run", spool=volume / "spool")
    assert outcomes(found, "spool", "one-agent") == ["failed", "failed"]
    assert "can't be written to" in found["one-agent"]["found"]


@pytest.mark.kernel
def test_memory_limit_of_the_cgroup_is_read_from_the_kernel(tmp_path: Path) -> None:
    folder, limit = memory_cgroup(f"kinwatch-test-doctor-{os.getpid()}")
    folder.mkdir()
    try:
        (folder / limit).write_text(str(108 << 20))
        enter = f'echo $$ >{folder}/cgroup.procs && exec "$@"'
        found = doctor("sh", "-c", enter, "sh", run_dir=tmp_path)
    finally:
        folder.rmdir()
    assert found["memory-limit"]["outcome"] == "failed"
    assert f"108 MiB by {folder / limit}" in found["memory-limit"]["found"]


def memory_cgroup(name: str) -> tuple[Path, str]:
    """Where a cgroup of this name would be, and its file that holds the limit."""
    if Path("/sys/fs/cgroup/memory").is_dir():
        return Path("/sys/fs/cgroup/memory") / name, "memory.limit_in_bytes"
    if "memory" not in Path("/sys/fs/cgroup/cgroup.subtree_control").read_text().split():
        pytest.skip("this node's cgroups limit no memory")
    return Path("/sys/fs/cgroup") / name, "memory.max"


CONTAINER_ROOT = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
SEEN_BY_CONTAINER = ("/usr", "/etc", "/sys/kernel/btf", str(CHECKOUT))


def bundle_of_container(folder: Path, *, cgroup: str) -> None:
    """A container with this node's programs, a capability that helps nobody, and the default view of cgroups."""
    for name in ("proc", "sys", "tmp", "usr", "etc", str(CHECKOUT).lstrip("/")):
        (folder / "rootfs" / name).mkdir(parents=True, exist_ok=True)
    for name, target in CONTAINER_ROOT.items():
        (folder / "rootfs" / name).symlink_to(target)
    binds = [
        {"destination": path, "type": "bind", "source": path, "options": ["rbind", "ro"]} for path in SEEN_BY_CONTAINER
    ]
    spec = {
        "ociVersion": "1.0.2",
        "process": {
            "cwd": str(CHECKOUT),
            "args": [sys.executable, "-c", PROGRAM, "/var/run/kinwatch"],
            "env": ["PATH=/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1"],
            "user": {"uid": 0, "gid": 0},
            "capabilities": {kind: ["CAP_KILL"] for kind in ("bounding", "effective", "permitted")},
        },
        "root": {"path": "rootfs", "readonly": True},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]},
            *binds,
        ],
        "linux": {
            "cgroupsPath": f"/{cgroup}",
            "namespaces": [{"type": kind} for kind in ("pid", "mount", "network", "ipc", "uts", "cgroup")],
        },
    }
    (folder / "config.json").write_text(json.dumps(spec))


@pytest.mark.kernel
def test_container_that_shares_nothing_with_its_node(tmp_path: Path) -> None:
    """What an unprivileged pod would find, which is what a chart set wrongly gives the agent."""
    name = f"kinwatch-test-doctor-{os.getpid()}"
    bundle_of_container(tmp_path, cgroup=name)
    command = ["runc", "--root", tmp_path / "state", "run", "--bundle", tmp_path, name]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    found = {one["check"]: one for one in json.loads(run.stdout)}
    assert outcomes(found, "capability-bpf", "bpf-permission", "pid-namespace", "cgroup-view") == ["failed"] * 4
    assert "that of this container" in found["cgroup-view"]["found"]
    assert "can't be written to" in found["one-agent"]["found"]
