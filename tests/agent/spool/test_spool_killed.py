"""
An agent that is killed at random moments loses no batch, sends them in order, and at most one twice a life.

Nothing is simulated: the process gets SIGKILL, while one thread appends and the other acknowledges.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

KILLS = 100
pytestmark = pytest.mark.xdist_group("spool_killed")  # one worker, since all tests read one journal
Key = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """What all lives did, in their order."""

    appended: list[Key]
    told: int
    stored: list[Key]
    acknowledged: list[Key]


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Journal:
    scratch = tmp_path_factory.mktemp("killed")
    seed = random.randrange(1 << 32)  # noqa: S311 - moments, no secrets
    print(f"seed {seed}")  # noqa: T201 - pytest shows it with a failure
    command = [sys.executable, Path(__file__).with_name("spool_killed.py"), scratch / "spool", scratch / "journal"]
    subprocess.run(
        [*command, str(KILLS), str(seed)], check=True, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    )
    deeds: dict[str, list[Key]] = {"appended": [], "stored": [], "acknowledged": []}
    told = 0
    for line in (scratch / "journal").read_text().splitlines():
        deed, incarnation, sequence, *rest = line.split()
        deeds[deed].append((incarnation, int(sequence)))
        told += sum(map(int, rest))
    return Journal(**deeds, told=told)


def test_every_batch_whose_append_returned_is_delivered(journal: Journal) -> None:
    assert len(journal.appended) > KILLS
    assert set(journal.appended) <= set(journal.stored)


def test_sequences_go_on_from_one_life_to_the_next_without_gap(journal: Journal) -> None:
    (incarnation,) = {incarnation for incarnation, _ in journal.stored}
    first_seen = list(dict.fromkeys(journal.stored))
    assert first_seen == [(incarnation, sequence) for sequence in range(1, len(first_seen) + 1)]


def test_only_what_was_in_flight_at_a_kill_comes_twice(journal: Journal) -> None:
    again = Counter(journal.stored).total() - len(set(journal.stored))
    assert again <= KILLS
    assert max(Counter(journal.acknowledged).values()) <= 2, "killed between acknowledge and the journal"


def test_no_more_is_told_to_be_lost_than_one_torn_batch_a_kill(journal: Journal) -> None:
    """A kill within a write is rare: then the batch whose append did not return is told."""
    assert journal.told <= KILLS
