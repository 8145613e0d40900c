"""
Rows as each revision of the tables held them: what an upgrade has to keep.

Of a new revision, add a sample of its own tables here; those before it stay as they are.
"""

from __future__ import annotations

from typing import Any

Rows = dict[str, list[dict[str, Any]]]

SAMPLES: dict[str, Rows] = {
    "0001": {
        "batches": [
            {
                "node": "node-1",
                "boot": "2f5d1f0a-6b8a-4f0e-9f0b-5a1d2c3e4f50",
                "sequence": 1,
                "window_start": 1_795_427_160_000_000,
                "window_length": 30_000_000,
                "received_at": 1_795_427_191_123_456,
                "late": False,
                "authenticated_as": None,
                "body": b"\x00body\xff",
            }
        ],
        "windows": [
            {
                "start": 1_795_427_160_000_000,
                "length": 30_000_000,
                "batches": 1,
                "bytes": 6,
                "first_received_at": 1_795_427_191_123_456,
                "last_received_at": 1_795_427_191_123_456,
                "judged_at": 1_795_427_200_000_000,
                "forgotten_at": None,
            }
        ],
        "nodes": [
            {
                "node": "node-1",
                "boot": "2f5d1f0a-6b8a-4f0e-9f0b-5a1d2c3e4f50",
                "last_window_start": 1_795_427_160_000_000,
                "last_window_length": 30_000_000,
                "last_sequence": 1,
                "last_seen": 1_795_427_191_123_456,
                "stored": 1,
                "conflicts": 2,
            }
        ],
    },
}
