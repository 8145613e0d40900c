"""Slots are neither lost nor shared nor given away in use, whatever comes and goes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent.identify import Globs
from agent.roster import Roster

SLOTS = 5


class FakeSlots:
    """The kernel's side of the slots, with few of them; refuses what the kernel would take badly."""

    def __init__(self, count: int = SLOTS) -> None:
        self.free = list(range(1, count + 1))
        self.of: dict[int, int] = {}
        """cgroup id → slot, as in the map `slots`."""
        self.provisional: set[int] = set()

    def free_slot(self) -> int | None:
        return self.free.pop(0) if self.free else None

    def assign(self, cgroup_id: int, slot: int) -> None:
        assert slot not in self.free, "a slot is taken before it is used"
        self.of[cgroup_id] = slot
        self.provisional.discard(cgroup_id)

    def leave(self, cgroup_id: int) -> None:
        self.of.pop(cgroup_id, None)
        self.provisional.discard(cgroup_id)

    def recycle(self, slot: int) -> None:
        assert slot not in self.free, "a slot is given back once"
        assert slot not in self.of.values(), "a slot is given back when no cgroup has it any more"
        self.free.append(slot)


@pytest.fixture(name="slots")
def _slots() -> FakeSlots:
    return FakeSlots()


@pytest.fixture(name="roster")
def _roster(slots: FakeSlots) -> Roster:
    return Roster(Globs(["/demo/*"], cohort="shop"), slots)


def roots(roster: Roster) -> list[str]:
    return [watched.subject.root for watched in roster]


def test_found_container_has_a_slot_and_all_its_cgroups_share_it(roster: Roster, slots: FakeSlots) -> None:
    for cgroup_id, path in ((10, "/demo"), (11, "/demo/a"), (12, "/demo/a/x"), (13, "/demo/b"), (11, "/demo/a")):
        roster.found(cgroup_id, path, 0)
    assert roots(roster) == ["/demo/a", "/demo/b"]
    assert slots.of == {11: 1, 12: 1, 13: 2}
    assert len(roster) == 2


def test_container_that_finds_no_slot_is_counted_as_unwatched(roster: Roster, slots: FakeSlots) -> None:
    for cgroup_id in range(SLOTS + 2):
        roster.found(cgroup_id, f"/demo/{cgroup_id}", 0)
    assert len(roster) == SLOTS
    assert roster.unwatched == 2
    assert slots.free == []


def test_made_container_keeps_the_slot_that_the_kernel_gave_it(roster: Roster, slots: FakeSlots) -> None:
    """What was counted before user space heard of it is in there."""
    slots.of[11] = slots.free.pop(2)
    roster.made(11, "/demo/a", 3, at_s=7)
    (watched,) = roster
    assert (watched.slots, watched.since_s, slots.of) == ([3], 7, {11: 3})
    assert roster.of_slot(3) is watched


def test_made_cgroup_that_is_not_wanted_is_left_and_its_slot_comes_back(roster: Roster, slots: FakeSlots) -> None:
    """After the window was closed: until then something may still be counted in it."""
    slots.of[11] = slots.free.pop(0)
    roster.made(11, "/other", 1, at_s=0)
    assert slots.of == {}
    assert 1 not in slots.free
    roster.after_close()
    assert 1 in slots.free
    assert roots(roster) == []


def test_second_cgroup_of_a_container_brings_its_provisional_slot_along(roster: Roster, slots: FakeSlots) -> None:
    """Both slots are the container's until it goes; its cgroups count to the first from then on."""
    slots.of |= {11: slots.free.pop(0), 12: slots.free.pop(0)}
    roster.made(11, "/demo/a", 1, at_s=0)
    roster.made(12, "/demo/a/x", 2, at_s=0)
    (watched,) = roster
    assert watched.slots == [1, 2]
    assert slots.of == {11: 1, 12: 1}
    assert roster.of_slot(2) is watched


def test_container_goes_with_its_last_cgroup_and_is_shown_once_more(roster: Roster, slots: FakeSlots) -> None:
    roster.found(11, "/demo/a", 0)
    roster.made(12, "/demo/a/x", 1, at_s=1)
    roster.removed(11, at_s=2)
    assert len(roster) == 1
    roster.removed(12, at_s=3)
    (watched,) = roster
    assert (watched.until_s, len(roster)) == (3, 0)
    assert roster.of_slot(1) is watched
    roster.after_close()
    assert list(roster) == []
    assert roster.of_slot(1) is None
    assert sorted(slots.free) == [1, 2, 3, 4, 5]


def test_removal_of_what_is_not_on_the_list_changes_nothing(roster: Roster) -> None:
    roster.found(11, "/demo/a", 0)
    roster.removed(99, at_s=1)
    assert len(roster) == 1


def test_container_that_went_before_it_was_heard_of_leaves_nothing_in_the_map(roster: Roster, slots: FakeSlots) -> None:
    """The kernel forgets a cgroup when it is removed, which is before both records come in."""
    slots.free.remove(1)
    roster.made(11, "/demo/a", 1, at_s=0)
    roster.removed(11, at_s=0)
    assert slots.of == {}


def test_container_of_the_same_name_begins_anew(roster: Roster) -> None:
    roster.found(11, "/demo/a", 0)
    roster.removed(11, at_s=1)
    roster.found(12, "/demo/a", 2)
    before, after = sorted(roster, key=lambda watched: watched.since_s)
    assert before.slots != after.slots
    assert (before.until_s, after.until_s) == (1, None)


def test_what_went_without_a_word_is_noticed_when_the_tree_is_looked_through(roster: Roster, slots: FakeSlots) -> None:
    for cgroup_id, path in ((11, "/demo/a"), (12, "/demo/b")):
        roster.found(cgroup_id, path, 0)
    roster.only({12}, at_s=5)
    assert slots.of == {12: 2}
    assert [(watched.subject.root, watched.until_s) for watched in roster] == [("/demo/b", None), ("/demo/a", 5)]


def test_dismissed_container_is_watched_no_longer(roster: Roster, slots: FakeSlots) -> None:
    """None of its cgroups; it is shown as dismissed, and its slots come back when the window was closed."""
    roster.found(11, "/demo/a", 0)
    roster.found(12, "/demo/a/x", 0)
    roster.found(13, "/demo/b", 0)
    roster.dismiss("/demo/a")
    assert roots(roster) == ["/demo/b"]
    assert slots.of == {13: 2}
    assert roster.of_slot(1) is None
    assert [(one.subject.root, one.born) for one in roster.dismissed] == [("/demo/a", 11)]
    assert 1 not in slots.free
    roster.after_close()
    assert 1 in slots.free


def test_dismissed_container_is_not_enlisted_anew(roster: Roster, slots: FakeSlots) -> None:
    """Neither when the tree is looked through nor by a cgroup that is made in it, whose slot comes back."""
    roster.found(11, "/demo/a", 0)
    roster.dismiss("/demo/a")
    roster.after_close()
    slots.of[12] = slots.free.pop(0)
    roster.made(12, "/demo/a/x", 2, at_s=1)
    roster.found(11, "/demo/a", 1)
    roster.found(12, "/demo/a/x", 1)
    roster.after_close()
    assert (roots(roster), slots.of) == ([], {})
    assert sorted(slots.free) == [1, 2, 3, 4, 5]
    assert roster.unwatched == 0


def test_cgroup_that_was_made_just_before_its_container_was_dismissed_is_left(roster: Roster, slots: FakeSlots) -> None:
    """The kernel gave it the container's slot, which is to be another's soon."""
    roster.found(11, "/demo/a", 0)
    slots.of[12] = 1
    roster.dismiss("/demo/a")
    roster.made(12, "/demo/a/x", 1, at_s=1)
    roster.after_close()
    assert slots.of == {}
    assert sorted(slots.free) == [1, 2, 3, 4, 5]


def test_recalled_container_is_watched_when_it_is_found(roster: Roster, slots: FakeSlots) -> None:
    roster.found(11, "/demo/a", 0)
    roster.dismiss("/demo/a")
    roster.after_close()
    roster.recall("/demo/a")
    assert roster.dismissed == []
    roster.found(11, "/demo/a", 5)
    (watched,) = roster
    assert (watched.subject.root, watched.since_s, slots.of) == ("/demo/a", 5, {11: watched.slots[0]})


def test_dismissed_container_is_forgotten_when_its_last_cgroup_goes(roster: Roster) -> None:
    """Heard of, or noticed when the tree is looked through."""
    for cgroup_id, path in ((11, "/demo/a"), (12, "/demo/a/x"), (13, "/demo/b")):
        roster.found(cgroup_id, path, 0)
    roster.dismiss("/demo/a")
    roster.dismiss("/demo/b")
    roster.removed(12, at_s=1)
    assert [one.subject.root for one in roster.dismissed] == ["/demo/a", "/demo/b"]
    roster.removed(11, at_s=1)
    assert [one.subject.root for one in roster.dismissed] == ["/demo/b"]
    roster.only({1}, at_s=2)
    assert roster.dismissed == []


@pytest.mark.parametrize("root", ["/demo/a", "/demo/never"])
def test_what_is_not_there_is_neither_dismissed_nor_recalled(roster: Roster, root: str) -> None:
    """As a container that went before it was named."""
    roster.found(11, "/demo/a", 0)
    roster.removed(11, at_s=1)
    roster.dismiss(root)
    roster.recall(root)
    assert roster.dismissed == []
    assert roots(roster) == ["/demo/a"]


def test_container_is_as_old_as_its_oldest_cgroup(roster: Roster) -> None:
    """In whatever order they come to light: by it a sandbox is told from what runs in it."""
    roster.found(12, "/demo/a/x", 0)
    roster.found(11, "/demo/a", 0)
    roster.found(13, "/demo/a/y", 0)
    (watched,) = roster
    assert watched.candidate.born == 11


Event = Callable[[Roster], None]


class Node(RuleBasedStateMachine):
    """
    A kernel that makes and removes cgroups, whose records reach the roster late but in their order.

    Containers are dismissed and recalled at any time in between.
    """

    def __init__(self) -> None:
        super().__init__()
        self.slots = FakeSlots()
        self.roster = Roster(Globs(["/demo/*"], cohort="shop"), self.slots)
        self.tree: dict[str, int] = {"/demo": 1, "/other": 2}
        self.events: list[Event] = []
        self.ids = 2

    def _parents(self) -> list[str]:
        return sorted(path for path in self.tree if path.count("/") < 4)

    @rule(data=st.data(), name=st.sampled_from("ab"), heard=st.booleans())
    def make(self, *, data: st.DataObject, name: str, heard: bool) -> None:
        """As on_cgroup_mkdir does it; `heard` is false where the ring is full, or for cgroups older than the agent."""
        parent = data.draw(st.sampled_from(self._parents()))
        path = f"{parent}/{name}"
        if path in self.tree:
            return
        self.ids += 1
        self.tree[path] = number = self.ids
        above = self.tree[parent]
        if not heard:
            return
        if above in self.slots.of and above not in self.slots.provisional:
            self.slots.of[number] = slot = self.slots.of[above]
        elif self.slots.free:
            self.slots.of[number] = slot = self.slots.free.pop(0)
            self.slots.provisional.add(number)
        else:
            return
        self.events.append(lambda roster: roster.made(number, path, slot, at_s=0))

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        """As on_cgroup_rmdir does it: leaves only; heard of if the kernel had a slot for it."""
        leaves = [path for path in self.tree if not any(other.startswith(path + "/") for other in self.tree)]
        path = data.draw(st.sampled_from(sorted(leaves)))
        if path in {"/demo", "/other"}:
            return
        number = self.tree.pop(path)
        if self.slots.of.pop(number, None) is not None:
            self.slots.provisional.discard(number)
            self.events.append(lambda roster: roster.removed(number, at_s=0))

    @precondition(lambda self: self.events)
    @rule(count=st.integers(1, 3))
    def hear(self, count: int) -> None:
        """Records come in."""
        for _ in range(min(count, len(self.events))):
            self.events.pop(0)(self.roster)

    @rule()
    def rescan(self) -> None:
        """The tree is looked through, after all records were taken in."""
        self.hear(len(self.events))
        for path, number in sorted(self.tree.items()):
            self.roster.found(number, path, 0)
        self.roster.only(self.tree.values(), at_s=0)
        there = {path for path in self.tree if path.count("/") == 2}
        assert {one.subject.root for one in self.roster.dismissed} <= there, "none is remembered once it went"

    @rule(name=st.sampled_from("ab"))
    def dismiss(self, name: str) -> None:
        """It turned out to be nobody's replica."""
        self.roster.dismiss(f"/demo/{name}")

    @rule(name=st.sampled_from("ab"))
    def recall(self, name: str) -> None:
        """It is to be watched after all."""
        self.roster.recall(f"/demo/{name}")

    @rule()
    def close(self) -> None:
        """The window is closed; all records were drained before."""
        self.hear(len(self.events))
        self.roster.after_close()

    def _held(self) -> list[int]:
        return [slot for watched in self.roster for slot in watched.slots]

    @invariant()
    def no_slot_has_two_owners(self) -> None:
        held = self._held()
        assert len(held) == len(set(held))

    @invariant()
    def no_slot_in_use_is_free(self) -> None:
        assert not set(self.slots.free) & {*self._held(), *self.slots.of.values()}

    @invariant()
    def no_slot_is_lost(self) -> None:
        """Once all was heard and closed, each is free or held by a container that is there."""
        if not self.events:
            waiting = set(self.roster._idle_slots)
            assert {*self.slots.free, *self._held(), *waiting} == set(range(1, SLOTS + 1))

    @invariant()
    def slot_leads_to_its_owner(self) -> None:
        for watched in self.roster:
            assert all(self.roster.of_slot(slot) is watched for slot in watched.slots)

    @invariant()
    def cgroup_counts_to_its_own_container(self) -> None:
        """Once all was heard: nothing that one does is taken for what another did, and nothing of those dismissed."""
        for path, number in self.tree.items() if not self.events else ():
            if number in self.slots.of:
                owner = self.roster.of_slot(self.slots.of[number])
                assert owner is not None
                assert f"{path}/".startswith(f"{owner.subject.root}/")

    @invariant()
    def nobody_is_both_watched_and_dismissed(self) -> None:
        watched = {one.subject.root for one in self.roster if one.until_s is None}
        assert not watched & {one.subject.root for one in self.roster.dismissed}


TestNode = Node.TestCase


def test_container_without_a_slot_is_counted_once_until_it_has_one(roster: Roster, slots: FakeSlots) -> None:
    """Each window anew: it is looked for again, and is watched as soon as another one goes."""
    roster.found(1, "/demo/a", 0)
    while slots.free_slot() is not None:
        pass
    for _ in range(3):
        roster.found(2, "/demo/b", 1)
    assert roster.unwatched == 1
    roster.removed(1, at_s=2)
    roster.after_close()
    assert roster.unwatched == 0
    roster.found(2, "/demo/b", 3)
    assert roster.unwatched == 0
    assert {watched.subject.root for watched in roster} == {"/demo/b"}
