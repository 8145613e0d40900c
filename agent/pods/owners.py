"""
Ask the API server whom an object belongs to, seldom, and remember what it said.

Flow: connection -> **owners** -> workload. One object is asked for by its name; nothing is listed or watched.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import structlog

from agent.pods.pod import Owner, controller_of
from agent.pods.source import NotNow, Owners
from kinwatch.apiserver.connection import Connection
from kinwatch.apiserver.refused import Asked, UnreadableError
from kinwatch.errors import PeerError

KEPT: Final = 4096
"""Answers kept; beyond, the one that was needed longest ago is dropped and counted."""
KEPT_S: Final = 3600.0
"""How long an answer holds: the controller of a ReplicaSet or a Job hardly ever changes."""
REFUSED_S: Final = 300.0
"""How long a question that was refused, or that failed, is not asked again."""
BURST: Final = 20
PER_S: Final = 1.0
"""Questions in a row, and per second from then on: a node's pods have a few dozen owners, and all agents may ask."""
REASONS_KEPT: Final = 64
"""Reasons that were logged, and are not logged again while they are kept."""

METADATA: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
"""Metadata alone; the second is for API servers behind the API server that can't."""

_PLURALS: Final = {
    ("", "ReplicationController"): "replicationcontrollers",
    ("apps", "DaemonSet"): "daemonsets",
    ("apps", "Deployment"): "deployments",
    ("apps", "ReplicaSet"): "replicasets",
    ("apps", "StatefulSet"): "statefulsets",
    ("argoproj.io", "Rollout"): "rollouts",
    ("argoproj.io", "Workflow"): "workflows",
    ("batch", "CronJob"): "cronjobs",
    ("batch", "Job"): "jobs",
}
"""Group and kind -> resource. What isn't here is not asked for: how it is spelled in an address can't be known."""
_VERSION: Final = re.compile(r"v[0-9]+((alpha|beta)[0-9]+)?")
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
"""A DNS subdomain. Owner references are written by whoever makes a pod: `../secrets` must not get into an address."""
_NOT_FOUND: Final = 404

log = structlog.get_logger()


class ApiOwners:
    """Owners as the API server knows them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def owner_of(self, owned: Owner, namespace: str) -> Owner | None:
        """
        The controller of an object; None if it has none, if it is gone, or if it is of a kind that is not asked for.

        Raises PeerError when it can't be told.
        """
        question = _question(owned, namespace)
        if question is None:
            return None
        path, asked = question
        answer = self._connection.get(path, accept=METADATA)
        if answer.status == _NOT_FOUND:
            answer.close()
            return None
        try:
            return controller_of(answer.document(asked)["metadata"])
        except (KeyError, TypeError, AttributeError) as error:
            raise UnreadableError("what is no object", asked=asked) from error


class CachedOwners:
    """Owners, asked seldom and remembered; for one thread. What it asks raises PeerError when it can't tell."""

    def __init__(
        self,
        inner: Owners,
        *,
        monotonic_s: Callable[[], float],
        kept: int = KEPT,
        kept_s: float = KEPT_S,
        refused_s: float = REFUSED_S,
    ) -> None:
        self._inner = inner
        self._monotonic_s = monotonic_s
        self._kept = kept
        self._kept_s = kept_s
        self._refused_s = refused_s
        self._answers: OrderedDict[tuple[Owner, str], _Answer] = OrderedDict()
        self._bucket = _Bucket(at_s=monotonic_s())
        self._reasons: set[str] = set()
        self.counts: Counter[str] = Counter()
        """Questions `asked`, of them `refused` (or failed); `deferred` ones; answers `dropped` for want of room."""

    def owner_of(self, owned: Owner, namespace: str) -> Owner | None:
        """The controller of an object; None if it has none or it can't be told. Raises NotNow to be asked again."""
        now_s = self._monotonic_s()
        for key in ((owned, namespace), _of_its_kind(owned, namespace)):
            if (answer := self._remembered(key, now_s)) is not None:
                return answer.owner
        if not self._bucket.take(now_s):
            self.counts["deferred"] += 1
            raise NotNow
        return self._ask(owned, namespace, now_s)

    def _ask(self, owned: Owner, namespace: str, now_s: float) -> Owner | None:
        self.counts["asked"] += 1
        try:
            owner = self._inner.owner_of(owned, namespace)
        except PeerError as error:
            self._tell(error)
            # What lasts, a permission most often, holds for all objects of the kind in the namespace.
            key = _of_its_kind(owned, namespace) if error.lasting else (owned, namespace)
            self._remember(key, _Answer(owner=None, until_s=now_s + self._refused_s))
            return None
        self._remember((owned, namespace), _Answer(owner=owner, until_s=now_s + self._kept_s))
        return owner

    def _remembered(self, key: tuple[Owner, str], now_s: float) -> _Answer | None:
        answer = self._answers.get(key)
        if answer is None or answer.until_s <= now_s:
            return None
        self._answers.move_to_end(key)
        return answer

    def _remember(self, key: tuple[Owner, str], answer: _Answer) -> None:
        self._answers[key] = answer
        self._answers.move_to_end(key)
        if len(self._answers) > self._kept:
            self._answers.popitem(last=False)
            self.counts["dropped"] += 1

    def _tell(self, error: PeerError) -> None:
        """Log a reason once: known by its remedy, since the problem may have an object's name in it."""
        self.counts["refused"] += 1
        if error.remedy in self._reasons:
            return
        if len(self._reasons) == REASONS_KEPT:
            self._reasons.clear()
        self._reasons.add(error.remedy)
        log.warning("owner_not_told", problem=error.problem, remedy=error.remedy)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    owner: Owner | None
    until_s: float


class _Bucket:
    """A token bucket."""

    def __init__(self, *, at_s: float) -> None:
        self._tokens = float(BURST)
        self._at_s = at_s

    def take(self, now_s: float) -> bool:
        """Take a token; False if there is none."""
        self._tokens = min(BURST, self._tokens + (now_s - self._at_s) * PER_S)
        self._at_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def _of_its_kind(owned: Owner, namespace: str) -> tuple[Owner, str]:
    """Key for all objects of a kind in a namespace: no object has an empty name."""
    return replace(owned, name=""), namespace


def _question(owned: Owner, namespace: str) -> tuple[str, Asked] | None:
    """Address of an object, and what it takes to ask for it; None if it can't be asked for."""
    group, _, version = owned.api_version.rpartition("/")
    plural = _PLURALS.get((group, owned.kind))
    if plural is None or not _VERSION.fullmatch(version) or not all(map(_NAME.fullmatch, (owned.name, namespace))):
        return None
    resource = f"{plural}.{group}" if group else plural
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    return f"{root}/namespaces/{namespace}/{plural}/{owned.name}", Asked(
        doing=f"get {resource}",
        permission=f"the verb `get` on `{resource}` in the namespace {namespace}, best in a ClusterRole",
    )
