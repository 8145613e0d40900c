"""The pods are followed from the best source that tells them, and every change of source is logged once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from agent.pods.directory import Directory
from agent.pods.pace import Pace
from agent.pods.pod import Owner, Pod
from agent.pods.source import NotNow
from agent.pods.sources import RETRY_FIRST_S, RETRY_LAST_S, RETRY_SILENT_S, Sources, Status
from agent.pods.workload import OwnerOf
from kinwatch.errors import PeerError
from kinwatch.snapshot import Workload

Log = list[MutableMapping[str, Any]]
REFUSED = PeerError("the kubelet refuses", remedy="grant nodes/pods")
AWAY = PeerError("the API server is away", remedy="wait")


class Clock(Pace):
    """A pace that takes no time: who rests moves the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1000.0
        self.rests: list[float] = []

    def rest(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.now_s += seconds


class Scripted:
    """A source that tells, in this order, listings and errors, one every ten seconds; at the end it is over."""

    def __init__(self, name: str, clock: Clock, *script: tuple[Pod, ...] | PeerError) -> None:
        self.name = name
        self.begun_s: list[float] = []
        """When it was asked to begin."""
        self._clock = clock
        self._script = iter(script)

    def listings(self) -> Iterator[tuple[Pod, ...]]:
        self.begun_s.append(self._clock.now_s)
        for step in self._script:
            if isinstance(step, PeerError):
                raise step
            yield step
            self._clock.now_s += 10
        self._clock.stop()


def pods(*names: str, owner: Owner | None = None) -> tuple[Pod, ...]:
    """A listing of pods with these names, which are their uids too."""
    return tuple(
        Pod(
            uid=name,
            namespace="shop",
            name=name,
            node="n1",
            labels={},
            annotations={},
            owner=owner,
            static=False,
            created=None,
            containers=(),
        )
        for name in names
    )


Follow = Callable[..., Sources]


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="directory")
def _directory() -> Directory:
    return Directory()


@pytest.fixture(name="log")
def _log() -> Iterator[Log]:
    with capture_logs() as entries:
        yield entries


@pytest.fixture(name="follow")
def _follow(clock: Clock, directory: Directory) -> Follow:
    """Follow sources to the end of their scripts."""

    def follow(*sources: Scripted, owner_of: OwnerOf = lambda *_: None) -> Sources:
        followed = Sources(sources, directory, owner_of=owner_of, pace=clock, monotonic_s=lambda: clock.now_s)
        followed.run()
        return followed

    return follow


def changes(log: Log) -> list[tuple[str, object, object]]:
    """Level, source before, source after."""
    assert {entry["event"] for entry in log} <= {"pods_source"}
    return [(entry["log_level"], entry["before"], entry["source"]) for entry in log]


def known(directory: Directory) -> set[str]:
    return set(directory.listing.by_uid)


def test_before_anything_is_told_the_status_says_so(clock: Clock, directory: Directory) -> None:
    status = Sources([], directory, owner_of=lambda *_: None, pace=clock, monotonic_s=lambda: 0).status
    assert (status.source, status.problem) == (None, "no source of pods has answered yet")


def test_best_source_is_followed_and_told_of_once(clock: Clock, directory: Directory, follow: Follow, log: Log) -> None:
    kubelet = Scripted("kubelet", clock, pods("a"), pods("a", "b"), pods("b"))
    apiserver = Scripted("apiserver", clock)
    assert follow(kubelet, apiserver).status == Status(source="kubelet", problem="", remedy="")
    assert known(directory) == {"b"}
    assert apiserver.begun_s == []
    assert changes(log) == [("info", None, "kubelet")]


def test_next_source_is_followed_when_the_best_fails(
    clock: Clock, directory: Directory, follow: Follow, log: Log
) -> None:
    """The status and the log say why, and what to do about it."""
    sources = follow(Scripted("kubelet", clock, REFUSED), Scripted("apiserver", clock, pods("a"), pods("a", "b")))
    assert sources.status == Status(
        source="apiserver", problem="kubelet: the kubelet refuses", remedy="grant nodes/pods"
    )
    assert known(directory) == {"a", "b"}
    assert changes(log) == [("warning", None, "apiserver")]
    assert (log[0]["problem"], log[0]["remedy"]) == ("kubelet: the kubelet refuses", "grant nodes/pods")


def test_source_that_falls_silent_is_left_for_the_next(clock: Clock, follow: Follow, log: Log) -> None:
    follow(Scripted("kubelet", clock, pods("a"), REFUSED), Scripted("apiserver", clock, pods("a")))
    assert changes(log) == [("info", None, "kubelet"), ("warning", "kubelet", "apiserver")]


def test_better_source_is_returned_to_when_it_answers_again(
    clock: Clock, directory: Directory, follow: Follow, log: Log
) -> None:
    kubelet = Scripted("kubelet", clock, REFUSED, pods("b"))
    apiserver = Scripted("apiserver", clock, *[pods("a")] * 9)
    assert follow(kubelet, apiserver).status == Status(source="kubelet", problem="")
    assert known(directory) == {"b"}
    assert changes(log) == [("warning", None, "apiserver"), ("info", "apiserver", "kubelet")]
    assert kubelet.begun_s == [1000, 1000 + RETRY_FIRST_S]


def test_better_source_is_tried_again_ever_less_often(clock: Clock, follow: Follow, log: Log) -> None:
    """And while it fails for the same reason the other source goes on, and nothing more is said."""
    kubelet = Scripted("kubelet", clock, *[REFUSED] * 8, pods("b"))
    apiserver = Scripted("apiserver", clock, *[pods("a")] * 400)
    follow(kubelet, apiserver)
    pauses = [after - before for before, after in zip(kubelet.begun_s, kubelet.begun_s[1:], strict=False)]
    assert pauses == [30, 60, 120, 240, 480, RETRY_LAST_S, RETRY_LAST_S, RETRY_LAST_S]
    assert apiserver.begun_s == [1000]
    assert changes(log) == [("warning", None, "apiserver"), ("info", "apiserver", "kubelet")]


def test_better_source_that_answered_is_tried_again_soon_when_it_fails(clock: Clock, follow: Follow) -> None:
    kubelet = Scripted("kubelet", clock, REFUSED, REFUSED, REFUSED, pods("b"), REFUSED, pods("b"))
    follow(kubelet, Scripted("apiserver", clock, *[pods("a")] * 400))
    *_, failed_again, answered_again = kubelet.begun_s
    assert answered_again - failed_again == 10 + RETRY_FIRST_S


def test_lesser_source_begins_anew_when_it_is_needed_again(clock: Clock, directory: Directory, follow: Follow) -> None:
    """Where it was left off, it would tell of pods as they were long ago."""
    kubelet = Scripted("kubelet", clock, REFUSED, *[pods("b")] * 500, REFUSED)
    apiserver = Scripted("apiserver", clock, *[pods("a")] * 4, pods("c"))
    follow(kubelet, apiserver)
    assert len(apiserver.begun_s) == 2
    assert known(directory) == {"c"}


def test_reason_that_changes_is_told_again(clock: Clock, follow: Follow, log: Log) -> None:
    follow(Scripted("kubelet", clock, REFUSED, AWAY), Scripted("apiserver", clock, *[pods("a")] * 5))
    assert [entry["problem"] for entry in log] == ["kubelet: the kubelet refuses", "kubelet: the API server is away"]


def test_what_was_known_stays_known_when_all_sources_fail(
    clock: Clock, directory: Directory, follow: Follow, log: Log
) -> None:
    """All reasons are told, once; each is tried again within a minute."""
    kubelet = Scripted("kubelet", clock, pods("a"), *[REFUSED] * 6)
    apiserver = Scripted("apiserver", clock, *[AWAY] * 5)
    sources = follow(kubelet, apiserver)
    assert known(directory) == {"a"}
    assert sources.status == Status(
        source=None,
        problem="kubelet: the kubelet refuses; apiserver: the API server is away",
        remedy="grant nodes/pods; wait",
    )
    assert changes(log) == [("info", None, "kubelet"), ("warning", "kubelet", None)]
    assert clock.rests == [RETRY_FIRST_S, *[RETRY_SILENT_S] * 4]


def test_silence_that_ends_is_told_of(clock: Clock, directory: Directory, follow: Follow, log: Log) -> None:
    follow(Scripted("kubelet", clock, REFUSED, pods("a")), Scripted("apiserver", clock, AWAY))
    assert known(directory) == {"a"}
    assert changes(log) == [("warning", None, None), ("info", None, "kubelet")]


def test_single_source_that_fails_is_tried_again(clock: Clock, directory: Directory, follow: Follow) -> None:
    follow(Scripted("kubelet", clock, REFUSED, REFUSED, pods("a")))
    assert known(directory) == {"a"}
    assert clock.rests == [RETRY_FIRST_S, RETRY_SILENT_S]


def test_middle_one_of_three_sources_is_preferred_to_the_last(clock: Clock, follow: Follow, log: Log) -> None:
    """Each is tried in its order, and the reasons of those before it are told."""
    follow(
        Scripted("kubelet", clock, *[REFUSED] * 9),
        Scripted("apiserver", clock, AWAY, pods("a")),
        Scripted("files", clock, *[pods("b")] * 9),
    )
    assert changes(log) == [("warning", None, "files"), ("warning", "files", "apiserver")]
    assert [entry["problem"].count(";") for entry in log] == [1, 0]


def test_owner_that_is_not_asked_for_now_is_asked_for_with_the_next_listing(
    clock: Clock, directory: Directory, follow: Follow
) -> None:
    """Be it the same; until then the workload is not known, and afterwards nothing is asked."""
    same = pods("a", owner=Owner(api_version="apps/v1", kind="ReplicaSet", name="web-1"))
    answers: list[Owner | None] = [None, Owner(api_version="apps/v1", kind="Deployment", name="web")]
    seen: list[Workload | None] = []

    def owner_of(*_: object) -> Owner | None:
        seen.extend(listed.workload for listed in directory.listing.by_uid.values())
        answer = answers.pop(0)
        if answer is None:
            raise NotNow
        return answer

    follow(Scripted("kubelet", clock, same, same, same, same), owner_of=owner_of)
    assert seen == [None]
    assert directory.listing.by_uid["a"].workload == Workload(kind="Deployment", name="web")
    assert (directory.listing.number, answers) == (2, [])


def test_nothing_is_asked_once_it_is_over(clock: Clock, follow: Follow, log: Log) -> None:
    clock.stop()
    kubelet = Scripted("kubelet", clock, pods("a"))
    follow(kubelet)
    assert (kubelet.begun_s, log) == ([], [])


def test_failure_at_the_end_is_no_change(clock: Clock, follow: Follow, log: Log) -> None:
    """As of a request that the end cut short: no other source is asked then."""

    class Cut(Scripted):
        def listings(self) -> Iterator[tuple[Pod, ...]]:
            yield pods("a")
            clock.stop()
            raise AWAY

    apiserver = Scripted("apiserver", clock, pods("a"))
    follow(Cut("kubelet", clock), apiserver)
    assert apiserver.begun_s == []
    assert changes(log) == [("info", None, "kubelet")]


def test_source_that_lists_no_pod_at_all_is_followed_and_doubted(clock: Clock, follow: Follow, log: Log) -> None:
    """As the API server does when it is asked for a node by a wrong name."""
    followed = follow(Scripted("apiserver", clock, ()))
    assert followed.status.source == "apiserver"
    assert "no pod on this node" in followed.status.problem
    assert "--node" in followed.status.remedy
    assert [entry["log_level"] for entry in log] == ["warning"]
