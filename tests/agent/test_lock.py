"""One agent runs on a node at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.lock import only_agent
from kinwatch.errors import NodeError

HOLDER = """
import sys, time
from pathlib import Path
from agent.lock import only_agent
with only_agent(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_lock_has_one_holder_and_names_it(tmp_path: Path) -> None:
    with holder(tmp_path) as other:
        with pytest.raises(NodeError, match=rf"process {other.pid}\b.*kill {other.pid}"), only_agent(tmp_path):
            pass
        other.communicate()
    with only_agent(tmp_path):
        assert (tmp_path / "agent.lock").read_text() == str(os.getpid())


def test_lock_of_a_killed_holder_is_free(tmp_path: Path) -> None:
    with holder(tmp_path) as other:
        other.send_signal(signal.SIGKILL)
        other.communicate()
    with only_agent(tmp_path):
        pass


def test_lock_is_free_after_an_error_inside(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), only_agent(tmp_path):
        raise ZeroDivisionError
    with only_agent(tmp_path):
        pass


def test_lock_makes_its_folder_or_says_where_it_could_not(tmp_path: Path) -> None:
    with only_agent(tmp_path / "deep/down"):
        assert (tmp_path / "deep/down/agent.lock").exists()
    (tmp_path / "file").touch()
    with pytest.raises(NodeError, match=r"opening .*file/agent\.lock"), only_agent(tmp_path / "file"):
        pass
