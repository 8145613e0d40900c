"""
Keep the list of who is watched, and in which slot of the kernel's maps.

Flow: cgroups, drain -> **roster** -> window. Takes cgroups as they are found, made and removed; decides by the
selection whether each is watched, and tells the probe.

A container that turns out to be nobody's replica is dismissed: its cgroups are watched no longer, and those that are
made in it later are not either, until it is recalled.

A cgroup that the kernel sees being made has a provisional slot by then. If it turns out to belong to a container that
is watched already, that slot becomes one more slot of the container; if to nobody, the slot is taken back. A slot is
reused only after a window was closed, since until then something may still be counted in it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from agent.dismissed import Dismissed
from agent.values import Candidate, Subject

NEW_S: Final = 5.0
"""For how long a container is new, in seconds: the kubelet lists it within two, and may be asked each second."""


class Selection(Protocol):
    """Which cgroups are watched, and as what."""

    def subject(self, path: str) -> Subject | None:
        """The container to which the cgroup at `path` belongs, or None if it is not to be watched."""


class Slots(Protocol):
    """Where slots are taken and given back; the probe is one."""

    def free_slot(self) -> int | None:
        """Take a slot that nothing uses; None if there is none."""

    def assign(self, cgroup_id: int, slot: int) -> None:
        """Count what the tasks of a cgroup do to a slot."""

    def leave(self, cgroup_id: int) -> None:
        """Watch a cgroup no longer."""

    def recycle(self, slot: int) -> None:
        """Give a slot back."""


@dataclass(slots=True, kw_only=True)
class Watched:
    """A container that is watched, from its first cgroup to the window in which its last one goes."""

    subject: Subject
    born: int
    """Id of its oldest cgroup, whichever came to light first."""
    slots: list[int]
    """The first is the one that its cgroups are assigned to; in the others something was counted provisionally."""
    since_s: float
    """When it was first watched, on the monotonic clock."""
    until_s: float | None = None
    """When its last cgroup went."""
    cgroup_ids: set[int] = field(default_factory=set)

    @property
    def candidate(self) -> Candidate:
        """As it is to be named."""
        return Candidate(subject=self.subject, born=self.born)


class Roster:
    """Who is watched."""

    def __init__(self, selection: Selection, slots: Slots) -> None:
        self._selection = selection
        self._slots = slots
        self._by_root: dict[str, Watched] = {}
        self._by_slot: dict[int, Watched] = {}
        self._by_cgroup: dict[int, Watched] = {}
        self._gone: list[Watched] = []
        self._enlisted_s = -math.inf
        self._idle_slots: set[int] = set()
        self._without_slot: set[str] = set()
        self._dismissed = Dismissed()

    def __iter__(self) -> Iterator[Watched]:
        """Every container that was watched in the open window, those that went included."""
        return iter([*self._by_root.values(), *self._gone])

    def __len__(self) -> int:
        return len(self._by_root)

    @property
    def unwatched(self) -> int:
        """Containers that were found in the open window, should be watched, and for which no slot was free."""
        return len(self._without_slot)

    @property
    def dismissed(self) -> list[Candidate]:
        """Containers that are there and were dismissed."""
        return self._dismissed.candidates

    def is_new(self, *, now_s: float) -> bool:
        """Whether a container was found a short while ago: whoever names it may not have heard of it yet."""
        return now_s - self._enlisted_s < NEW_S

    def of_slot(self, slot: int) -> Watched | None:
        """Whose slot this is."""
        return self._by_slot.get(slot)

    def found(self, cgroup_id: int, path: str, at_s: float) -> None:
        """A cgroup is there; it has no slot yet, unless it is on the list already."""
        subject = self._selection.subject(path)
        if subject is None or cgroup_id in self._by_cgroup or self._dismissed.takes(subject.root, cgroup_id):
            return
        watched = self._by_root.get(subject.root) or self._enlisted(subject, cgroup_id, self._slots.free_slot(), at_s)
        if watched is None:
            self._without_slot.add(subject.root)
            return
        self._join(watched, cgroup_id)

    def made(self, cgroup_id: int, path: str, slot: int, *, at_s: float) -> None:
        """A cgroup was made, and the kernel gave it this slot: that of its parent, or a provisional one."""
        subject = self._selection.subject(path)
        owner = self._by_slot.get(slot)
        if owner is not None:
            self._remember(owner, cgroup_id)
            return
        # A slot that is idle was its parent's, whose container was dismissed after the kernel had made the cgroup.
        if subject is None or self._dismissed.takes(subject.root, cgroup_id) or slot in self._idle_slots:
            self._slots.leave(cgroup_id)
            self._idle_slots.add(slot)
            return
        watched = self._by_root.get(subject.root)
        if watched is None:
            watched = self._enlisted(subject, cgroup_id, slot, at_s)
        else:
            watched.slots.append(slot)
            self._by_slot[slot] = watched
        if watched is not None:
            self._join(watched, cgroup_id)

    def removed(self, cgroup_id: int, *, at_s: float) -> None:
        """A cgroup was removed; its container goes with its last one."""
        self._dismissed.removed(cgroup_id)
        watched = self._by_cgroup.pop(cgroup_id, None)
        if watched is None:
            return
        # The kernel forgot it at its end; but if that came before we heard of its beginning, we have assigned it anew.
        self._slots.leave(cgroup_id)
        watched.cgroup_ids.discard(cgroup_id)
        if not watched.cgroup_ids:
            watched.until_s = at_s
            self._by_root.pop(watched.subject.root, None)
            self._gone.append(watched)

    def only(self, cgroup_ids: Collection[int], *, at_s: float) -> None:
        """These are all the cgroups there are; others that are on the list went without a word."""
        for cgroup_id in (self._by_cgroup.keys() | self._dismissed.cgroup_ids) - set(cgroup_ids):
            self.removed(cgroup_id, at_s=at_s)

    def dismiss(self, root: str) -> None:
        """Watch a container no longer; what it did in the open window is not asked for."""
        watched = self._by_root.pop(root, None)
        if watched is None:
            return
        self._dismissed.add(watched.candidate, watched.cgroup_ids)
        for cgroup_id in watched.cgroup_ids:
            self._by_cgroup.pop(cgroup_id)
            self._slots.leave(cgroup_id)
        for slot in watched.slots:
            self._by_slot.pop(slot, None)
            self._idle_slots.add(slot)

    def recall(self, root: str) -> None:
        """A container is to be watched again: it will be when its cgroups are found anew."""
        self._dismissed.recall(root)

    def after_close(self) -> None:
        """A window was closed and read: what went in it, or before, is forgotten, and its slots are given back."""
        for watched in self._gone:
            for slot in watched.slots:
                self._by_slot.pop(slot, None)
                self._idle_slots.add(slot)
        for slot in self._idle_slots:
            self._slots.recycle(slot)
        self._gone, self._idle_slots = [], set()
        self._without_slot.clear()

    def _enlisted(self, subject: Subject, born: int, slot: int | None, at_s: float) -> Watched | None:
        if slot is None:
            return None
        watched = Watched(subject=subject, born=born, slots=[slot], since_s=at_s)
        self._enlisted_s = max(self._enlisted_s, at_s)
        self._by_root[subject.root] = watched
        self._by_slot[slot] = watched
        return watched

    def _join(self, watched: Watched, cgroup_id: int) -> None:
        self._remember(watched, cgroup_id)
        self._slots.assign(cgroup_id, watched.slots[0])

    def _remember(self, watched: Watched, cgroup_id: int) -> None:
        watched.born = min(watched.born, cgroup_id)
        watched.cgroup_ids.add(cgroup_id)
        self._by_cgroup[cgroup_id] = watched
