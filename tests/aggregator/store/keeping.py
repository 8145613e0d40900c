"""Batches for tests of the store, with the least that a test must say, and where to keep them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from aggregator.store.store import Store
from aggregator.store.values import Outcome, Received
from kinwatch.batch import BatchKey
from kinwatch.snapshot import Window

START = datetime(2026, 11, 23, 9, 46, tzinfo=UTC)
STORED, DUPLICATE, CONFLICT = Outcome.STORED, Outcome.DUPLICATE, Outcome.CONFLICT
BOOT = "2f5d1f0a-6b8a-4f0e-9f0b-5a1d2c3e4f50"


def window(number: int, *, seconds: float = 30) -> Window:
    """The window with that number since START."""
    return Window(start=START + timedelta(seconds=number * seconds), seconds=seconds)


def batch(
    sequence: int,
    *,
    node: str = "node-1",
    boot: str = BOOT,
    number: int | None = None,
    body: bytes | None = None,
    late: bool = False,
    received_at: datetime | None = None,
) -> Received:
    """A batch as it came, of the window with its sequence's number unless told, at that window's end."""
    of = window(sequence if number is None else number)
    return Received(
        key=BatchKey(node=node, boot=boot, sequence=sequence),
        window=of,
        late=late,
        body=body or body_of(node, boot, sequence),
        received_at=received_at or of.end,
        authenticated_as="system:serviceaccount:kinwatch:agent",
    )


def body_of(node: str, boot: str, sequence: int, *, size: int = 300) -> bytes:
    """Bytes that no other batch has, and that can be told from the key alone."""
    return hashlib.shake_128(f"{node} {boot} {sequence}".encode()).digest(size)


class Place:
    """Where a store can be opened, and opened again: what was opened is closed at the end."""

    def __init__(self, url: str | None, data_dir: Path) -> None:
        self.url = url
        self.data_dir = data_dir
        self._stores: list[Store] = []

    def open(self) -> Store:
        """Open the store."""
        store = Store.open(self.url, self.data_dir)
        self._stores.append(store)
        return store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for store in self._stores:
            store.close()


def everything(store: Store) -> list[Received]:
    """Every batch that is stored, window by window."""
    return [one for kept in store.windows() for one in store.batches_of(kept.window)]


def keys(batches: Iterable[Received]) -> list[tuple[str, str, int]]:
    """Node, boot and sequence of each."""
    return [(one.key.node, one.key.boot, one.key.sequence) for one in batches]
