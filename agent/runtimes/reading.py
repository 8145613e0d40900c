"""
Read the state of each container once, and remember what could not be read.

Flow: containerd, docker, storage, runc -> **reading** -> inventory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from agent.runtimes.container import Failure, State
from agent.runtimes.files import Unreadable
from agent.runtimes.source import Ask, Entry, Source, joined

MAX_CONTAINERS: Final = 4096
"""Ids that are looked at. A node of Kubernetes has some hundred pods; what is beyond is counted as a failure."""


class Failures:
    """What went wrong in one round, by runtime and reason: as many as there are reasons, not as there are places."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Failure] = {}

    def __iter__(self) -> Iterator[Failure]:
        return iter(self._found.values())

    def add(self, runtime: str, path: Path, reason: str) -> None:
        """One more place where something went wrong."""
        known = self._found.get((runtime, reason))
        first = Failure(runtime=runtime, path=str(path), reason=reason)
        self._found[runtime, reason] = replace(known, count=known.count + 1) if known else first


class Reading:
    """The states of all sources; kept by container until the file that tells of its process changes."""

    def __init__(self, sources: Callable[[], Iterable[Source]], ask: Ask) -> None:
        self._sources = sources
        self._ask = ask
        self._kept: dict[tuple[str, Path], tuple[int, State | Unreadable | None]] = {}

    def listed(self, failures: Failures) -> Iterator[tuple[Source, list[Entry]]]:
        """The containers of each source that have a first process, by listing only, and MAX_CONTAINERS at most."""
        ids: set[str] = set()
        for source in self._sources():
            entries = []
            for entry in _entries(source, failures):
                if entry.id not in ids and len(ids) == MAX_CONTAINERS:
                    failures.add(
                        source.runtime, entry.folder.parent, f"there are more than {MAX_CONTAINERS} containers"
                    )
                elif entry.stamp:
                    ids.add(entry.id)
                    entries.append(entry)
            yield source, entries

    def states(self, failures: Failures) -> Iterator[tuple[Source, State]]:
        """What there is to know of each container that has a first process."""
        before, self._kept = self._kept, {}
        for source, entries in self.listed(failures):
            new = [entry for entry in entries if before.get(_key(source, entry), (0, None))[0] != entry.stamp]
            self._kept |= {_key(source, entry): before.get(_key(source, entry), (0, None)) for entry in entries}
            self._kept |= {_key(source, entry): (entry.stamp, _state(source, entry)) for entry in new}
            self._complete(source, new, failures)
            for entry in entries:
                match self._kept[_key(source, entry)][1]:
                    case Unreadable() as error:
                        failures.add(source.runtime, error.path, error.reason)
                    case State(pid=pid) as state if pid > 0:
                        yield source, state

    def _complete(self, source: Source, new: list[Entry], failures: Failures) -> None:
        """Add what only the runtime itself knows of its new containers; they are asked for once."""
        states = [
            state for entry in new if isinstance(state := self._kept[_key(source, entry)][1], State) and state.pid
        ]
        if not states:
            return
        try:
            asked = source.asked(states, self._ask)
        except Unreadable as error:
            failures.add(source.runtime, error.path, error.reason)
            return
        for entry in new:
            stamp, state = self._kept[_key(source, entry)]
            if isinstance(state, State) and entry.id in asked:
                traits = joined(state.traits, asked[entry.id])
                self._kept[_key(source, entry)] = (stamp, replace(state, traits=traits))


def _key(source: Source, entry: Entry) -> tuple[str, Path]:
    return source.runtime, entry.folder


def _entries(source: Source, failures: Failures) -> Iterator[Entry]:
    try:
        yield from source.entries()
    except Unreadable as error:
        failures.add(source.runtime, error.path, error.reason)


def _state(source: Source, entry: Entry) -> State | Unreadable | None:
    try:
        return source.state(entry)
    except Unreadable as error:
        return error
