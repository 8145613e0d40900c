"""
Describe a container to runc: the config.json of an OCI bundle.

Flow: containers -> **bundle** -> runc. Sets no rlimits: raising them wants CAP_SYS_RESOURCE, which even root may lack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATH_VARIABLE = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
CAPABILITIES = ("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE")
"""What `runc spec` gives a container."""
TMPFS = ["nosuid", "nodev", "mode=1777"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """One container: what it runs, on which files, in which cgroup."""

    argv: Sequence[str]
    rootfs: Path
    """Root file system, mounted read-only; several containers may share one."""
    cgroup: str
    """Path as in /proc/PID/cgroup, such as `/kinwatch-demo/a`."""
    hostname: str = "replica"
    env: Sequence[str] = (PATH_VARIABLE,)
    cwd: str = "/"
    capabilities: Sequence[str] = CAPABILITIES
    binds: Mapping[str, Path] = field(default_factory=dict)
    """Path in the container -> file or directory of the node, seen there read-only. The path must exist in rootfs."""


def oci_config(spec: ContainerSpec) -> dict[str, Any]:
    """The config.json of OCI runtime-spec 1.0.2: own pid, ipc, uts, mount and network namespaces, tmpfs on /tmp."""
    capabilities = list(spec.capabilities)
    return {
        "ociVersion": "1.0.2",
        "hostname": spec.hostname,
        "root": {"path": str(spec.rootfs), "readonly": True},
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": list(spec.argv),
            "env": list(spec.env),
            "cwd": spec.cwd,
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), capabilities),
        },
        "mounts": _mounts(spec.binds),
        "linux": {
            "cgroupsPath": spec.cgroup,
            "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "network")],
        },
    }


def _mounts(binds: Mapping[str, Path]) -> list[dict[str, Any]]:
    return [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
        {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": TMPFS},  # noqa: S108 - the container's
        *(
            {"destination": inside, "type": "bind", "source": str(outside), "options": ["rbind", "ro"]}
            for inside, outside in binds.items()
        ),
    ]
