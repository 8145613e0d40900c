"""What real runtimes tell of real containers; each with folders of its own, never the node's."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import containerd
import images
import pytest
from containerd import Cli
from ground import watched_hierarchy
from nodes import names

from agent.runtimes.containerd import Containerd
from agent.runtimes.inventory import Runtimes
from agent.runtimes.processes import cgroup_reader
from agent.runtimes.runc import Runc
from agent.runtimes.source import Source
from agent.runtimes.storage import CriO, Podman
from demo import cgroups
from demo.containers import STATE, Containers
from demo.rootfs import lay_out

PREFIX = f"/kinwatch-test-runtimes-{os.getpid()}"
"""Of this process alone: under xdist two of these tests may run at once."""
PATIENCE_S = 30.0
PROGRAM = ("/bin/sleep", "600")
COMPOSE = {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}


def runtimes_of(*sources: Source) -> Runtimes:
    """The containers of these sources, and of no others on this node."""
    return Runtimes(cgroup_reader(watched_hierarchy()), sources=lambda: sources)


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """BusyBox."""
    return lay_out(tmp_path_factory.mktemp("image") / "rootfs")


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short name: podman wants one of 50 characters at most, a socket one of 107."""
    with tempfile.TemporaryDirectory(prefix="kinwatch-") as folder:
        yield Path(folder)


@pytest.fixture
def ctr(short: Path) -> Iterator[Cli]:
    """A containerd of our own, whose `state` is the folder of that name, by way of ctr."""
    with containerd.running(short) as cli:
        yield cli
    cgroups.remove(PREFIX)


@pytest.fixture
def podman(short: Path) -> Iterator[Cli]:
    """A podman with a storage of our own."""
    if shutil.which("podman") is None or os.geteuid() != 0:
        pytest.skip("needs podman, and root")
    options = f"--root {short}/graph --runroot {short}/run --tmpdir {short}/tmp --storage-driver vfs"
    how = "--runtime runc --cgroup-manager cgroupfs --events-backend file"
    cli = Cli(command=("podman", *options.split(), *how.split()))
    try:
        yield cli
    finally:
        cli("rm", "--all", "--force", "--time", "0")
        cgroups.remove(PREFIX)


@pytest.mark.kernel
def test_a_container_of_runc_is_told_while_it_runs() -> None:
    """With the cgroup that runc gave it."""
    with Containers(prefix=PREFIX) as containers:
        web = containers.start("web", PROGRAM)
        runtimes = runtimes_of(Runc(folder=STATE / PREFIX.removeprefix("/") / "runc"))
        (container,) = runtimes.containers()
        assert (container.id, container.cgroup) == ("web", web.cgroup)
        before = runtimes.fingerprint()
        web.kill()
        assert runtimes.fingerprint() != before
        assert runtimes.containers() == ()
    assert runtimes.failures == ()


@pytest.mark.kernel
def test_containers_of_containerd_are_told_while_they_run(ctr: Cli, rootfs: Path, short: Path) -> None:
    """One with the annotations that nerdctl writes, and one with an image that ctr knows."""
    annotations = [f"--annotation={key}={value}" for key, value in {"nerdctl/name": "shop-web-1", **COMPOSE}.items()]
    ctr("images", "import", "--snapshotter", "native", str(images.archive(rootfs, short / "image.tar")))
    runtimes = runtimes_of(Containerd(folder=short / "state"))
    run = ("run", "--detach", "--net-host")
    ctr(*run, "--cgroup", f"{PREFIX}/a", "--rootfs", *annotations, str(rootfs), "a", *PROGRAM)
    ctr(*run, "--cgroup", f"{PREFIX}/b", "--snapshotter", "native", images.NAME, "b", *PROGRAM)
    found = {container.id: container for container in runtimes.containers()}
    assert runtimes.failures == ()
    assert found.keys() == {"a", "b"}
    a, b = found["a"], found["b"]
    assert (a.name, a.project, a.service, a.cgroup) == ("shop-web-1", "shop", "web", f"{PREFIX}/a")
    assert (b.name, b.image, b.cgroup) == ("b", images.NAME, f"{PREFIX}/b")
    assert b.image_id in ctr("images", "ls")
    ctr("tasks", "delete", "--force", "b")
    assert names(runtimes) == {"shop-web-1"}


def test_a_container_of_podman_is_told_while_it_runs(podman: Cli, rootfs: Path, short: Path) -> None:
    """With its labels, by asking podman."""
    podman("load", "--input", str(images.archive(rootfs, short / "image.tar")))
    labels = [f"--label={key}={value}" for key, value in COMPOSE.items()]
    limits = ("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096")
    where = ("--network", "none", "--cgroup-parent", PREFIX)
    container_id = podman("run", "--detach", *limits, *where, "--name", "web-1", *labels, images.NAME, *PROGRAM).strip()
    storage = {"run": short / "run", "graph": short / "graph"}
    runtimes = runtimes_of(CriO(**storage), Podman(**storage, command=podman.command))
    (container,) = runtimes.containers()
    assert runtimes.failures == ()
    assert (container.runtime, container.id, container.name) == ("podman", container_id, "web-1")
    assert (container.project, container.service, container.image) == ("shop", "web", images.NAME)
    assert container.cgroup == f"{PREFIX}/libpod-{container_id}"
