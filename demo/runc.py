"""
Speak to runc: what a started container can be asked, and runc's own commands.

Flow: bundle -> **runc** -> containers.
"""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kinwatch.errors import NodeError

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Runc:
    """runc with a root of our own, which lists our containers and no others."""

    root: Path

    @property
    def command(self) -> list[str]:
        """The program and the options that come before the subcommand."""
        return ["runc", "--root", str(self.root)]

    def __call__(self, *arguments: str) -> None:
        """Run a subcommand that says nothing when all is well; raises NodeError with what it said otherwise."""
        done = subprocess.run(
            [*self.command, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        raise_for(arguments, code=done.returncode, said=done.stderr)

    def forget_all(self) -> None:
        """Kill and remove every container of this root; one whose record is damaged is passed over."""
        for record in sorted(self.root.glob("*")):
            subprocess.run(
                [*self.command, "delete", "--force", record.name],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIMEOUT_S,
                check=False,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container that runc made; it runs from `begin` on (`Containers.start` has called it)."""

    name: str
    pid: int
    """Its first process, as the node sees it."""
    cgroup: str
    """Path as in /proc/PID/cgroup."""
    log: Path
    """What its first process wrote to standard output and standard error."""
    runc: Runc

    @property
    def root(self) -> Path:
        """Its files as the node sees them; writing here is no action of the container."""
        return Path(f"/proc/{self.pid}/root")

    def begin(self) -> None:
        """Let a created container run its program."""
        self.runc("start", self.name)

    def exec(self, argv: Sequence[str], *, timeout_s: float = TIMEOUT_S) -> subprocess.CompletedProcess[str]:
        """Run a program in the container and wait for it; its exit code is no error here."""
        return subprocess.run(
            [*self.runc.command, "exec", self.name, *argv],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def spawn(self, argv: Sequence[str]) -> subprocess.Popen[str]:
        """Run a program in the container beside the caller, who waits for it."""
        return subprocess.Popen(
            [*self.runc.command, "exec", self.name, *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def running(self) -> bool:
        """Whether its first process lives."""
        return not self.wait(timeout_s=0)

    def wait(self, *, timeout_s: float) -> bool:
        """Wait until its first process has ended; False if it did not in time."""
        try:
            pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            return bool(select.select([pidfd], [], [], timeout_s)[0])
        finally:
            os.close(pidfd)

    def kill(self) -> None:
        """Kill all its processes and remove its cgroups."""
        self.runc("delete", "--force", self.name)


def raise_for(arguments: Sequence[str], *, code: int, said: str) -> None:
    """Raise NodeError with what runc said, unless it ended well."""
    if code != 0:
        problem = f"runc {' '.join(arguments)}: {said.strip() or f'exit code {code}'}"
        raise NodeError(problem, remedy="see whether runc can start containers on this node at all")
