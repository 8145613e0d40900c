"""The directory knows the pods that are listed, and for a while those that went."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from agent.pods import directory as module
from agent.pods.directory import KEPT_S, Directory, Listed, Listing
from agent.pods.pod import Container, Pod, Role
from kinwatch.snapshot import Workload

WEB = Workload(kind="Deployment", name="web", revision="1")
DAY_S = 86_400.0


def listed(uid: str, *container_ids: str, workload: Workload | None = WEB) -> Listed:
    """A pod with one container that ran under these ids."""
    container = Container(
        name="web", role=Role.APP, image="web:1", ids=frozenset(container_ids), running_id=container_ids[-1]
    )
    pod = Pod(
        uid=uid,
        namespace="shop",
        name=f"web-{uid}",
        node="n1",
        labels={},
        annotations={},
        owner=None,
        static=False,
        created=None,
        containers=(container,),
    )
    return Listed(pod=pod, workload=workload)


@pytest.fixture(name="directory")
def _directory() -> Directory:
    return Directory()


def test_pod_that_gives_itself_out_as_a_static_one_takes_no_other_pods_uid(directory: Directory) -> None:
    """Its annotations are its author's; the order of the listing does not matter."""
    victim, forger = listed("u", "a"), listed("u", "b")
    forger = replace(forger, pod=replace(forger.pod, static=True, name="forger"))
    for pods in ((victim, forger), (forger, victim)):
        directory.tell(pods, at_s=0)
        assert directory.listing.by_uid["u"] is victim


def test_nothing_is_known_before_the_first_listing(directory: Directory) -> None:
    assert directory.listing == Listing(number=0, by_uid={}, by_container={})


def test_listed_pod_is_found_by_its_uid_and_by_each_of_its_containers(directory: Directory) -> None:
    """By the run before the last restart too."""
    pod = listed("u1", "c1", "c2")
    directory.tell((pod,), at_s=0)
    assert directory.listing.by_uid == {"u1": pod}
    known = directory.listing.by_container
    assert set(known) == {"c1", "c2"}
    assert (known["c1"].pod, known["c1"].container.name, known["c1"].workload) == (pod.pod, "web", WEB)


def test_pod_that_went_keeps_its_name_for_a_while(directory: Directory) -> None:
    """Its last window may not have been closed yet. It is listed no longer."""
    directory.tell((listed("u1", "c1"),), at_s=0)
    directory.tell((), at_s=10)
    directory.tell((listed("u2", "c2"),), at_s=10 + KEPT_S)
    assert set(directory.listing.by_uid) == {"u2"}
    assert set(directory.listing.by_container) == {"c1", "c2"}
    directory.tell((listed("u2", "c2", "c3"),), at_s=10.1 + KEPT_S)
    assert set(directory.listing.by_container) == {"c2", "c3"}


def test_pod_that_went_while_no_source_told_anything_keeps_its_name_too(directory: Directory) -> None:
    """When it went can't be known: it may have been a moment ago."""
    directory.tell((listed("u1", "c1"),), at_s=0)
    directory.tell((), at_s=DAY_S)
    assert set(directory.listing.by_container) == {"c1"}
    directory.tell((listed("u2", "c2"),), at_s=DAY_S + KEPT_S + 0.1)
    assert set(directory.listing.by_container) == {"c2"}


def test_pod_that_is_listed_again_is_there_as_it_is_now(directory: Directory) -> None:
    """And when it goes again, its time begins anew."""
    directory.tell((listed("u1", "c1", workload=None),), at_s=0)
    directory.tell((), at_s=10)
    directory.tell((listed("u1", "c1"),), at_s=20)
    assert directory.listing.by_container["c1"].workload == WEB
    directory.tell((), at_s=KEPT_S)
    directory.tell((listed("u2", "c2"),), at_s=2 * KEPT_S)
    assert "c1" in directory.listing.by_container


def test_run_before_the_last_restart_keeps_its_name_when_the_status_drops_it(directory: Directory) -> None:
    directory.tell((listed("u1", "c1", "c2"),), at_s=0)
    directory.tell((listed("u1", "c2", "c3"),), at_s=10)
    assert set(directory.listing.by_container) == {"c1", "c2", "c3"}


def test_each_change_has_a_number_and_the_same_tuple_is_none(directory: Directory) -> None:
    """A source that polls hands over the same tuple as long as nothing changed."""
    pods = (listed("u1", "c1"),)
    directory.tell(pods, at_s=0)
    first = directory.listing
    directory.tell(pods, at_s=10)
    assert directory.listing is first
    directory.tell((replace(pods[0]),), at_s=20)
    assert directory.listing.number == first.number + 1


def test_listing_that_someone_holds_never_changes(directory: Directory) -> None:
    directory.tell((listed("u1", "c1"),), at_s=0)
    held = directory.listing
    directory.tell((listed("u2", "c2"),), at_s=10)
    assert (set(held.by_uid), set(held.by_container)) == ({"u1"}, {"c1"})


def test_node_without_pods_is_a_listing_as_well(directory: Directory) -> None:
    directory.tell((), at_s=0)
    assert directory.listing.number == 1


def test_longest_gone_are_forgotten_first_when_there_are_too_many(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node on which containers come and go without end needs bounded memory."""
    monkeypatch.setattr(module, "KEPT_MAX", 3)
    for number in range(10):
        directory.tell((listed("u", f"c{number}"),), at_s=number)
    assert list(directory.listing.by_container) == ["c6", "c7", "c8", "c9"]


class Churn(RuleBasedStateMachine):
    """Pods come and go, time passes in leaps; a plain model says what is to be known."""

    BOUND = 4

    def __init__(self) -> None:
        super().__init__()
        self.kept_max, module.KEPT_MAX = module.KEPT_MAX, self.BOUND  # type: ignore[misc]
        self.directory = Directory()
        self.now_s = 0.0
        self.current: set[str] = set()
        self.missed_s: dict[str, float] = {}
        """When those that went were first missed."""
        self.crowded_out: set[str] = set()

    def teardown(self) -> None:
        module.KEPT_MAX = self.kept_max  # type: ignore[misc]

    @rule(
        some=st.sets(st.sampled_from([f"c{number}" for number in range(9)]), max_size=5),
        leap_s=st.sampled_from([1.0, 100.0, KEPT_S]),
    )
    def tell(self, some: set[str], leap_s: float) -> None:
        """A listing, in which each container is a pod's only one; one of them always runs."""
        ids = some | {"always"}
        self.now_s += leap_s
        self.directory.tell(tuple(listed(f"u-{one}", one) for one in sorted(ids)), at_s=self.now_s)
        missed_s = {one: self.missed_s.get(one, self.now_s) for one in self.missed_s.keys() | self.current - ids}
        self.missed_s = {one: at_s for one, at_s in missed_s.items() if one not in ids and self.now_s - at_s <= KEPT_S}
        self.current = ids
        self.crowded_out &= self.missed_s.keys()
        if len(self.gone) == self.BOUND:
            self.crowded_out = self.missed_s.keys() - self.gone

    @property
    def gone(self) -> set[str]:
        """Those that are known and went."""
        return self.directory.listing.by_container.keys() - self.current

    @invariant()
    def all_that_is_listed_is_known(self) -> None:
        assert self.current <= self.directory.listing.by_container.keys()

    @invariant()
    def those_that_went_are_known_but_for_those_that_there_was_no_room_for(self) -> None:
        assert self.gone == self.missed_s.keys() - self.crowded_out
        assert len(self.gone) <= self.BOUND

    @invariant()
    def those_that_there_was_no_room_for_went_before_those_that_are_known(self) -> None:
        latest = max((self.missed_s[one] for one in self.crowded_out), default=0.0)
        assert all(latest <= self.missed_s[one] for one in self.gone)


TestChurn = Churn.TestCase
TestChurn.settings = settings(max_examples=30, stateful_step_count=30)
