"""
The tools that are compared, each attached for a moment to the loop that is measured.

Flow: loop -> **attachments** -> capture. Each runs as the process that a person would start, and says when it is ready.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import IO, Final

from bench.watcher import Watcher
from kinwatch.aspects import Aspect
from kinwatch.errors import NodeError
from kinwatch.snapshot import Snapshot

ENDING_TIMEOUT_S: Final = 30.0
SILENT_START_S: Final = 4.0
"""How long a tool that does not say when it is ready is given."""
SLOW: Final = 200
"""A tool that stops the process at each call is given so many times fewer."""


@dataclass(slots=True)
class Tool:
    """An attached tool."""

    pid: int | None = None
    """Its user space."""
    snapshots: list[Snapshot] = field(default_factory=list)
    """What an agent told, once it has ended."""
    first_window_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A tool, and how it is attached to the process of this id."""

    name: str
    attach: Callable[[int], AbstractContextManager[Tool]]
    watched: bool = True
    """Whether the loop runs in the watched cgroup."""
    fewer: int = 1
    """By how many times fewer calls are made."""


def bare() -> Attachment:
    """Nothing at all."""
    return Attachment(name="bare", attach=lambda _: nullcontext(Tool()))


def empty() -> Attachment:
    """An empty raw tracepoint."""
    command = [sys.executable, "-m", "bench.empty"]
    return Attachment(name="empty raw tracepoint", attach=lambda _: _started(command, ready="ready"))


def agent(name: str, *, glob: str, watched: bool) -> Attachment:
    """Our agent, as `agent --dry-run --format json`."""

    @contextmanager
    def attach(_: int) -> Iterator[Tool]:
        with Watcher(glob) as watcher:
            tool = Tool(watcher.pid, first_window_s=watcher.first_window_s)
            yield tool
        tool.snapshots += watcher.snapshots

    return Attachment(name=name, attach=attach, watched=watched)


def others(chisel: Sequence[str]) -> tuple[list[Attachment], list[str]]:
    """The tools of others that are on this machine, and why the rest is left out."""
    there, left_out = [], []
    for one in (_bpftrace, _strace, _sysdig, lambda: _chisel(chisel)):
        try:
            there.append(one())
        except NodeError as error:
            left_out.append(f"Left out: {error.problem}.")
    return there, left_out


def _bpftrace() -> Attachment:
    program = 'BEGIN { printf("ready\\n"); } tracepoint:raw_syscalls:sys_enter { @calls = count(); }'
    command = [_found("bpftrace"), "-e", program]
    return Attachment(name="bpftrace, count", attach=lambda _: _started(command, ready="ready"))


def _strace() -> Attachment:
    program = _found("strace")
    return Attachment(
        name="strace -f -c",
        attach=lambda pid: _started([program, "-f", "-c", "-p", str(pid)], ready="attached"),
        fewer=SLOW,
    )


def _sysdig() -> Attachment:
    command = [_working_sysdig(), "--modern-bpf", "-w", "/dev/null"]
    return Attachment(name="sysdig -w /dev/null", attach=lambda _: _started(command, ready=None))


def _chisel(chisel: Sequence[str]) -> Attachment:
    command = [_working_sysdig(), "--modern-bpf", "-c", *chisel]
    if not chisel:
        raise NodeError("sysdig with the published chisel, none was named by --chisel", remedy="name it")
    return Attachment(name="sysdig, chisel", attach=lambda _: _started(command, ready=None))


def _working_sysdig() -> str:
    """Sysdig, if it captures one event by its modern BPF probe."""
    program = _found("sysdig")
    done = subprocess.run(
        [program, "--modern-bpf", "-n", "1"], capture_output=True, text=True, timeout=ENDING_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.strip()
        said = (done.stderr or done.stdout).strip().splitlines()
        raise NodeError(
            f"{version} can't capture here ({said[0] if said else 'no word why'})", remedy="0.38.1 to 0.40.1"
        )
    return program


def _found(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise NodeError(f"{program}, which is not on PATH", remedy="install it to compare")
    return path


@contextmanager
def _started(command: Sequence[str], *, ready: str | None) -> Iterator[Tool]:
    """Run a command until the end of the `with`; it is ready when a line of its output matches."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        _await(process.stdout, ready, command)
        yield Tool(process.pid)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=ENDING_TIMEOUT_S)
    finally:
        process.kill()
        process.communicate()


def _await(output: IO[str] | None, ready: str | None, command: Sequence[str]) -> None:
    if ready is None:
        time.sleep(SILENT_START_S)
        return
    said = ""
    for line in output or ():
        said += line
        if re.search(ready, line):
            return
    raise NodeError(f"{' '.join(command)} ended before it was ready:\n{said}", remedy="see what it says above")


def missing_features(snapshots: Sequence[Snapshot], *, names: int) -> tuple[int, int]:
    """How many features of what the loop did are in no snapshot, and out of how many."""
    truth = {(Aspect.SYSCALLS, call) for call in ("getpid", "openat", "read", "close")}
    truth |= {(Aspect.FILENAMES, f"name-{number}") for number in range(names)}
    truth.add((Aspect.FILENAMES, "target"))
    seen = {(aspect, value) for one in snapshots for aspect, values in one.aspects.items() for value in values}
    return len(truth - seen), len(truth)
