"""Let the tests of agent/runtimes import `nodes`: nodes that were recorded, and nodes that a test lays out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# pytest's importlib mode leaves sys.path alone.
sys.path.insert(0, str(Path(__file__).parent))

from nodes import Node


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A node without containers."""
    return Node(root=tmp_path)
