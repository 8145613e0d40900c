"""By whose name each container was told, and when, is held against what was started."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.cgroups import Cgroup
from bench.pods import Place, Pod
from bench.starts import Judged, judged
from kinwatch.aspects import Aspect
from kinwatch.snapshot import Coverage, Replica, Snapshot, Window, Workload

WINDOW_S = 5.0
STARTED_S = 1002.0
END_S = 1005.0


@pytest.fixture
def pods(tmp_path: Path) -> Iterator[list[Pod]]:
    """Two pods, in folders that are no cgroups, whose processes end at once."""
    place = Place(parent=Cgroup(path="/burstable", directory=tmp_path), program=Path("/bin/true"), folder=tmp_path)
    pods = [Pod(number, place) for number in range(2)]
    for pod in pods:
        pod.started_s = STARTED_S
    yield pods
    for pod in pods:
        pod.remove()


def snapshot(pod: Pod, *, path: str | None = None, files: Iterable[str] | None = None) -> Snapshot:
    """What is told of a pod's container when all is well."""
    namespace, name, uid, container = pod.identity
    features = frozenset([pod.name] if files is None else files)
    return Snapshot(
        window=Window(start=datetime.fromtimestamp(END_S - WINDOW_S, tz=UTC), seconds=WINDOW_S),
        node="node",
        replica=Replica(namespace=namespace, pod=name, pod_uid=uid, container=container, cgroup=path or pod.path),
        workload=Workload(kind="Deployment", name="web"),
        aspects={aspect: features if aspect is Aspect.FILENAMES else frozenset() for aspect in Aspect},
        coverage=Coverage(observed_s=1.0, events=1, lost={}, truncated={}, resolved=True),
    )


def unresolved(pod: Pod) -> Snapshot:
    """What is told of it when nobody knows its name."""
    whole = snapshot(pod)
    return replace(whole, workload=Workload(), coverage=replace(whole.coverage, resolved=False))


def found(told: Iterable[tuple[float, Snapshot]], pods: list[Pod]) -> Judged:
    return judged(told, pods, window_s=WINDOW_S)


def test_delay_counts_from_the_end_of_the_window_in_which_a_container_started(pods: list[Pod]) -> None:
    """The first snapshot counts; the time from the start itself is kept beside it."""
    one = found([(END_S + 2.5, snapshot(pods[0])), (END_S + 7.0, snapshot(pods[0]))], pods)
    assert one.delays == [0.5]
    assert one.since_start == [1.1]


def test_container_that_is_told_as_itself_is_right(pods: list[Pod]) -> None:
    one = found([(END_S, snapshot(pod)) for pod in pods], pods)
    assert (one.started, one.right, one.wrong, one.unresolved, one.missed) == (2, 2, 0, 0, 0)


def test_name_of_another_pod_is_wrong(pods: list[Pod]) -> None:
    one = found([(END_S, snapshot(pods[1], path=pods[0].path, files=[pods[0].name]))], pods[:1])
    assert (one.right, one.wrong) == (0, 1)


def test_file_of_another_pod_is_wrong(pods: list[Pod]) -> None:
    """The name is right, and what was done is somebody else's."""
    one = found([(END_S, snapshot(pods[0], files=[pods[1].name]))], pods[:1])
    assert (one.right, one.wrong) == (0, 1)


def test_container_is_unresolved_if_any_of_its_snapshots_is(pods: list[Pod]) -> None:
    one = found([(END_S, unresolved(pods[0])), (END_S + 5, snapshot(pods[0]))], pods[:1])
    assert (one.right, one.unresolved, one.delays) == (0, 1, [1.0])


def test_container_of_which_nothing_was_seen_is_missed(pods: list[Pod]) -> None:
    """A snapshot without its file tells nothing of it, either."""
    assert found([(END_S, snapshot(pods[0], files=[]))], pods).missed == 2


def test_sandbox_that_is_told_is_a_stranger(pods: list[Pod]) -> None:
    sandbox = f"{pods[0].path.rpartition('/')[0]}/a0{'f' * 62}"
    assert found([(END_S, snapshot(pods[0], path=sandbox))], pods).strangers == 1
