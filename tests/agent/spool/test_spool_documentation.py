"""What docs/spool.md says is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from agent.spool import Reason, SpoolLimits, layout
from agent.spool.ledger import SLOT, SLOTS
from agent.spool.values import MIB

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/spool.md").read_text(encoding="utf-8")


def test_every_event_in_the_log_is_documented() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "agent/spool").glob("*.py"))
    logged = set(re.findall(r'log\.\w+\(\s*"(\w+)"', sources))
    assert logged
    assert set(re.findall(r"^\| `(spool_\w+)` \|", PAGE, re.MULTILINE)) == logged


def test_every_reason_is_documented() -> None:
    assert all(f"`{reason}`" in PAGE for reason in Reason)


def test_the_bounds_are_those_of_the_page() -> None:
    limits = SpoolLimits()
    assert f"| bytes of all files | {limits.bytes // MIB} MiB |" in PAGE
    assert f"| {limits.age_s / 3600:.0f} hours |" in PAGE
    assert f"| bytes in memory while the disk takes nothing | {limits.held_bytes // MIB} MiB |" in PAGE
    assert f"one in {limits.segment_bytes // MIB} MiB or in an hour" in PAGE
    assert limits.segment_s == 3600


def test_the_sizes_are_those_of_the_page() -> None:
    assert f"format version {layout.VERSION}" in PAGE
    assert f"A segment begins with {layout.SEGMENT_HEAD} bytes" in PAGE
    assert f"A record has {layout.RECORD_HEAD} bytes and its body" in PAGE
    assert f"A slot of the ledger has {SLOT} bytes" in PAGE
    assert SLOT * SLOTS == 8 << 10
