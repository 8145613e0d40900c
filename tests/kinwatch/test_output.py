"""A disk without room is said as such, with its remedy, and not as a bug."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CAPTURE = Path(__file__).parent.parent / "fixtures/sysdig/replicas_normal.json"


def test_full_disk_is_an_error_with_a_remedy() -> None:
    """Exit code 3: this node can't. /dev/full has no room for anything (full(4))."""
    command = [Path(sys.executable).with_name("aggregator"), "score", CAPTURE, "--format", "json"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "error: writing the output: No space left on device\nremedy: make room" in done.stderr
    assert "Traceback" not in done.stderr
