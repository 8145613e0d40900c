"""What the doctor says of the state that container runtimes keep on disk."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.cgroups import UNIFIED, Hierarchy
from agent.doctor.finding import Outcome
from agent.doctor.runtime import Told, ask, judge
from agent.runtimes.container import Failure

BROKEN = Failure(runtime="docker", path="/var/lib/docker/containers/a", reason="Permission denied", count=2)
NOTHING = Told(root=Path("/"), places=(), containers=Counter(), failures=())


@pytest.mark.parametrize(
    ("change", "outcome", "fact"),
    [
        ({"containers": Counter(docker=2, runc=1)}, Outcome.OK, "2 of docker, 1 of runc"),
        ({"places": ["/run/containerd"]}, Outcome.OK, "no container runs; there is /run/containerd"),
        ({"containers": Counter(runc=1), "failures": [BROKEN]}, Outcome.WARNING, "1 of runc; in 2 places"),
        ({"failures": [BROKEN]}, Outcome.WARNING, "/var/lib/docker/containers/a of docker: Permission denied"),
        ({}, Outcome.WARNING, "no runtime keeps its state"),
    ],
)
def test_what_the_state_may_tell(change: dict[str, Any], outcome: Outcome, fact: str) -> None:
    (finding,) = judge(replace(NOTHING, **change))
    assert finding.outcome is outcome
    assert fact in finding.found
    assert bool(finding.remedy) is (outcome is Outcome.WARNING)


def test_state_is_looked_for_below_the_nodes_root(tmp_path: Path) -> None:
    hierarchy = Hierarchy(name=UNIFIED, number=0, mount=tmp_path)
    assert "--host-root" in judge(ask(tmp_path, hierarchy))[0].remedy
    (tmp_path / "run/containerd").mkdir(parents=True)
    assert ask(tmp_path, hierarchy).places == ["/run/containerd"]
