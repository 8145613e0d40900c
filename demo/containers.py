"""
Start real containers with runc, and leave nothing behind.

Flow: **containers** -> shop, and the kernel tests. All that is made has one name, the cgroup prefix: the cgroups below
it, and a state directory with runc's own root, so that nobody else's containers are ever touched.

    with Containers(prefix="/kinwatch-test") as node:
        replica = node.start("a", ["/bin/sh", "-c", "sleep 60"])
        replica.exec(["id"]).stdout
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TypedDict, Unpack

from demo import cgroups
from demo.bundle import ContainerSpec, oci_config
from demo.rootfs import lay_out
from demo.runc import TIMEOUT_S, Container, Runc, raise_for
from kinwatch.errors import InputError, NodeError

__all__ = ["Container", "Containers"]

STATE = Path("/var/lib")
"""Not /run, which is often mounted noexec, and the root file systems lie here; not /tmp, so that it is found again."""
OWN_PREFIX = re.compile(r"/kinwatch-[\w-]+")
"""Form of every prefix: what is killed and removed by name can then be nobody else's."""
INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Options(TypedDict, total=False):
    """What may be said of a container besides its name and its program; see ContainerSpec."""

    rootfs: Path
    env: Sequence[str]
    cwd: str
    binds: Mapping[str, Path]
    capabilities: Sequence[str]


class Containers:
    """
    The containers of one cgroup prefix on this node: `with` takes the prefix, and cleans up before and after.

    Raises InputError for a prefix that isn't ours, NodeError where runc, root or BusyBox is missing, or where somebody
    else holds the prefix. What a killed holder left behind is removed when the next one enters.
    """

    def __init__(self, *, prefix: str, hostname: str = "replica") -> None:
        if not OWN_PREFIX.fullmatch(prefix):
            problem = f"the cgroup prefix {prefix!r} is not one of ours"
            raise InputError(problem, remedy="choose one like /kinwatch-NAME")
        self.prefix = prefix
        self._hostname = hostname
        self._state = STATE / prefix.removeprefix("/")
        self._runc = Runc(root=self._state / "runc")
        self._lock = -1

    def __enter__(self) -> Self:
        _require_root_and_runc()
        self._lock = _take(self._state, prefix=self.prefix)
        try:
            self._clean()
        except BaseException:
            os.close(self._lock)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _uninterrupted():
            try:
                self._clean()
                self._state.rmdir()
            finally:
                os.close(self._lock)

    def rootfs(self) -> Path:
        """The bare BusyBox root file system, made at its first use; it may be added to before a container starts."""
        path = self._state / "rootfs"
        return path if path.exists() else lay_out(path)

    def start(
        self,
        name: str,
        argv: Sequence[str],
        *,
        below: str | None = None,
        stdin: int = subprocess.DEVNULL,
        **options: Unpack[Options],
    ) -> Container:
        """Create a container in the cgroup `PREFIX/BELOW`, or else `PREFIX/NAME`, and let it run; it reads `stdin`."""
        container = self.create(name, argv, below=below, stdin=stdin, **options)
        container.begin()
        return container

    def create(
        self,
        name: str,
        argv: Sequence[str],
        *,
        below: str | None = None,
        stdin: int = subprocess.DEVNULL,
        **options: Unpack[Options],
    ) -> Container:
        """Create a container whose program waits for `begin`; its cgroup and its namespaces are there already."""
        if "rootfs" not in options:
            options["rootfs"] = self.rootfs()
        cgroup = f"{self.prefix}/{below or name}"
        return self._create(
            name, ContainerSpec(argv=argv, cgroup=cgroup, hostname=self._hostname, **options), stdin=stdin
        )

    def _create(self, name: str, spec: ContainerSpec, *, stdin: int) -> Container:
        bundle = self._state / "bundles" / name
        bundle.mkdir(parents=True, exist_ok=True)
        (bundle / "config.json").write_text(json.dumps(oci_config(spec)))
        arguments = ("create", "--bundle", str(bundle), "--pid-file", str(bundle / "pid"), name)
        # The container inherits these descriptors: a pipe would never end, so its words go to a file.
        with (bundle / "log").open("wb") as log:
            done = subprocess.run(
                [*self._runc.command, *arguments],
                stdin=stdin,
                stdout=log,
                stderr=log,
                timeout=TIMEOUT_S,
                check=False,
            )
        raise_for(arguments, code=done.returncode, said=(bundle / "log").read_text(errors="replace"))
        pid = int((bundle / "pid").read_text())
        return Container(name=name, pid=pid, cgroup=spec.cgroup, log=bundle / "log", runc=self._runc)

    def _clean(self) -> None:
        self._runc.forget_all()
        cgroups.remove(self.prefix)
        for leftover in self._state.iterdir():
            shutil.rmtree(leftover)


def _require_root_and_runc() -> None:
    if os.geteuid() != 0:
        problem = "containers can be started by root only"
        raise NodeError(problem, remedy="run it as root, for example by sudo")
    if shutil.which("runc") is None:
        problem = "there is no runc on this node"
        raise NodeError(problem, remedy="install the package runc, or run `make install`")


def _take(state: Path, *, prefix: str) -> int:
    """Take the state directory for this process alone: a lock that the kernel drops when the process ends."""
    while True:
        state.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(state, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            problem = f"the containers under {prefix} are held by another run on this node"
            raise NodeError(problem, remedy="wait until it has ended, or end it") from error
        if state.exists() and os.path.samestat(os.fstat(lock), state.stat()):
            return lock
        os.close(lock)  # the holder before us removed the directory between our two calls


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let what must be finished finish: neither it nor the programs that it starts hear SIGINT, SIGTERM or SIGHUP."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is ever interrupted
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in INTERRUPTIONS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
