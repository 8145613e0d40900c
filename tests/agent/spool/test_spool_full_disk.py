"""
A disk that is full for real: a small tmpfs, which another file fills, in a mount namespace of the test's own.

Root is not needed where the kernel lets everyone make a user namespace.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("spool_full_disk")  # one worker, since all tests read one answer
NAMESPACE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("full")
    tried = subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"a file system of its own can't be mounted here: {tried.stderr.decode()}")
    ran = subprocess.run(
        [*NAMESPACE, sys.executable, Path(__file__).with_name("spool_full_disk.py"), folder],
        check=True,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    *logs, last = ran.stdout.decode().splitlines()
    return json.loads(last) | {"logs": logs}


def test_a_full_disk_is_said_once(told: dict[str, Any]) -> None:
    said = [line for line in told["logs"] if "spool_unwritable" in line]
    assert len(said) == 2, "once in each of the two lives"
    assert all("ENOSPC" in line and "make room" in line for line in said)
    assert sum("spool_writable" in line for line in told["logs"]) == 1


def test_what_the_disk_does_not_take_is_held_within_its_bound(told: dict[str, Any]) -> None:
    full = told["full"]
    assert full["unwritable"] == "ENOSPC"
    assert (full["held"], full["held_bytes"]) == (10, 50_000)
    assert full["records"] + full["dropped"] == 100
    assert full["dropped_otherwise"] == 0


def test_a_full_disk_is_read_and_acknowledged_as_ever(told: dict[str, Any]) -> None:
    assert told["still_full"]["records"] == told["full"]["records"] - 5
    assert told["delivered"][:5] == [1, 2, 3, 4, 5]


def test_a_restart_on_a_full_disk_tells_what_memory_held(told: dict[str, Any]) -> None:
    assert told["at_restart"]["records"] == told["still_full"]["records"] - 10
    assert told["at_restart"]["dropped"] == 10
    assert told["incarnations"] == 1


def test_it_recovers_by_itself(told: dict[str, Any]) -> None:
    assert told["mended"]["unwritable"] is None
    assert told["mended"]["held"] == 0


def test_what_did_not_arrive_was_told(told: dict[str, Any]) -> None:
    assert told["delivered"] == sorted(set(told["delivered"]))
    assert told["told"] == told["appended"] - len(told["delivered"])
