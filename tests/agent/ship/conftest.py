"""Let the tests of shipping share what they ship and whom they ship to, which stand beside them."""

from __future__ import annotations

import sys
from pathlib import Path

# pytest's importlib mode leaves sys.path alone.
sys.path.insert(0, str(Path(__file__).parent))
