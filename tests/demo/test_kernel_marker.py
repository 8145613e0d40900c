"""Kernel tests run on one worker, are counted, and may not be skipped where they could run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

CONFTEST = Path(__file__).parents[1] / "conftest.py"
SUITE = """
import os, pytest

@pytest.mark.parametrize("number", range(20))
def test_plain(number): pass

@pytest.mark.kernel
@pytest.mark.parametrize("number", range(4))
def test_kernel(number): print("worker", os.environ.get("PYTEST_XDIST_WORKER"))

@pytest.mark.kernel
def test_skipped(): pytest.skip("no reason at all")
"""
FREE_NODE = """
import conftest
conftest.hindrance = lambda: None
"""


def _run(folder: Path, *arguments: str, **variables: str) -> str:
    """What pytest says of SUITE on a node that can run kernel tests."""
    shutil.copy(CONFTEST, folder / "conftest.py")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = kernel: for real\n")
    (folder / "test_suite.py").write_text(FREE_NODE + SUITE)
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", *arguments]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "KINWATCH_"))}
    return subprocess.run(
        command, cwd=folder, env=kept | variables, capture_output=True, text=True, timeout=60, check=False
    ).stdout


def test_summary_counts_what_ran_and_what_was_skipped(tmp_path: Path) -> None:
    assert "kernel tests: 4 ran, 1 skipped" in _run(tmp_path)


def test_kernel_tests_share_one_worker(tmp_path: Path) -> None:
    """Loading BPF is for one at a time on a node."""
    said = _run(tmp_path, "-n", "2", "--dist", "loadgroup")
    assert "kernel tests: 4 ran, 1 skipped" in said
    assert len(set(re.findall("worker gw[0-9]", said))) == 1


def test_skipped_kernel_test_fails_where_it_is_required(tmp_path: Path) -> None:
    said = _run(tmp_path, KINWATCH_REQUIRE_KERNEL="1")
    assert "kernel tests: 5 ran, 0 skipped" in said
    assert "1 failed, 24 passed" in said
