"""The hierarchy that tells containers apart is found on cgroup v2, v1 and hybrid machines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.cgroups import Hierarchy, choose, hierarchies
from kinwatch.errors import NodeError

V2_MOUNTS = """\
25 1 0:23 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
505 504 0:27 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate,memory_recursiveprot
"""
V1_MOUNTS = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
"""
HYBRID_MOUNTS = V1_MOUNTS + "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n"
V2_MEMBERSHIP = "0::/user.slice/user-0.slice/session-1.scope\n"
V1_MEMBERSHIP = "9:name=systemd:/\n8:pids:/a:b\n4:memory:/\n2:cpu,cpuacct:/\n"
HYBRID_MEMBERSHIP = V1_MEMBERSHIP + "0::/\n"
UNIFIED = Hierarchy(name="unified", number=0, mount=Path("/sys/fs/cgroup/unified"))
PIDS = Hierarchy(name="pids", number=8, mount=Path("/sys/fs/cgroup/pids"))
MEMORY = Hierarchy(name="memory", number=4, mount=Path("/sys/fs/cgroup/memory"))


@pytest.mark.parametrize(
    ("mounts", "membership", "expected"),
    [
        pytest.param(V2_MOUNTS, V2_MEMBERSHIP, [Hierarchy(name="unified", number=0, mount=Path("/sys/fs/cgroup"))], id="v2"),  # noqa: E501
        pytest.param(V1_MOUNTS, V1_MEMBERSHIP, [PIDS, MEMORY], id="v1"),
        pytest.param(HYBRID_MOUNTS, HYBRID_MEMBERSHIP, [PIDS, MEMORY, UNIFIED], id="hybrid"),
        pytest.param(HYBRID_MOUNTS, V2_MEMBERSHIP, [UNIFIED], id="v1 mounted, and not in use"),
        pytest.param("", V2_MEMBERSHIP, [], id="nothing mounted"),
    ],
)  # fmt: skip
def test_hierarchies_are_found_the_best_first(mounts: str, membership: str, expected: list[Hierarchy]) -> None:
    """On hybrid machines the runtimes use the controllers of v1, so these come before the unified hierarchy."""
    assert hierarchies(mounts, membership) == expected


def test_controllers_that_share_a_mount_are_both_found() -> None:
    mounts = "32 31 0:29 / /sys/fs/cgroup/both rw,relatime - cgroup cgroup rw,pids,memory\n"
    both = Path("/sys/fs/cgroup/both")
    assert hierarchies(mounts, "3:pids,memory:/\n") == [
        Hierarchy(name="pids", number=3, mount=both),
        Hierarchy(name="memory", number=3, mount=both),
    ]


def test_mount_point_with_a_space_is_read_as_the_kernel_writes_it() -> None:
    mounts = "505 504 0:27 / /host\\040sys/cgroup rw - cgroup2 cgroup rw\n"
    (found,) = hierarchies(mounts, V2_MEMBERSHIP)
    assert found.mount == Path("/host sys/cgroup")


def test_controller_has_an_index_in_the_kernels_words() -> None:
    """The index differs by the kernel's configuration, so its name stands for it."""
    assert (PIDS.subsys, MEMORY.subsys, UNIFIED.subsys) == ("PIDS_CGRP_ID", "MEMORY_CGRP_ID", "(-1)")


def tree(folder: Path, *paths: str) -> Path:
    for path in paths:
        (folder / path).mkdir(parents=True)
    return folder


def test_tree_is_listed_parents_first_with_the_directories_inodes(tmp_path: Path) -> None:
    """Files and links in it are no cgroups."""
    tree(tmp_path, "a/b/c", "a/d", "e")
    (tmp_path / "a/cgroup.procs").touch()
    (tmp_path / "link").symlink_to("a")
    found = list(Hierarchy(name="pids", number=1, mount=tmp_path).cgroups())
    paths = [path for _, path in found]
    assert sorted(paths) == ["/", "/a", "/a/b", "/a/b/c", "/a/d", "/e"]
    assert all(paths.index(path.rpartition("/")[0] or "/") < paths.index(path) for path in paths[1:])
    assert all(number == (tmp_path / path.removeprefix("/")).stat().st_ino for number, path in found)


def test_cgroup_that_goes_meanwhile_is_left_out(tmp_path: Path) -> None:
    tree(tmp_path, "a/b", "z")
    listing = Hierarchy(name="pids", number=1, mount=tmp_path).cgroups()
    assert next(listing)[1] == "/"
    (tmp_path / "z").rmdir()
    assert {path for _, path in listing} == {"/a", "/a/b"}


def test_first_hierarchy_with_a_wanted_cgroup_is_chosen(tmp_path: Path) -> None:
    """Or else the first; cgroups that a runtime made in one hierarchy only are found there."""
    first = Hierarchy(name="pids", number=1, mount=tree(tmp_path / "pids", "other"))
    second = Hierarchy(name="unified", number=0, mount=tree(tmp_path / "unified", "pod"))
    assert choose([first, second], lambda path: path == "/pod") is second
    assert choose([first, second], lambda _: True) is first
    assert choose([first, second], lambda _: False) is first


def test_node_without_any_says_what_to_mount() -> None:
    with pytest.raises(NodeError, match=r"mount /sys/fs/cgroup of the host"):
        choose([], lambda _: True)


def test_members_are_the_processes_of_one_cgroup(tmp_path: Path) -> None:
    """Without those below it; none where it is empty or gone meanwhile."""
    tree(tmp_path, "a/b", "empty")
    (tmp_path / "a/cgroup.procs").write_text("12\n4711\n")
    (tmp_path / "a/b/cgroup.procs").write_text("13\n")
    (tmp_path / "empty/cgroup.procs").touch()
    pids = Hierarchy(name="pids", number=1, mount=tmp_path)
    assert [pids.members(path) for path in ("/a", "/a/b", "/empty", "/gone")] == [{12, 4711}, {13}, set(), set()]


@pytest.mark.parametrize(
    ("hierarchy", "path"),
    [(PIDS, "/a:b"), (MEMORY, "/"), (UNIFIED, "/user.slice/x"), (Hierarchy(name="x", number=1, mount=Path("/")), None)],
)
def test_path_of_a_process_is_that_of_the_hierarchy(hierarchy: Hierarchy, path: str | None) -> None:
    """A path may hold colons, and the number of a hierarchy begin like another's."""
    membership = "18:misc:/no\n9:name=systemd:/no\n8:pids:/a:b\n4:memory:/\n10:cpu:/no\n0::/user.slice/x\n"
    assert hierarchy.path_of(membership) == path


def test_this_process_is_a_member_where_the_kernel_says_it_is() -> None:
    """In each hierarchy of this machine whose tree can be seen from its top."""
    membership = Path("/proc/self/cgroup").read_text()
    found = [
        (one, one.path_of(membership)) for one in hierarchies(Path("/proc/self/mountinfo").read_text(), membership)
    ]
    visible = [(one, path) for one, path in found if path and (one.mount / path.removeprefix("/")).is_dir()]
    if not visible:
        pytest.skip("the cgroup of this process is not to be seen here")
    assert all(os.getpid() in one.members(path) for one, path in visible)
