"""
Check the cgroups: which version, whether all of the node's are to be seen, and by which driver the kubelet makes them.

Flow: files, cgroups -> **cgroup** -> report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from agent.cgroups import UNIFIED, Hierarchy, choose, hierarchies
from agent.doctor.files import Files, Unreadable
from agent.doctor.finding import Check, Finding
from agent.identify import pod_container

MODE: Final = Check(
    name="cgroup-mode",
    why="containers are told apart by their cgroups, in one hierarchy that is mounted here",
    fatal=True,
)
VIEW: Final = Check(
    name="cgroup-view",
    why="containers whose cgroups are not mounted here are not found when the agent starts",
    fatal=True,
)
DRIVER: Final = Check(
    name="cgroup-driver", why="the kubelet's driver names the cgroups of pods; the agent knows both ways of naming"
)
CHECKS: Final = (MODE, VIEW, DRIVER)

_ONLY_AT_ROOT: Final = ("release_agent", "cgroup.sane_behavior")
"""Files of v1 that only the root of a hierarchy has; on v2 it is `cgroup.events` that the root lacks (cgroups(7))."""
_SYSTEMD: Final = ("kubepods.slice", "-kubepods.slice")
_MOUNT_REMEDY: Final = (
    "mount /sys/fs/cgroup of the host into the agent's container, read-only, by a hostPath volume; or run it "
    "privileged (in the chart agent.securityMode: privileged); or start it with --cgroupns=host"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cgroups:
    """What is mounted here, and what is in it."""

    mounted: Sequence[Hierarchy]
    """The hierarchies that can tell containers apart, the best first."""
    watched: Hierarchy | None = None
    """The one that the agent watches."""
    is_root: bool = False
    """Whether its mount shows the root of the hierarchy, rather than a part of it."""
    paths: Sequence[str] = ()
    """Every cgroup in it."""
    unreadable: Unreadable | None = None
    """Why nothing is known."""


def these_cgroups(files: Files) -> Cgroups:
    """What this node shows."""
    mountinfo, membership = files.text("/proc/self/mountinfo"), files.text("/proc/self/cgroup")
    for one in (mountinfo, membership):
        if isinstance(one, Unreadable):
            return Cgroups(mounted=(), unreadable=one)
    try:
        return _mounted(str(mountinfo), str(membership), files)
    except OSError as error:  # but for what goes while it is read, which is left out
        reason = error.strerror or type(error).__name__
        return Cgroups(mounted=(), unreadable=Unreadable(path=str(error.filename), reason=reason, missing=False))


def _mounted(mountinfo: str, membership: str, files: Files) -> Cgroups:
    mounted = [replace(one, mount=files.path(one.mount)) for one in hierarchies(mountinfo, membership)]
    if not mounted:
        return Cgroups(mounted=())
    watched = choose(mounted, lambda path: pod_container(path) is not None)
    return Cgroups(
        mounted=mounted,
        watched=watched,
        is_root=_is_root(watched),
        paths=[path for _, path in watched.cgroups()],
    )


def _is_root(hierarchy: Hierarchy) -> bool:
    if hierarchy.name == UNIFIED:
        return not (hierarchy.mount / "cgroup.events").exists()
    return any((hierarchy.mount / name).exists() for name in _ONLY_AT_ROOT)


def judge(cgroups: Cgroups, *, by_name: bool) -> Sequence[Finding]:
    """What is to be said of it; `by_name` tells whether cgroups were given by name."""
    if cgroups.unreadable:
        return [check.skipped(str(cgroups.unreadable)) for check in CHECKS]
    if cgroups.watched is None:
        nothing = "no cgroup hierarchy is mounted here"
        return (
            MODE.failed(nothing, remedy=f"{_MOUNT_REMEDY}; on a host, `mount -t cgroup2 none /sys/fs/cgroup`"),
            *(check.skipped(nothing) for check in (VIEW, DRIVER)),
        )
    roots = {found[0] for path in cgroups.paths if (found := pod_container(path))}
    return (
        MODE.ok(_mode(cgroups.mounted, cgroups.watched)),
        _view(cgroups, len(roots), by_name=by_name),
        _driver(roots),
    )


def _mode(mounted: Sequence[Hierarchy], watched: Hierarchy) -> str:
    names = [one.name for one in mounted]
    mode = "hybrid" if UNIFIED in names and len(names) > 1 else "v2" if names == [UNIFIED] else "v1"
    return f"cgroup {mode}; the agent watches the hierarchy `{watched.name}`, mounted at {watched.mount}"


def _view(cgroups: Cgroups, containers: int, *, by_name: bool) -> Finding:
    seen = f"{len(cgroups.paths)} cgroups, {containers} of them containers of pods"
    if cgroups.is_root:
        return VIEW.ok(f"all of the hierarchy: {seen}")
    if containers > 1:  # one would be the agent's own
        return VIEW.ok(f"a part of the hierarchy in which pods are, as on nodes of kind: {seen}")
    if by_name:
        return VIEW.warning(f"only a part of the hierarchy: {seen}", remedy=_MOUNT_REMEDY)
    return VIEW.failed(f"only a part of the hierarchy, that of this container: {seen}", remedy=_MOUNT_REMEDY)


def _driver(roots: set[str]) -> Finding:
    drivers = {driver for root in roots if (driver := _driver_of(root))}
    if not roots:
        return DRIVER.skipped("there are no pods on this node, or none that can be seen: no cgroup is named kubepods")
    if not drivers:
        return DRIVER.ok(f"{len(roots)} containers of pods, in cgroups named by neither driver, such as {min(roots)}")
    if len(drivers) > 1:
        return DRIVER.warning(
            "containers under kubepods.slice and under kubepods: both drivers; all of them are watched",
            remedy="set the same cgroupDriver for the kubelet and the container runtime, and restart the pods that are "
            "left from before",
        )
    return DRIVER.ok(f"{drivers.pop()}: {len(roots)} containers of pods, such as {min(roots)}")


def _driver_of(root: str) -> str | None:
    components = root.split("/")
    if any(one.endswith(_SYSTEMD) for one in components):
        return "systemd"
    return "cgroupfs" if "kubepods" in components else None
