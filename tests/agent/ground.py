"""
Watch real processes: cgroups of our own, programs that run in them, an agent beside.

    with Ground() as ground, ground.watch() as agent:
        ground.cgroup("a").run("os.close(os.open('/etc/hosts', os.O_RDONLY))")
    agent.seen("a")[Aspect.FILENAMES] == {"hosts"}
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agent.cgroups import Hierarchy, choose, hierarchies
from demo import cgroups
from kinwatch.aspects import Aspect
from kinwatch.jsonline import decode
from kinwatch.snapshot import Snapshot

AGENT = str(Path(sys.executable).with_name("agent"))
WORKER = str(Path(__file__).with_name("worker.py"))
WORKER_ARGV = (sys.executable, "-I", "-S", WORKER)
PATIENCE_S = 60.0
NEVER_S = 600.0
"""A window that is closed by SIGINT only, or nearly: windows are aligned, so one may end in the middle of a test."""
_numbers = itertools.count()


def watched_hierarchy() -> Hierarchy:
    """The hierarchy in which the agent looks for cgroups on this node."""
    found = hierarchies(Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text())
    return choose(found, lambda _: False)


class Work:
    """A program that was started in a cgroup."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid

    def line(self) -> str:
        """The next line that the program writes to its standard output."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode()

    def tell(self) -> None:
        """Write one byte to the program's standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(b".")
        self._process.stdin.flush()

    def done(self) -> None:
        """Wait until it has ended, and ended well."""
        _, said = self._process.communicate(timeout=PATIENCE_S)
        assert self._process.returncode == 0, said.decode()


class Cgroup:
    """A bare cgroup, without a container."""

    def __init__(self, hierarchy: Hierarchy, path: str) -> None:
        self.path = path
        self.directory = hierarchy.mount / path.removeprefix("/")
        self.directory.mkdir()

    def take(self, pid: int) -> None:
        """Move a process in here."""
        (self.directory / "cgroup.procs").write_text(str(pid))

    def remove(self) -> None:
        """Remove it; nothing may be in it any more."""
        self.directory.rmdir()

    def start(self, program: str, **names: Any) -> Work:
        """Start a program in here, which finds `names` defined; its first watched system call is its own first."""
        work = outside(program, **names)
        self.take(work.pid)
        work.tell()
        return work

    def run(self, program: str, **names: Any) -> None:
        """Run a program in here to its end."""
        self.start(program, **names).done()


def outside(program: str, **names: Any) -> Work:
    """A program that has begun nothing yet and is in no watched cgroup; `tell` lets it go."""
    process = subprocess.Popen(
        WORKER_ARGV, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/"
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps({"program": program, "names": names}).encode() + b"\n")
    process.stdin.flush()
    work = Work(process)
    assert work.line() == "ready\n"
    return work


class Watch:
    """An agent beside the test. What it saw is known after the `with`."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        prefix: str,
        wrapper: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._prefix = prefix
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the agent
        self._process = subprocess.Popen(
            [*wrapper, AGENT, "--dry-run", "--format", "json", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environ or {})},
        )
        self.log: list[dict[str, Any]] = []
        self.snapshots: list[Snapshot] = []

    def __enter__(self) -> Self:
        try:
            self.await_event("watching")
        except BaseException:
            self._process.kill()
            self._process.communicate()
            self._output.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGINT)
        _, said = self._process.communicate(timeout=PATIENCE_S)
        self.log += [json.loads(line) for line in said.splitlines()]
        self._output.seek(0)
        self.snapshots = [decode(line) for line in self._output.read().decode("ascii").splitlines()]
        self._output.close()
        assert self._process.returncode == 0, said

    def await_event(self, name: str) -> None:
        """Wait until the agent logs an event."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            assert line.startswith("{"), line + self._process.stderr.read()
            self.log.append(json.loads(line))
            if self.log[-1]["event"] == name:
                return
        message = f"the agent ended before {name}: {self.log}"
        raise AssertionError(message)

    def of(self, name: str) -> list[Snapshot]:
        """The snapshots of the cgroup PREFIX/name, or of one whose whole path was given."""
        path = name if name.startswith("/") else f"{self._prefix}/{name}"
        return [snapshot for snapshot in self.snapshots if snapshot.replica.cgroup == path]

    def seen(self, name: str) -> Seen:
        """All that was seen of a cgroup."""
        return Seen(self.of(name))


class Seen:
    """What one cgroup did in all windows together."""

    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        assert snapshots, "there is no snapshot of it"
        self.snapshots = snapshots
        self.lost: Counter[str] = Counter()
        self.truncated: Counter[str] = Counter()
        for snapshot in snapshots:
            self.lost.update(snapshot.coverage.lost)
            self.truncated.update(snapshot.coverage.truncated)

    def __getitem__(self, aspect: Aspect) -> set[str]:
        return set().union(*(snapshot.features(aspect) for snapshot in self.snapshots))

    @property
    def events(self) -> int:
        """System calls."""
        return sum(snapshot.coverage.events for snapshot in self.snapshots)

    @property
    def shortfall(self) -> Mapping[str, int]:
        """All that was lost or cut short."""
        return {**self.lost, **self.truncated}


class Ground:
    """Cgroups under one name, which is nobody else's."""

    def __init__(self) -> None:
        self.prefix = f"/kinwatch-test-{os.getpid()}-{next(_numbers)}"
        self._hierarchy = watched_hierarchy()

    def __enter__(self) -> Self:
        Cgroup(self._hierarchy, self.prefix)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cgroups.remove(self.prefix)

    def cgroup(self, name: str) -> Cgroup:
        """Make a cgroup; `name` may be a path below one that is there."""
        return Cgroup(self._hierarchy, f"{self.prefix}/{name}")

    @contextlib.contextmanager
    def watch(
        self,
        *options: str,
        glob: str = "*",
        window_s: float = NEVER_S,
        wrapper: Sequence[str] = (),
    ) -> Iterator[Watch]:
        """Run an agent on the cgroups of this ground; a cgroup `first` is there from the start, so that one matches."""
        first = self._hierarchy.mount / self.prefix.removeprefix("/") / "first"
        first.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as run_dir:
            arguments = ("--run-dir", run_dir, "--window", f"{window_s:g}", "--cgroup", f"{self.prefix}/{glob}")
            with Watch([*arguments, *options], prefix=self.prefix, wrapper=wrapper) as watch:
                yield watch
