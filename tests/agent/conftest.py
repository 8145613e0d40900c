"""Let the tests of the agent import `ground`, on which they watch real processes, and stand on it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# pytest's importlib mode leaves sys.path alone.
sys.path.insert(0, str(Path(__file__).parent))

from ground import Ground


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    """A place for cgroups of our own, gone at the end of the module."""
    with Ground() as place:
        yield place
