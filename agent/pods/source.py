"""
What a source of pods promises; the kubelet and the API server are two.

Flow: kubelet, apiserver -> **source** -> sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from agent.pods.pod import Owner, Pod


class NotNow(Exception):  # noqa: N818 - it is no error
    """A question was not asked now, so as not to ask too often: it is to be put again later."""


class Source(Protocol):
    """Somewhere the pods of this node are told."""

    @property
    def name(self) -> str:
        """What it is called in the log: `kubelet`, `apiserver`."""

    def listings(self) -> Iterator[tuple[Pod, ...]]:
        """
        All pods of this node, again and again: at once, then whenever something may have changed.

        Never ends by itself; waits between two listings, at most a minute. Raises PeerError when it can't go on;
        called anew, it begins anew.
        """


class Owners(Protocol):
    """Somewhere it can be asked whom an object belongs to."""

    def owner_of(self, owned: Owner, namespace: str) -> Owner | None:
        """The controller of an object; None if it has none or it can't be told. Raises NotNow to be asked again."""
