"""What the doctor says of another agent on the node; it takes no lock from anybody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.doctor.finding import Outcome
from agent.doctor.single import judge, nearest, this_lock
from agent.lock import only_agent


def test_free_lock_is_left_alone(tmp_path: Path) -> None:
    (finding,) = judge(this_lock(tmp_path / "run/kinwatch"))
    assert finding.outcome is Outcome.OK
    assert list(tmp_path.iterdir()) == []


def test_agent_of_this_process_is_no_other(tmp_path: Path) -> None:
    with only_agent(tmp_path):
        (finding,) = judge(this_lock(tmp_path))
    assert finding.outcome is Outcome.OK
    assert "this process" in finding.found


def test_another_agent_is_named_and_goes_on(tmp_path: Path) -> None:
    with only_agent(tmp_path):
        (tmp_path / "agent.lock").write_text("4711")
        (finding,) = judge(this_lock(tmp_path))
    assert finding.outcome is Outcome.WARNING
    assert "process 4711 watches this node" in finding.found
    assert "kill 4711" in finding.remedy


def test_lock_is_free_after_it_was_looked_at(tmp_path: Path) -> None:
    with only_agent(tmp_path):
        pass
    this_lock(tmp_path)
    with only_agent(tmp_path):
        assert (tmp_path / "agent.lock").read_text() == str(os.getpid())


def test_folder_that_can_not_be_is_fatal(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (finding,) = judge(this_lock(tmp_path / "file/below"))
    assert finding.stops
    assert "can't be held: Not a directory" in finding.found
    assert "--run-dir" in finding.remedy


@pytest.mark.parametrize(("folder", "above"), [("a", "a"), ("a/b/c", "a"), ("", "")])
def test_nearest_folder_that_exists(tmp_path: Path, folder: str, above: str) -> None:
    (tmp_path / "a").mkdir()
    assert nearest(tmp_path / folder) == tmp_path / above
