"""
Why the store can't do what was asked of it, and what to do about it.

Flow: beside **store**. Each leaves the store as it was; what was not acknowledged may be added again.

    NodeError
    └── StoreError        what is shown when the aggregator can't start
        ├── StoreFull     no room: answer 507; it recovers by itself when there is room again
        ├── StoreBusy     others were writing for too long: try again
        └── StoreLost     the database can't be reached, or not be read or written: try again, and tell
"""

from __future__ import annotations

from kinwatch.errors import NodeError


class StoreError(NodeError):
    """The store can't do it; nothing of it was done."""


class StoreFull(StoreError):  # noqa: N818 - named by what is so, not by being an error
    """There is no room for another batch."""


class StoreBusy(StoreError):  # noqa: N818 - "
    """The database was busy for longer than one waits for it."""


class StoreLost(StoreError):  # noqa: N818 - "
    """The database can't be reached, read or written."""
