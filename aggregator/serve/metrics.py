"""
Count what passes through the server, for Prometheus.

Flow: beside it. Each metric has its row in docs/api.md. What others keep, such as the number of connections, is asked
for when Prometheus asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

import prometheus_client as prometheus
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from aggregator.store.values import Outcome

PREFIX: Final = "kinwatch_aggregator"
"""Of each name but those of the process, which are called alike in all programs."""
LOST: Final = ("windows", "batches", "bytes", "replicas", "threads")
"""What nodes may have lost, by NodeCoverage; whatever else a node writes there is `other`."""
ANSWER_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of one aggregator, on a registry of their own."""

    def __init__(self, *, version: str) -> None:
        self.registry = registry = prometheus.CollectorRegistry()
        counter = partial(prometheus.Counter, namespace=PREFIX, registry=registry)
        prometheus.Info(PREFIX, "What runs.", registry=registry).info({"version": version})
        self._batches = counter("batches", "Batches answered, by what became of them.", ["outcome"])
        self._refused = counter("refused", "Requests refused, by the reason in their answer.", ["reason"])
        self._lost = counter("lost", "What nodes say they have lost.", ["what"])
        self.body_bytes = counter("body_bytes", "Bytes of the bodies that were stored.")
        self.gone = counter("gone", "Senders that went away in the middle of a body.")
        self.missing = counter("batches_missing", "Batches that were jumped over in the sequence of their node.")
        self.found = counter("batches_found", "Of the missing ones, those that came later.")
        self.not_judged = counter("not_judged", "Stored batches that the judgement had no room for.")
        self.forgotten = counter("forgotten", "Batches that retention took away.")
        self.forgotten_unjudged = counter("forgotten_unjudged", "Windows that went before they were judged.")
        self.retention_failed = counter("retention_failed", "Times that retention could not do its work.")
        self.answer_s = prometheus.Histogram(
            "answer_seconds",
            "How long it took to store a batch, from its headers to its answer.",
            namespace=PREFIX,
            registry=registry,
            buckets=ANSWER_BUCKETS_S,
        )
        self._begin_at_zero()
        prometheus.ProcessCollector(registry=registry)

    def answered(self, outcome: Outcome, *, body_bytes: int, took_s: float) -> None:
        """A batch is stored, now or before."""
        self._batches.labels(outcome=outcome.value).inc()
        self.answer_s.observe(took_s)
        if outcome is Outcome.STORED:
            self.body_bytes.inc(body_bytes)

    def refused(self, reason: str) -> None:
        """A request was refused."""
        self._refused.labels(reason=reason).inc()

    def lost_by_nodes(self, lost: Mapping[str, int]) -> None:
        """A node has lost something."""
        for what, count in lost.items():
            self._lost.labels(what=what if what in LOST else "other").inc(count)

    def gauge(self, name: str, what: str, ask: Callable[[], float]) -> None:
        """Have a value asked for when Prometheus asks."""
        prometheus.Gauge(name, what, namespace=PREFIX, registry=self.registry).set_function(ask)

    def counted(self, name: str, what: str, ask: Callable[[], float]) -> None:
        """Have a count asked for when Prometheus asks."""
        self.registry.register(_Counted(f"{PREFIX}_{name}", what, ask))

    def exposition(self) -> bytes:
        """All of them as text."""
        return prometheus.generate_latest(_WithoutBirths(self.registry))

    def _begin_at_zero(self) -> None:
        """Have each series there from the start: Prometheus sees no rise from nothing to one."""
        for outcome in Outcome:
            self._batches.labels(outcome=outcome.value)
        for what in (*LOST, "other"):
            self._lost.labels(what=what)


class _Counted(Collector):
    """A count that others keep."""

    def __init__(self, name: str, what: str, ask: Callable[[], float]) -> None:
        self._name, self._what, self._ask = name, what, ask

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(self._name, self._what, value=self._ask())


class _WithoutBirths(CollectorRegistry):
    """All but the `_created` series, a second one beside each, which the client library would have."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__()
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():  # made anew for whoever asks
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric
