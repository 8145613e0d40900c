"""Who is kin of whom, and one observation per replica."""

from __future__ import annotations

from datetime import timedelta

from kinfolk import ATTACKED, HEALTHY, START, chisel_replica, chisel_text, snapshot

from aggregator import cohort
from aggregator.chisel import parse_capture
from aggregator.verdict import Cohort, Gathering, Line
from kinwatch.aspects import Aspect
from kinwatch.snapshot import Snapshot, Workload

UNKNOWN = Workload()


def gathered(*snapshots: Snapshot, sources: tuple[str, ...] = ("f",)) -> list[Gathering]:
    lines = [Line(source=sources[index % len(sources)], snapshot=one) for index, one in enumerate(snapshots)]
    return cohort.gather(lines, [])


def pods(gathering: Gathering) -> list[str | None]:
    return [observation.replica.pod for observation in gathering.observations]


def test_replicas_of_several_nodes_and_files_are_judged_together() -> None:
    (gathering,) = gathered(snapshot("a", node="n1"), snapshot("b", node="n2"), sources=("n1.jsonl", "n2.jsonl"))
    assert pods(gathering) == ["a", "b"]
    assert gathering.source == "n1.jsonl, n2.jsonl"
    assert gathering.cohort == Cohort(namespace="shop", kind="Deployment", name="web", revision="6d4f", container="web")


def test_each_window_is_judged_by_itself_in_the_order_of_time() -> None:
    later = START + timedelta(seconds=30)
    first, second = gathered(snapshot("a", start=later), snapshot("a"))
    assert first.window.start == "2026-11-23T09:46:00.000Z"
    assert second.window.start == "2026-11-23T09:46:30.000Z"


def test_revisions_containers_and_workloads_are_no_kin() -> None:
    others = [
        snapshot("b", workload=Workload(kind="Deployment", name="web", revision="new")),
        snapshot("c", container="sidecar"),
        snapshot("d", workload=Workload(kind="Job", name="web", revision="6d4f")),
    ]
    assert len(gathered(snapshot("a"), *others)) == 4


def test_replicas_of_a_cohort_without_a_name_are_kin_if_that_is_known() -> None:
    """Such as bare cgroups, which belong to no pod: nothing about them is unresolved."""
    (gathering,) = gathered(snapshot("a", workload=UNKNOWN), snapshot("b", workload=UNKNOWN))
    assert gathering.doubt is None


def test_unresolved_replicas_are_never_kin() -> None:
    """Two pods whose workload nobody knows may be of two workloads; each gets an inconclusive verdict of its own."""
    gatherings = gathered(*(snapshot(pod, workload=UNKNOWN, resolved=False) for pod in "ab"))
    assert [pods(one) for one in gatherings] == [["a"], ["b"]]
    assert {one.doubt for one in gatherings} == {cohort.NO_WORKLOAD}


def test_a_line_that_came_twice_counts_once() -> None:
    """Delivery is at least once: a repetition, word for word, is no news and loses nothing twice."""
    once = snapshot("a", lost={"ring_full": 3})
    (gathering,) = gathered(once, once)
    (observation,) = gathering.observations
    assert observation.coverage is not None
    assert dict(observation.coverage.lost) == {"ring_full": 3}
    assert gathering.notes == ()


def test_a_replica_reported_twice_is_united_and_its_coverage_added_up() -> None:
    """A container that was restarted within the window reports as two."""
    half = {"observed_s": 10.0, "lost": {"ring_full": 1}, "events": 5}
    (gathering,) = gathered(snapshot("a", HEALTHY, **half), snapshot("a", ATTACKED, **half, truncated={"cwds": 2}))
    (observation,) = gathering.observations
    assert observation.features(Aspect.EXECUTABLES) == {"httpd", "nc"}
    assert observation.coverage is not None
    assert (observation.coverage.observed_s, observation.coverage.events) == (20.0, 10)
    assert dict(observation.coverage.lost) == {"ring_full": 2}
    assert dict(observation.coverage.truncated) == {"cwds": 2}
    assert gathering.notes == ("a was reported 2 times; its sets were united",)


def test_no_replica_was_watched_for_longer_than_the_window() -> None:
    (gathering,) = gathered(snapshot("a", events=1), snapshot("a", events=2))
    assert gathering.observations[0].coverage is not None
    assert gathering.observations[0].coverage.observed_s == 30.0


def test_a_chisel_capture_is_a_cohort_by_itself() -> None:
    """Two captures of the same name, in two folders, too."""
    captures = [
        parse_capture(chisel_text(chisel_replica("a")), source=source, name="web") for source in ("x/web", "y/web")
    ]
    first, second = cohort.gather([], captures)
    assert (first.cohort, first.source) == (Cohort(name="web"), "x/web")
    assert (second.cohort, second.source) == (Cohort(name="web"), "y/web")
    assert first.notes == (cohort.NOT_COUNTED,)


def test_a_replica_that_a_capture_names_twice_is_united() -> None:
    text = chisel_text(chisel_replica("a"), chisel_replica("a", executables=["nc"]))
    (gathering,) = cohort.gather([], [parse_capture(text, source="f", name="f")])
    assert gathering.observations[0].features(Aspect.EXECUTABLES) == {"httpd", "nc"}
    assert "reported 2 times" in gathering.notes[0]


def test_an_empty_capture_is_in_doubt() -> None:
    (gathering,) = cohort.gather([], [parse_capture("[]", source="f", name="f")])
    assert gathering.doubt == cohort.FAILED_CAPTURE
