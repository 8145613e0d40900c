"""
Keep the pods of this node up to date by what the API server lists and by the events that follow.

Flow: watch -> **known** -> apiserver. Pure.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from agent.pods.pod import Pod, pod_of, pods_of
from kinwatch.apiserver.refused import Asked, UnreadableError, refused

WATCHING: Final = Asked(doing="watch pods", permission="the verbs `list` and `watch` on `pods`, in a ClusterRole")
_ANY: Final = "0"
"""The version that asks for whatever the API server has at hand, without asking its store."""


class Known:
    """The pods as of one version of the API server's store."""

    def __init__(self) -> None:
        self.version: str | None = None
        """Up to where events were taken; None: the pods are to be listed first."""
        self.at_least: str | None = _ANY
        """How new a list has to be; None: the newest that there is."""
        self.counts: Counter[str] = Counter()
        """Events taken, by type."""
        self._pods: dict[tuple[str, str], Pod] = {}
        self._told: tuple[Pod, ...] = ()

    @property
    def pods(self) -> tuple[Pod, ...]:
        """All of them; the same tuple as before if nothing has changed."""
        now = tuple(self._pods.values())
        if now != self._told:
            self._told = now
        return self._told

    def forget(self) -> None:
        """What is known is too old, or not to be trusted: list anew, but nothing older than this."""
        self.version = None

    def listed(self, pages: Iterable[Any]) -> None:
        """Take a list for all that is known; raises PodFormatError if it is none."""
        pods: dict[tuple[str, str], Pod] = {}
        version = None
        for page in pages:
            pods |= {_key(pod): pod for pod in pods_of(page)}
            version = str(page["metadata"]["resourceVersion"])
        self._pods = pods
        self.version = self.at_least = version

    def take(self, line: bytes) -> None:
        """Take a line of a watch; raises RefusedError if it ends the watch, and UnreadableError if it is no event."""
        try:
            event = json.loads(line)
            if event["type"] == "ERROR":
                raise refused(int(event["object"].get("code") or 0), event["object"], asked=WATCHING)
            self._apply(event["type"], event["object"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnreadableError("with a line that is no event", asked=WATCHING) from error

    def _apply(self, kind: str, item: Any) -> None:
        version = str(item["metadata"]["resourceVersion"])
        if kind == "DELETED":
            self._pods.pop((item["metadata"]["namespace"], item["metadata"]["name"]), None)
        elif kind != "BOOKMARK":
            pod = pod_of(item)
            self._pods[_key(pod)] = pod
        self.version = self.at_least = version
        self.counts[kind] += 1


def _key(pod: Pod) -> tuple[str, str]:
    """Unlike its uid, this is the same for what the API server and the node know a static pod by."""
    return pod.namespace, pod.name
