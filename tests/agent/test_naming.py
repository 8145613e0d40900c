"""A snapshot waits for the name of its replica, not too long, and goes out with its own window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from agent import naming as module
from agent.naming import PATIENCE_S, URGENT_S, Joined, Naming
from agent.values import Answer, Candidate, Named, Observed, Subject, Unwanted
from kinwatch.aspects import Aspect
from kinwatch.snapshot import Coverage, Replica, Snapshot, Window, Workload

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
WEB = Workload(kind="Deployment", name="web", revision="7bdb")
WINDOW_S = 30.0


class Told:
    """Names that a test tells."""

    def __init__(self) -> None:
        self.known: dict[str, Answer] = {}
        self.runs: list[str] = []
        """Ids of containers that ought to run."""
        self.asked: list[set[str]] = []
        """Roots, question by question."""
        self.since: list[datetime] = []

    def version(self) -> object:
        return len(self.known), len(self.runs)

    def answers(self, candidates: Sequence[Candidate], *, now_s: float) -> Mapping[str, Answer]:  # noqa: ARG002
        self.asked.append({one.subject.root for one in candidates})
        return {one.subject.root: self.known.get(one.subject.root) for one in candidates}

    def running(self, *, since: datetime) -> Iterable[Named]:
        self.since.append(since)
        return [named(one) for one in self.runs]


def named(name: str) -> Named:
    return Named(
        replica=Replica(namespace="shop", pod=name, container_id=f"id-{name}", cgroup=f"/{name}"), workload=WEB
    )


def candidate(name: str) -> Candidate:
    replica = Replica(container_id=f"id-{name}", cgroup=f"/{name}")
    return Candidate(subject=Subject(root=f"/{name}", replica=replica, workload=Workload(), resolved=False), born=1)


def window(number: int) -> Window:
    return Window(start=START + timedelta(seconds=number * WINDOW_S), seconds=WINDOW_S)


def observed(name: str, number: int) -> Observed:
    """What a container did in a window, of which the file name tells."""
    snapshot = Snapshot(
        window=window(number),
        node="n1",
        replica=candidate(name).subject.replica,
        workload=Workload(),
        aspects={Aspect.FILENAMES: frozenset({f"{name} in {number}"})},
        coverage=Coverage(observed_s=WINDOW_S, events=7, lost={"files": 1}, truncated={}, resolved=False),
    )
    return Observed(candidate=candidate(name), snapshot=snapshot)


class Agent:
    """An agent that closes a window every 30 s, the first at 30 s."""

    def __init__(self) -> None:
        self.names = Told()
        self.naming = Naming(self.names)
        self.closed = 0

    def close(self, *names: str, dismissed: Sequence[str] = ()) -> Joined:
        """Close a window in which these were watched."""
        number, self.closed = self.closed, self.closed + 1
        return self.naming.join(
            [observed(name, number) for name in names],
            dismissed=list(map(candidate, dismissed)),
            window=window(number),
            now_s=self.closed * WINDOW_S,
        )

    def later(self, *names: str, now_s: float, dismissed: Sequence[str] = ()) -> Joined:
        """Between two windows, while these are watched."""
        return self.naming.later(list(map(candidate, names)), dismissed=list(map(candidate, dismissed)), now_s=now_s)


@pytest.fixture(name="agent")
def _agent() -> Agent:
    return Agent()


def gist(snapshots: Iterable[Snapshot]) -> list[tuple[str | None, str, bool]]:
    """Pod, what was done, and whether it is resolved."""
    return [(one.replica.pod, " ".join(one.features(Aspect.FILENAMES)), one.coverage.resolved) for one in snapshots]


def test_snapshot_of_a_known_container_goes_out_named(agent: Agent) -> None:
    """What it did and what was missed stays as it is; the coverage says that the workload is known."""
    agent.names.known["/a"] = named("a")
    (snapshot,) = agent.close("a").snapshots
    before = observed("a", 0).snapshot
    assert (snapshot.replica, snapshot.workload) == (named("a").replica, WEB)
    assert (snapshot.window, snapshot.node, snapshot.aspects) == (before.window, before.node, before.aspects)
    assert (snapshot.coverage.events, snapshot.coverage.lost, snapshot.coverage.resolved) == (7, {"files": 1}, True)


def test_container_whose_workload_is_not_known_is_named_and_not_resolved(agent: Agent) -> None:
    agent.names.known["/a"] = Named(replica=Replica(pod="a"), workload=Workload(), resolved=False)
    assert gist(agent.close("a").snapshots) == [("a", "a in 0", False)]


def test_snapshots_wait_and_each_goes_out_with_its_own_window(agent: Agent) -> None:
    """The first instruction of a container is told of, though its name came two windows later."""
    assert agent.close("a").snapshots == []
    assert agent.naming.waiting == 1
    agent.names.known["/a"] = named("a")
    snapshots = agent.close("a").snapshots
    assert gist(snapshots) == [("a", "a in 0", True), ("a", "a in 1", True)]
    assert [one.window for one in snapshots] == [window(0), window(1)]
    assert agent.naming.waiting == 0


def test_name_that_comes_between_two_windows_is_not_waited_with(agent: Agent) -> None:
    agent.close("a", "b")
    assert not agent.naming.is_due(now_s=31)
    agent.names.known["/a"] = named("a")
    assert agent.naming.is_due(now_s=32)
    assert gist(agent.later("a", "b", now_s=32).snapshots) == [("a", "a in 0", True)]
    assert not agent.naming.is_due(now_s=33)
    assert agent.naming.waiting == 1


def test_container_that_went_meanwhile_is_named_too(agent: Agent) -> None:
    """Its pod is remembered for longer than that; it is asked for as long as it waits."""
    agent.close("a")
    agent.close()
    agent.names.known["/a"] = named("a")
    assert gist(agent.later(now_s=70).snapshots) == [("a", "a in 0", True)]


def test_snapshots_wait_for_a_minute_and_go_out_unresolved(agent: Agent) -> None:
    """From the first one on: those that came later waited less."""
    assert agent.close("a").snapshots == []
    assert agent.close("a").snapshots == []
    now_s = WINDOW_S + PATIENCE_S
    assert not agent.naming.is_due(now_s=now_s - 0.1)
    assert agent.naming.is_due(now_s=now_s)
    assert gist(agent.later("a", now_s=now_s).snapshots) == [(None, "a in 0", False), (None, "a in 1", False)]
    assert agent.naming.waiting == 0
    assert PATIENCE_S == 60


def test_container_that_was_given_up_does_not_wait_again(agent: Agent) -> None:
    """Each of its windows goes out at once, unresolved, until it is named after all."""
    agent.close("a")
    agent.close("a")
    agent.close("a")
    assert gist(agent.close("a").snapshots) == [(None, "a in 3", False)]
    agent.names.known["/a"] = named("a")
    assert gist(agent.close("a").snapshots) == [("a", "a in 4", True)]


def test_another_container_of_the_same_cgroup_waits_anew(agent: Agent) -> None:
    """What was given up is forgotten when it is no longer there."""
    for _ in range(3):
        agent.close("a")
    agent.close()
    assert agent.close("a").snapshots == []


def test_what_is_nobodys_replica_is_dropped_and_dismissed(agent: Agent) -> None:
    """With all that waits of it."""
    agent.close("a", "s")
    agent.names.known |= {"/a": named("a"), "/s": Unwanted(why="sandbox")}
    joined = agent.close("a", "s")
    assert gist(joined.snapshots) == [("a", "a in 0", True), ("a", "a in 1", True)]
    assert joined.dismissed == ["/s"]
    assert agent.naming.waiting == 0


def test_container_that_is_unwanted_from_now_on_is_dismissed_between_two_windows(agent: Agent) -> None:
    """As when the selection changes."""
    agent.names.known["/a"] = named("a")
    agent.close("a")
    agent.names.known |= {"/a": Unwanted(why="excluded"), "/other": None}
    assert agent.naming.is_due(now_s=31)
    assert agent.later("a", now_s=31).dismissed == ["/a"]


def test_dismissed_container_that_is_wanted_after_all_is_recalled(agent: Agent) -> None:
    """Whether a window was closed or not; as long as it isn't, or can't be told, it stays dismissed."""
    agent.names.known["/a"] = Unwanted(why="excluded")
    assert agent.close(dismissed=["a", "b"]).recalled == []
    agent.names.known["/a"] = named("a")
    assert agent.close(dismissed=["a", "b"]).recalled == ["/a"]
    assert agent.later(now_s=70, dismissed=["a", "b"]).recalled == ["/a"]


def test_all_containers_that_are_there_are_asked_for_together(agent: Agent) -> None:
    """Watched, dismissed and waiting: they tell of each other."""
    agent.close("gone")
    agent.close("a", dismissed=["s"])
    assert agent.names.asked[-1] == {"/gone", "/a", "/s"}
    agent.later("a", "new", now_s=65, dismissed=["s"])
    assert agent.names.asked[-1] == {"/gone", "/a", "/new", "/s"}


def test_snapshots_come_by_window_and_then_by_cgroup(agent: Agent) -> None:
    agent.close("b", "a", "c")
    agent.names.known |= {f"/{name}": named(name) for name in "abc"}
    told = [what for _, what, _ in gist(agent.close("c", "a").snapshots)]
    assert told == ["a in 0", "b in 0", "c in 0", "a in 1", "c in 1"]


def test_what_waits_at_the_end_goes_out_unresolved(agent: Agent) -> None:
    agent.close("a", "b")
    agent.names.known["/b"] = named("b")
    agent.close("a", "b")
    assert gist(agent.naming.give_up()) == [(None, "a in 0", False), (None, "a in 1", False)]
    assert (agent.naming.give_up(), agent.naming.waiting) == ([], 0)


def test_name_is_urgent_for_a_while(agent: Agent) -> None:
    """So that the kubelet isn't hurried for ever by a container that it does not know."""
    assert not agent.naming.is_urgent(now_s=30)
    agent.close("a")
    assert agent.naming.is_urgent(now_s=30)
    assert agent.naming.is_urgent(now_s=29.9 + URGENT_S)
    assert not agent.naming.is_urgent(now_s=30 + URGENT_S)
    agent.names.known["/b"] = named("b")
    agent.close("b")
    assert not agent.naming.is_urgent(now_s=60)


def test_container_that_ought_to_run_and_was_never_seen_is_told_of_in_each_window(agent: Agent) -> None:
    """By what the kubelet says: it ran since before the window began."""
    agent.names.runs = ["a", "hidden"]
    for number in (0, 1):
        assert agent.close("a").unseen == (named("hidden"),)
        assert agent.names.since[-1] == window(number).start


@pytest.mark.parametrize("is_dismissed", [False, True])
def test_container_that_was_met_is_not_unseen(agent: Agent, *, is_dismissed: bool) -> None:
    """Nor when it has gone since, which the kubelet may say some time later; nor if it was dismissed."""
    agent.names.runs = ["a"]
    met = agent.close(dismissed=["a"]) if is_dismissed else agent.close("a")
    assert (met.unseen, agent.close().unseen) == ((), ())


def test_nothing_is_unseen_between_two_windows(agent: Agent) -> None:
    agent.names.runs = ["hidden"]
    assert agent.later(now_s=10).unseen == ()


def test_longest_ago_met_is_forgotten_first(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there is met anew in each window, and so is not forgotten."""
    monkeypatch.setattr(module, "MET_MAX", 3)
    agent.names.runs = ["stays", "b", "c", "d"]
    for name in "bcd":
        joined = agent.close("stays", name)
    assert [one.replica.pod for one in joined.unseen] == ["b"]


def test_node_without_containers_has_nothing_to_tell(agent: Agent) -> None:
    assert agent.close() == Joined(snapshots=[], unseen=(), dismissed=[], recalled=[])
