"""
Drive programs/loop.c: one process that makes system calls in a tight loop, pinned to a CPU of its own.

Flow: capture -> **loop**. Gives nanoseconds per call, as the program measured them itself.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from kinwatch.errors import NodeError

FILE_BYTES: Final = 64


class Loop:
    """The process; `with` starts and ends it."""

    def __init__(self, program: Path, *, cpu: int) -> None:
        self._command = [str(program), str(cpu)]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def getpid_ns(self, rounds: int) -> float:
        """Nanoseconds per getpid."""
        return self._ask(f"getpid {rounds} -")

    def file_ns(self, rounds: int, path: Path) -> float:
        """Nanoseconds per openat, read and close of a file together."""
        return self._ask(f"file {rounds} {path}")

    def use_names(self, count: int, folder: Path) -> None:
        """Open, read and close as many distinct files, once each."""
        self._ask(f"names {count} {folder}")

    def _ask(self, what: str) -> float:
        if self._process.stdin is None or self._process.stdout is None:
            message = "the loop was started without pipes"
            raise AssertionError(message)
        self._process.stdin.write(what + "\n")
        answer = self._process.stdout.readline()
        if not answer:
            raise NodeError(f"the loop ended at «{what}»", remedy="see what it says above")
        return float(answer)


def split_cpus() -> tuple[int, list[int]]:
    """The CPU for the loop, and those for everything else; the same one where there is one only."""
    *others, last = sorted(os.sched_getaffinity(0))
    return last, others or [last]


def make_files(folder: Path, count: int) -> Path:
    """Lay out the files of `use_names`, and one for `file_ns`, whose path is returned."""
    for number in range(count):
        (folder / f"name-{number}").write_bytes(b"x" * FILE_BYTES)
    target = folder / "target"
    target.write_bytes(b"x" * FILE_BYTES)
    return target
