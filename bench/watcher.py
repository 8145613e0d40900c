"""
Run the agent beside a bench, as the process that a person would start.

Flow: **watcher** -> benches. What it wrote is known after the `with`; what it uses, at any moment.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bench.processes import Usage, usage
from kinwatch.errors import NodeError
from kinwatch.jsonline import decode
from kinwatch.snapshot import Snapshot

STARTING_TIMEOUT_S: Final = 60.0
ENDING_TIMEOUT_S: Final = 120.0
LOOK_S: Final = 0.002
"""How often the log is looked at for the first window; the time to it is known no finer."""
RESET_PEAK: Final = "5"
"""proc(5): the peak of resident memory counts from now on; what compiling took for a moment is no part of it."""
CLOSED_LOOK_S: Final = 0.1
AGENT: Final = (str(Path(sys.executable).with_name("agent")),)
INSPECTED: Final = (sys.executable, "-m", "bench.inspected")
"""The same agent with its maps looked at (inspected.py)."""


class Watcher:
    """An agent that watches the cgroups that match a glob; `with` waits for its first window, and ends it by SIGINT."""

    def __init__(self, glob: str, *, window_s: float = 30.0, command: Sequence[str] = AGENT) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="kinwatch-bench-")
        self.place = Path(self._folder.name)
        options = ("--dry-run", "--format", "json", "--cgroup", glob, "--cohort", "bench", "--window", f"{window_s:g}")
        self._command = [*command, *options, "--run-dir", str(self.place)]
        self.first_window_s = 0.0
        """From its exec to the first open window."""
        self.snapshots: list[Snapshot] = []

    def __enter__(self) -> Self:
        began = time.monotonic()
        with (self.place / "out").open("wb") as out, (self.place / "log").open("wb") as log:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=out, stderr=log)
        try:
            self._await_first_window(began)
        except BaseException:
            self._kill()
            raise
        return self

    def _await_first_window(self, began: float) -> None:
        while '"watching"' not in self.log:
            if self._process.poll() is not None or time.monotonic() > began + STARTING_TIMEOUT_S:
                raise NodeError(f"the agent did not start:\n{self.log}", remedy="do as it says above")
            time.sleep(LOOK_S)
        self.first_window_s = time.monotonic() - began
        Path(f"/proc/{self.pid}/clear_refs").write_text(RESET_PEAK)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has logged by now."""
        return (self.place / "log").read_text(errors="replace")

    def await_windows(self, number: int) -> None:
        """Wait until it has closed so many more windows."""
        wanted = self._closed() + number
        while self._closed() < wanted:
            if self._process.poll() is not None:
                raise NodeError(f"the agent ended:\n{self.log}", remedy="do as it says above")
            time.sleep(CLOSED_LOOK_S)

    def _closed(self) -> int:
        return self.log.count('"window_closed"')

    def usage(self) -> Usage:
        """What it has used by now."""
        return usage(self.pid)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._process.send_signal(signal.SIGINT)
            code = self._process.wait(ENDING_TIMEOUT_S)
            if error is None and code != 0:
                raise NodeError(f"the agent ended with exit code {code}:\n{self.log}", remedy="do as it says above")
            self.snapshots = [decode(line) for line in (self.place / "out").read_text().splitlines()]
        finally:
            self._kill()

    def _kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()
