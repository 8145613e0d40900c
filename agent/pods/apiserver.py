"""
Tell the pods of this node from the API server: list them, then follow what changes.

Flow: connection -> **apiserver** -> sources. Asks for the pods of one node, never for those of the cluster: agents that
do bring the API server down.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from agent.pods.known import WATCHING, Known
from agent.pods.pace import Pace
from agent.pods.pod import Pod, PodFormatError
from agent.pods.watch import Watch
from kinwatch.apiserver.answer import OK
from kinwatch.apiserver.connection import Connection
from kinwatch.apiserver.refused import Asked, RefusedError, UnreadableError
from kinwatch.errors import PeerError

PODS: Final = "/api/v1/pods"
LISTING: Final = Asked(doing="list pods", permission=WATCHING.permission)
PAGE: Final = 500
"""Pods on a page of a list that comes from the store; a node has 110 by default."""
WATCH_S: Final = 50
"""After so many seconds the API server ends a watch, which is resumed. Bookmarks come about every minute, and at the
end: so the version to resume from is never older than this."""
GRACE_S: Final = 10
"""Silence beyond that, after which the connection is taken for dead."""
QUIET_S: Final = 20
"""How long nothing is told at most while all is well. When all fails, the caller is back after about a minute."""
GLANCE_S: Final = 1.0
"""How long it takes at most to see that it is over."""
BETWEEN_S: Final = 1.0
"""Between two watches, so that an API server which ends them at once isn't asked without pause."""
RESTS_S: Final = (1.0, 2.0, 4.0)
"""After the first failures in a row; the next one is raised."""
REST_MAX_S: Final = 20.0
"""Longest that the API server may ask to be left alone (Retry-After); if it is longer, that is raised."""

_NODE_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
"""A DNS subdomain (apimachinery/pkg/util/validation). With none, the field selector would ask for pods of no node."""


class ApiServer:
    """The pods of a node, from the API server (a Source)."""

    name = "apiserver"

    def __init__(self, connection: Connection, *, node: str, pace: Pace) -> None:
        self._connection = connection
        self._node = node
        self._pace = pace
        self.counts: Counter[str] = Counter()
        """`lists` and `watches` begun, `expired` ones that led to a new list, `failures` that were borne or raised."""

    def listings(self) -> Iterator[tuple[Pod, ...]]:
        """All pods of the node: at once, after every change, and every 20 s (see Source)."""
        self._connection.renew()
        known = Known()
        failures = 0
        while not self._pace.stopped:
            try:
                if known.version is None:
                    self._list(known)
                    yield known.pods
                for pods in self._watched(known):
                    failures = 0
                    yield pods
            except PeerError as error:
                failures += 1
                self._bear(error, failures)
                if _is_about_data(error):
                    known.forget()
            else:
                self._pace.rest(BETWEEN_S)

    def _list(self, known: Known) -> None:
        self.counts["lists"] += 1
        try:
            known.listed(self._pages(known.at_least))
        except (PodFormatError, KeyError, TypeError, AttributeError) as error:
            raise UnreadableError(f"what is no list of pods ({error})", asked=LISTING) from error
        except RefusedError as error:
            if error.expired:
                known.at_least = None
            raise

    def _pages(self, at_least: str | None) -> Iterator[Any]:
        """The pages of a list; from the API server's memory if an age is given, which has it in one piece."""
        page = {"limit": str(PAGE)} if at_least is None else {"resourceVersion": at_least}
        while True:
            document = self._connection.get(PODS, self._of_node(page)).document(LISTING)
            yield document
            rest = document["metadata"].get("continue")
            if not rest:
                return
            page = {"limit": str(PAGE), "continue": rest}

    def _watched(self, known: Known) -> Iterator[tuple[Pod, ...]]:
        """What one watch tells, until it ends; what it told is in `known` even if it breaks off."""
        with self._watch(known) as watch:
            quiet_s = 0.0
            while not watch.over and not self._pace.stopped:
                lines = watch.batch(GLANCE_S)
                for line in lines:
                    known.take(line)
                quiet_s = 0.0 if lines else quiet_s + GLANCE_S
                if lines or watch.over or quiet_s >= QUIET_S:
                    quiet_s = 0.0
                    yield known.pods

    def _watch(self, known: Known) -> Watch:
        self.counts["watches"] += 1
        query = {
            "watch": "true",
            "resourceVersion": known.version or "",
            "timeoutSeconds": str(WATCH_S),
            "allowWatchBookmarks": "true",
        }
        answer = self._connection.get(PODS, self._of_node(query), read_s=WATCH_S + GRACE_S)
        if answer.status != OK:
            answer.document(WATCHING)
        return Watch(answer)

    def _of_node(self, query: dict[str, str]) -> dict[str, str]:
        if not _NODE_NAME.fullmatch(self._node):
            raise PeerError(
                f"{self._node!r} is no name of a Kubernetes node",
                remedy="give it by --node, as `kubectl get nodes` shows it",
                lasting=True,
            )
        return {"fieldSelector": f"spec.nodeName={self._node}", **query}

    def _bear(self, error: PeerError, failures: int) -> None:
        """Rest after a failure that may pass; raise one that won't, or that is one too many."""
        self.counts["failures"] += 1
        wanted_s = error.retry_after_s if isinstance(error, RefusedError) else 0
        if error.lasting or failures > len(RESTS_S) or wanted_s > REST_MAX_S:
            raise error
        if isinstance(error, RefusedError) and error.expired:
            self.counts["expired"] += 1
            if failures == 1:
                return
        self._pace.rest(max(RESTS_S[failures - 1], wanted_s))


def _is_about_data(error: PeerError) -> bool:
    """Whether what is known can't be gone on from."""
    return isinstance(error, UnreadableError) or (isinstance(error, RefusedError) and error.expired)
