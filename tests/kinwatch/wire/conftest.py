"""Let the tests of the wire import `wire_golden`, which has the batch of the golden files."""

from __future__ import annotations

import sys
from pathlib import Path

# pytest's importlib mode leaves sys.path alone.
sys.path.insert(0, str(Path(__file__).parent))
