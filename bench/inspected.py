"""
The agent with its maps looked at: `python -m bench.inspected [--ring-bytes N] [--notes FILE] OPTIONS OF THE AGENT`.

Flow: watcher -> **inspected** -> agent. It is the agent, with another size of the ring if asked for, and it notes how
many entries the map of cgroups has at each end of a window, and how many slots are free at the very end.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self
from unittest.mock import patch

from agent import main
from agent.probe import Probe
from agent.program import Build


class InspectedProbe(Probe):
    """The probe, with notes."""

    ring_bytes: ClassVar[int | None] = None
    notes: ClassVar[Path | None] = None

    @classmethod
    def load(cls, build: Build, **more: Any) -> Self:
        """As the probe does, with the ring that was asked for."""
        return super().load(replace(build, ring_bytes=cls.ring_bytes) if cls.ring_bytes else build, **more)

    def flip(self) -> int:
        """As the probe does, with a note of how many cgroups have a slot."""
        self._note({"cgroups": len(self._slots)})
        return super().flip()

    def __exit__(self, *trouble: object) -> None:
        free = 0
        while self.free_slot() is not None:
            free += 1
        self._note({"cgroups": len(self._slots), "free_slots": free})
        super().__exit__(*trouble)

    def _note(self, counts: Mapping[str, int]) -> None:
        if self.notes:
            with self.notes.open("a") as file:
                file.write(json.dumps(counts) + "\n")


def run() -> int:
    """The exit code of the agent."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--ring-bytes", type=int)
    parser.add_argument("--notes", type=Path)
    options, rest = parser.parse_known_args()
    InspectedProbe.ring_bytes, InspectedProbe.notes = options.ring_bytes, options.notes
    with patch.object(main, "Probe", InspectedProbe):
        return main.run(rest)


if __name__ == "__main__":
    sys.exit(run())
