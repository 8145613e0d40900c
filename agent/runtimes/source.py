"""
What the reader of one runtime's state promises.

Flow: beside containerd, docker, storage and runc, which keep the promise, and inventory, which relies on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from agent.runtimes.container import State, Traits

Ask = Callable[[Sequence[str]], str | None]
"""Run a runtime's own program and give what it wrote; None if there is none. Raises Unreadable, takes 2 s at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A container that a runtime's folders have, known by listing them only."""

    id: str
    folder: Path
    """Where its state is, unlike that of any other."""
    stamp: int
    """Changes with the file that tells of its process; 0 while there is none."""


class Source(Protocol):
    """One folder of one runtime. Each of these raises Unreadable, and takes absence for having no containers."""

    @property
    def runtime(self) -> str:
        """What the runtime is called."""

    @property
    def owner(self) -> int | None:
        """Uid of the person whose own runtime this is (rootless); None for the node's."""

    def entries(self) -> Iterator[Entry]:
        """Its containers, by listing folders and looking at the times of files only."""

    def state(self, entry: Entry) -> State | None:
        """What it tells of a container; None if that has gone, or isn't one yet."""

    def asked(self, states: Sequence[State], ask: Ask) -> Mapping[str, Traits]:
        """Id → what the runtime itself says of containers whose state on disk doesn't tell all."""


def joined(told: Traits, asked: Traits) -> Traits:
    """What is on disk, and for what isn't, what the runtime said."""
    lacking = {name: getattr(asked, name) for name in _NAMES if getattr(told, name) is None}
    return replace(told, **lacking, is_sandbox=told.is_sandbox or asked.is_sandbox)


_NAMES = ("name", "image", "image_id", "project", "service")
