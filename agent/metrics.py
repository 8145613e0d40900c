"""
Count what passes through the loop, for Prometheus.

Flow: loop -> **metrics** -> health. Takes the snapshots that were told and how a window went; no step knows of it.
What else is to be counted is put on `registry`. Each metric has its row in docs/metrics.md.
"""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final

import prometheus_client as prometheus
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from agent.pods.sources import Status
from kinwatch.aspects import Aspect
from kinwatch.snapshot import Snapshot, Window

PREFIX: Final = "kinwatch_agent"
"""Of each name but those of the process, which are called alike in all programs."""

SOURCES: Final = ("kubelet", "apiserver", "runtime", "given", "none")
"""Who may tell the names: the last but one is the command line, the last is nobody."""
OWNER_QUESTIONS: Final = ("asked", "refused", "deferred", "dropped")
LOST_OF_THE_NODE: Final = ("replicas", "threads")
"""What is lost of nobody in particular: each snapshot of a window repeats it."""
LOST_OF_A_REPLICA: Final = ("arguments", "cwds", "endpoints", "files", "privileges", "processes")
WINDOWS_KEPT: Final = 256
"""Windows for which it is remembered what of the node was counted. Snapshots wait for a name for 61 at most."""
CLOSE_BUCKETS_S: Final = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


class Metrics:
    """The metrics of one agent, on a registry of their own."""

    def __init__(
        self,
        about: Mapping[str, str],
        *,
        window_s: float,
        names: Callable[[], Status],
        owner_questions: Mapping[str, int] | None = None,
    ) -> None:
        """
        `about` are the labels of `kinwatch_agent_info`; `names` is called often, and from any thread.

        `owner_questions` is what became of the questions for owners, by OWNER_QUESTIONS, and is read as it changes;
        None: nobody is asked.
        """
        self.registry = registry = prometheus.CollectorRegistry()
        self._names = names
        self._source = names().source
        self._node_lost: dict[datetime, Count[str]] = {}
        counter = partial(prometheus.Counter, namespace=PREFIX, registry=registry)
        gauge = partial(prometheus.Gauge, namespace=PREFIX, registry=registry)
        histogram = partial(prometheus.Histogram, namespace=PREFIX, registry=registry)
        prometheus.Info(PREFIX, "What runs, and where.", registry=registry).info(dict(about))
        gauge("window_seconds", "Length of a window.").set(window_s)
        self._windows = counter("windows", "Windows closed.")
        self._close_s = histogram("window_close_seconds", "How long closing one took.", buckets=CLOSE_BUCKETS_S)
        self._watched = gauge("replicas_watched", "Replicas watched when the last window was closed.")
        self._waiting = gauge("replicas_waiting", "Replicas whose snapshots wait for a name.")
        self._snapshots = counter("snapshots", "Snapshots told, by whether the workload is known.", ["resolved"])
        self._unseen = counter("unseen", "Snapshots of containers that ought to run here and that nobody saw.")
        self._events = counter("events", "System calls of the replicas.")
        self._lost = counter("lost", "What could not be stored.", ["what"])
        self._truncated = counter("truncated", "Features left out or cut because a bound was reached.", ["aspect"])
        self._names_changes = counter("names_changes", "Changes from one source of names to another, or to none.")
        self._begin_at_zero()
        registry.register(_Asked(names, owner_questions))
        prometheus.ProcessCollector(registry=registry)

    def turned(self) -> None:
        """The loop has turned, as it does some times a second."""
        source = self._names().source
        if source != self._source:
            self._source = source
            self._names_changes.inc()

    def closed(self, *, watched: int, waiting: int, took_s: float) -> None:
        """A window was closed."""
        self._windows.inc()
        self._close_s.observe(took_s)
        self._watched.set(watched)
        self._waiting.set(waiting)

    def told(self, snapshots: Sequence[Snapshot]) -> None:
        """Snapshots went out."""
        for snapshot in snapshots:
            coverage = snapshot.coverage
            self._snapshots.labels(resolved=str(coverage.resolved).lower()).inc()
            self._unseen.inc(_is_unseen(snapshot))
            self._events.inc(coverage.events)
            for what, count in self._lost_anew(snapshot.window, coverage.lost):
                self._lost.labels(what=what).inc(count)
            for aspect, count in coverage.truncated.items():
                self._truncated.labels(aspect=aspect).inc(count)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """All of them as text, in the best format that a client accepts, and the name of that format."""
        encoder, content_type = choose_encoder(accept)
        return encoder(_WithoutBirths(self.registry)), content_type

    def _lost_anew(self, window: Window, lost: Mapping[str, int]) -> Iterator[tuple[str, int]]:
        """What a snapshot says was lost; what was lost of the node only if no other of its window has said so."""
        known = self._node_lost.setdefault(window.start, Count())
        while len(self._node_lost) > WINDOWS_KEPT:
            del self._node_lost[next(iter(self._node_lost))]
        for what, count in lost.items():
            if what not in LOST_OF_THE_NODE:
                yield what, count
            elif count > known[what]:
                yield what, count - known[what]
                known[what] = count

    def _begin_at_zero(self) -> None:
        """Have each series there from the start: Prometheus sees no rise from nothing to one."""
        for resolved in ("true", "false"):
            self._snapshots.labels(resolved=resolved)
        for what in (*LOST_OF_A_REPLICA, *LOST_OF_THE_NODE):
            self._lost.labels(what=what)
        for aspect in Aspect:
            self._truncated.labels(aspect=aspect.value)


class _WithoutBirths:
    """All but the `_created` series, a second one beside each, which the client library would have."""

    def __init__(self, registry: prometheus.CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():  # made anew for whoever asks
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric


class _Asked:
    """What is asked for when Prometheus asks, since others keep it."""

    def __init__(self, names: Callable[[], Status], owner_questions: Mapping[str, int] | None) -> None:
        self._names = names
        self._owner_questions = owner_questions

    def collect(self) -> Iterator[Metric]:
        source = GaugeMetricFamily(f"{PREFIX}_names_source", "1 for who tells the names now.", labels=["source"])
        followed = self._names().source or "none"
        for name in dict.fromkeys((*SOURCES, followed)):
            source.add_metric([name], name == followed)
        yield source
        questions = CounterMetricFamily(
            f"{PREFIX}_owners_questions", "Questions for the owner of an object.", labels=["result"]
        )
        if self._owner_questions is not None:
            for result in OWNER_QUESTIONS:
                questions.add_metric([result], self._owner_questions.get(result, 0))
        yield questions


def _is_unseen(snapshot: Snapshot) -> bool:
    """Whether it is of a container that the kubelet lists, and for which no cgroup was ever found."""
    return snapshot.coverage.observed_s == 0 and snapshot.replica.cgroup is None
