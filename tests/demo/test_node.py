"""What a node must have for containers, and what is said where it is missing."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from demo.bundle import ContainerSpec, oci_config
from demo.cgroups import hierarchies
from demo.containers import Containers
from demo.rootfs import busybox, lay_out
from kinwatch.errors import NodeError

HYBRID = """\
29 24 0:25 / /sys/fs/cgroup ro,nosuid shared:8 - tmpfs tmpfs ro,mode=755
30 29 0:26 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw
31 29 0:27 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
32 24 0:28 / /proc rw - proc proc rw
"""


def test_hierarchies_of_both_versions_are_found() -> None:
    assert hierarchies(HYBRID) == [Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup/pids")]


def test_container_asks_for_no_rlimits() -> None:
    """Raising them wants CAP_SYS_RESOURCE, which root may lack."""
    config = oci_config(ContainerSpec(argv=["sh"], rootfs=Path("/r"), cgroup="/kinwatch-test/a"))
    assert "rlimits" not in config["process"]


def test_without_root_the_remedy_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NodeError, match="by root only"), Containers(prefix="/kinwatch-test-none"):
        pass


def test_without_runc_the_remedy_names_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(NodeError, match=r"no runc .*install the package runc"),
        Containers(prefix="/kinwatch-test-none"),
    ):
        pass


def test_without_busybox_the_remedy_names_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NodeError, match=r"no busybox .*busybox-static"):
        busybox()


def test_busybox_that_needs_libraries_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It would start in no container, since they have no libraries."""
    shutil.copy(shutil.which("sh") or "/bin/sh", tmp_path / "busybox")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NodeError, match="needs shared libraries"):
        busybox()


@pytest.mark.skipif(shutil.which("busybox") is None, reason="needs busybox-static")
def test_root_file_system_has_a_shell_and_a_server(tmp_path: Path) -> None:
    rootfs = lay_out(tmp_path / "rootfs")
    assert {"sh", "httpd", "grep"} <= {path.name for path in (rootfs / "bin").iterdir()}
