"""Dismissed containers are known by their root and by each of their cgroups, until the last of these goes."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from agent.dismissed import Dismissed
from agent.values import Candidate, Subject
from kinwatch.snapshot import Replica, Workload


def candidate(root: str) -> Candidate:
    subject = Subject(root=root, replica=Replica(cgroup=root), workload=Workload(), resolved=False)
    return Candidate(subject=subject, born=1)


def roots(dismissed: Dismissed) -> list[str]:
    return [one.subject.root for one in dismissed.candidates]


def test_cgroup_that_is_made_in_a_dismissed_container_is_taken() -> None:
    """And keeps the container in memory when the others go."""
    dismissed = Dismissed()
    dismissed.add(candidate("/a"), [1])
    assert dismissed.takes("/a", 2)
    assert dismissed.cgroup_ids == {1, 2}
    dismissed.removed(1)
    assert roots(dismissed) == ["/a"]
    dismissed.removed(2)
    assert (roots(dismissed), dismissed.cgroup_ids) == ([], set())


def test_cgroup_of_another_container_is_not_taken() -> None:
    dismissed = Dismissed()
    dismissed.add(candidate("/a"), [1])
    assert not dismissed.takes("/b", 2)
    assert dismissed.cgroup_ids == {1}


def test_recalled_container_is_forgotten_with_all_its_cgroups() -> None:
    dismissed = Dismissed()
    dismissed.add(candidate("/a"), [1, 2])
    dismissed.add(candidate("/b"), [3])
    dismissed.recall("/a")
    dismissed.recall("/never")
    assert (roots(dismissed), dismissed.cgroup_ids) == (["/b"], {3})
    assert not dismissed.takes("/a", 1)


def test_container_of_the_same_name_may_be_dismissed_again() -> None:
    dismissed = Dismissed()
    dismissed.add(candidate("/a"), [1])
    dismissed.removed(1)
    dismissed.add(candidate("/a"), [2])
    assert (roots(dismissed), dismissed.cgroup_ids) == (["/a"], {2})


class Bookkeeping(RuleBasedStateMachine):
    """Whatever comes and goes, it holds what a plain map of root to cgroups would."""

    def __init__(self) -> None:
        super().__init__()
        self.dismissed = Dismissed()
        self.model: dict[str, set[int]] = {}
        self.last_id = 0

    def new_id(self) -> int:
        self.last_id += 1
        return self.last_id

    @rule(root=st.sampled_from("abc"), count=st.integers(1, 3))
    def add(self, root: str, count: int) -> None:
        """As the roster does: a container that is dismissed can't be watched, and so isn't dismissed again."""
        if root not in self.model:
            self.model[root] = {self.new_id() for _ in range(count)}
            self.dismissed.add(candidate(root), self.model[root])

    @rule(root=st.sampled_from("abc"))
    def take(self, root: str) -> None:
        cgroup_id = self.new_id()
        assert self.dismissed.takes(root, cgroup_id) == (root in self.model)
        if root in self.model:
            self.model[root].add(cgroup_id)

    @rule(cgroup_id=st.integers(1, 30))
    def remove(self, cgroup_id: int) -> None:
        self.dismissed.removed(cgroup_id)
        left = {root: ids - {cgroup_id} for root, ids in self.model.items()}
        self.model = {root: ids for root, ids in left.items() if ids}

    @rule(root=st.sampled_from("abc"))
    def recall(self, root: str) -> None:
        self.dismissed.recall(root)
        self.model.pop(root, None)

    @invariant()
    def same_containers_and_cgroups(self) -> None:
        assert set(roots(self.dismissed)) == set(self.model)
        assert self.dismissed.cgroup_ids == set().union(*self.model.values())


TestBookkeeping = Bookkeeping.TestCase
TestBookkeeping.settings = settings(max_examples=50)
