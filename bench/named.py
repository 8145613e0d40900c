"""
Run an agent that asks for names, and note when it tells each snapshot, and what names cost it.

Flow: watcher, kubelet -> **named** -> identity.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bench.processes import Usage, usage
from bench.watcher import AGENT, Watcher
from kinwatch.snapshot import Snapshot

LOOK_S: Final = 0.02
"""How often it is looked whether something was told; moments are known no finer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What an agent used over a time."""

    seconds: float
    cpu_percent: float
    """Of one core, all threads."""
    beside_percent: float
    """Of one core, all threads but the one that captures: those that ask for names."""
    rss_mb: float
    """At the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What an agent had used by then."""

    whole: Usage
    capturing_s: float
    """CPU time of the thread that captures."""

    def until(self, later: Moment) -> Cost:
        """What it used from here on."""
        seconds = later.whole.at_s - self.whole.at_s
        whole = later.whole.cpu_percent_since(self.whole)
        return Cost(
            seconds=seconds,
            cpu_percent=whole,
            beside_percent=max(0.0, whole - 100 * (later.capturing_s - self.capturing_s) / seconds),
            rss_mb=later.whole.rss_mb,
        )


class NamedWatcher(Watcher):
    """An agent with options of its own in the place of a glob."""

    def __init__(self, options: Sequence[str], *, window_s: float) -> None:
        super().__init__("", window_s=window_s)
        fixed = ("--dry-run", "--format", "json", "--window", f"{window_s:g}", "--run-dir", str(self.place))
        self._command = [*AGENT, *fixed, *options]

    def __enter__(self) -> Self:
        super().__enter__()
        self._arrivals = Arrivals(self.place / "out")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        finally:
            self._arrivals.end()

    def moment(self) -> Moment:
        """What it has used by now."""
        return Moment(whole=usage(self.pid), capturing_s=_main_thread_s(self.pid))

    def told(self) -> Iterator[tuple[float, Snapshot]]:
        """After its end: each snapshot, and when it was told, by the clock of the wall."""
        return zip(self._arrivals.moments, self.snapshots, strict=True)


class Arrivals:
    """When each line of a file that grows was there, by the clock of the wall. `end` reads what is left."""

    def __init__(self, file: Path) -> None:
        self.moments: list[float] = []
        self._file = file.open("rb")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_often, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Nothing comes any more."""
        self._over.set()
        self._thread.join()
        self._file.close()

    def _look_often(self) -> None:
        while not self._over.wait(LOOK_S):
            self._look()
        self._look()

    def _look(self) -> None:
        self.moments += self._file.read().count(b"\n") * [time.time()]


def _main_thread_s(pid: int) -> float:
    """
    CPU time of the main thread, which captures, by the scheduler (proc(5), schedstat).

    The others are what is left of the process's time: some live for one request only.
    """
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9
