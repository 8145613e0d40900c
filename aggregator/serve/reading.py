"""
What can be read of the store over HTTP.

Flow: app -> **reading** -> store. Who reads is asked for each path.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from aggregator.serve.access import Access
from aggregator.serve.refused import not_stored
from aggregator.store.faults import StoreError
from aggregator.store.values import NodeSeen

NODES: Final = "/v1/nodes"
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"description": "It is not known who reads."},
    403: {"description": "Who reads may not read this path."},
    503: {"description": "The store can't be read now; try again after Retry-After."},
}


class Reading(Protocol):
    """What is read: the store, as far as it is asked here."""

    def nodes(self) -> Sequence[NodeSeen]:
        """Each node that sent something, by name; raises StoreError."""


class Node(BaseModel):
    """What a node last sent."""

    node: str
    boot: str = Field(description="Its boot id: sequences count anew with each.")
    window_start: datetime
    window_seconds: float
    sequence: int = Field(description="The greatest that came.")
    last_seen: datetime = Field(description="When a batch came last, be it one that was stored before.")
    stored: int = Field(description="Batches of this boot that were stored.")
    missing: int = Field(description="Batches of this boot, up to `sequence`, that never came.")
    conflicts: int = Field(description="How often another batch came under a key that was taken.")


class Nodes(BaseModel):
    """All nodes, by name."""

    nodes: list[Node]


def reading_router(store: Reading, access: Access) -> APIRouter:
    """The paths."""
    router = APIRouter()

    @router.get(NODES, responses=_ANSWERS, summary="What each node last sent")
    async def nodes(request: Request) -> Nodes:
        await access.reader(request)
        try:
            seen = await asyncio.to_thread(store.nodes)
        except StoreError as error:
            raise not_stored(error) from error
        return Nodes(nodes=[_node(one) for one in seen])

    return router


def _node(seen: NodeSeen) -> Node:
    return Node(
        node=seen.node,
        boot=seen.boot,
        window_start=seen.last_window.start,
        window_seconds=seen.last_window.seconds,
        sequence=seen.last_sequence,
        last_seen=seen.last_seen,
        stored=seen.stored,
        missing=max(seen.last_sequence - seen.stored, 0),
        conflicts=seen.conflicts,
    )
