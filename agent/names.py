"""
Tell who the containers of pods are, from what the kubelet or the API server says of them.

Flow: pods, selection -> **names** -> naming. Decides nothing by time but one thing: when a pod has only a sandbox.

A sandbox (pause) container is in no pod's status. It is the first container that a runtime makes in a pod; so where a
pod's oldest container is not listed and another one is, the oldest is the sandbox. Nobody who gets into a pod can make
a container older than those that are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from agent.pods.directory import Directory, Known, Listing
from agent.pods.pod import WATCH, Pod
from agent.selection import Rules
from agent.values import Answer, Candidate, Named, Unwanted
from kinwatch.snapshot import Replica

LONELY_S: Final = 30.0
"""How long the oldest container of a pod in which by its status nothing runs is awaited, in seconds, before it counts
as the sandbox of a pod that can't start: far longer than the kubelet takes to list one."""

SANDBOX: Final = Unwanted(why="sandbox")
EXCLUDED: Final = Unwanted(why="excluded")
ANNOTATION: Final = Unwanted(why="annotation")
AGENT: Final = Unwanted(why="agent")


class PodNames:
    """Who the containers of this node's pods are."""

    def __init__(self, directory: Directory, *, rules: Callable[[], Rules], own_root: str | None) -> None:
        """`own_root` is the cgroup of the agent's own container, which is not watched."""
        self._directory = directory
        self._rules = rules
        self._own_root = own_root
        self._lonely_since_s: dict[str, float] = {}

    def version(self) -> object:
        """Equal as long as no answer can have changed but by time."""
        return self._directory.listing.number, self._rules()

    def answers(self, candidates: Sequence[Candidate], *, now_s: float) -> Mapping[str, Answer]:
        """Who each of the containers that are there is, by its root. Takes all of them: they tell of each other."""
        listing = self._directory.listing
        pods = _Siblings(candidates, listing)
        answers = {one.subject.root: self._answer(one, listing) for one in candidates}
        unlisted = [one for one in candidates if answers[one.subject.root] is None and not _known(one, listing)]
        is_fresh = self._directory.is_fresh(at_s=now_s)  # else a restarted container may run by now
        lonely = {one.subject.root for one in unlisted if is_fresh and pods.is_lonely(one)}
        self._lonely_since_s = {root: self._lonely_since_s.get(root, now_s) for root in lonely}
        for one in unlisted:
            root = one.subject.root
            if pods.is_sandbox(one) or now_s - self._lonely_since_s.get(root, now_s) >= LONELY_S:
                answers[root] = SANDBOX
        return answers

    def running(self, *, since: datetime) -> Iterator[Named]:
        """The containers that run by their pods' status since before a moment, and are to be watched."""
        for listed in self._directory.listing.by_uid.values():
            for container in listed.pod.containers:
                if container.running_id and container.started and container.started < since:
                    known = Known(pod=listed.pod, container=container, workload=listed.workload)
                    answer = self._named(known, Replica(container_id=container.running_id))
                    if isinstance(answer, Named):
                        yield answer

    def _answer(self, candidate: Candidate, listing: Listing) -> Answer:
        subject = candidate.subject
        if subject.root == self._own_root:
            return AGENT
        if subject.resolved:
            return Named(replica=subject.replica, workload=subject.workload)
        known = _known(candidate, listing)
        return self._named(known, subject.replica) if known else self._of_pod(listing, subject.replica.pod_uid)

    def _of_pod(self, listing: Listing, uid: str | None) -> Answer:
        """What can be said of a container that is not listed, from its pod."""
        listed = listing.by_uid.get(uid or "")
        return ANNOTATION if listed and _is_to_be_left(listed.pod) else None

    def _named(self, known: Known, found: Replica) -> Answer:
        pod, container = known.pod, known.container
        if _is_to_be_left(pod):
            return ANNOTATION
        if known.workload is None:
            return None
        replica = Replica(
            namespace=pod.namespace,
            pod=pod.name,
            pod_uid=pod.uid,
            container=container.name,
            container_id=found.container_id,
            role=container.role,
            cgroup=found.cgroup,
        )
        if not self._rules().wants(replica, known.workload, pod.labels):
            return EXCLUDED
        return Named(replica=replica, workload=known.workload)


def _known(candidate: Candidate, listing: Listing) -> Known | None:
    """What is listed of a container; None where its path and the listing contradict each other, too."""
    replica = candidate.subject.replica
    known = listing.by_container.get(replica.container_id or "")
    return known if known and known.pod.uid == replica.pod_uid else None


def _is_to_be_left(pod: Pod) -> bool:
    return pod.annotations.get(WATCH) == "false"


class _Siblings:
    """What the containers of a pod tell of each other."""

    def __init__(self, candidates: Iterable[Candidate], listing: Listing) -> None:
        self._listing = listing
        self._oldest: dict[str, int] = {}
        self._with_listed: set[str] = set()
        for candidate in candidates:
            replica = candidate.subject.replica
            uid = replica.pod_uid or ""
            self._oldest[uid] = min(candidate.born, self._oldest.get(uid, candidate.born))
            if _known(candidate, listing):
                self._with_listed.add(uid)

    def is_sandbox(self, unlisted: Candidate) -> bool:
        """Whether a container that is not listed is the oldest of its pod, and one of them is listed."""
        uid = unlisted.subject.replica.pod_uid or ""
        return uid in self._with_listed and unlisted.born == self._oldest[uid]

    def is_lonely(self, unlisted: Candidate) -> bool:
        """Whether it is the oldest of its pod, and by the pod's status no container of it runs."""
        uid = unlisted.subject.replica.pod_uid or ""
        listed = self._listing.by_uid.get(uid)
        return (
            listed is not None
            and not any(container.running_id for container in listed.pod.containers)
            and unlisted.born == self._oldest[uid]
        )
