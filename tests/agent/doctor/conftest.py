"""Let the doctor's tests ask a played kubelet and a played API server, which stand beside the tests of the pods."""

from __future__ import annotations

import sys
from pathlib import Path

# pytest's importlib mode leaves sys.path alone.
sys.path.insert(0, str(Path(__file__).parents[1] / "pods"))
