"""
Thirty real containers that are busy at a steady pace, as a node has them.

Flow: **crowd** -> load, complete, flood. runc's containers, each running programs/load.c on files of its own /tmp.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.compiler import compiled
from demo.containers import Containers

CONTAINERS: Final = 30
CALLS_PER_S: Final = 1_200_000
"""Of all together: a fifth more than the bar asks for, since a burst that comes late is not made up for at once."""
FILES: Final = 211
"""Distinct files of each container in each window."""
PROGRAMS: Final = 7
"""Distinct command lines of each container in each window of 7 s or more; one is run a second."""
FILENAMES: Final = frozenset(f"load-{number}" for number in range(FILES))


@contextmanager
def crowd(prefix: str, *, containers: int = CONTAINERS, calls_per_s: int = CALLS_PER_S) -> Iterator[Containers]:
    """Start them below a cgroup prefix; `calls_per_s` is the sum of all. They are killed and removed at the end."""
    with tempfile.TemporaryDirectory(prefix="kinwatch-bench-") as folder, Containers(prefix=prefix) as node:
        install(node, compiled("load", Path(folder)))
        command = ["/bin/load", str(calls_per_s // containers), str(FILES), str(PROGRAMS)]
        for number in range(containers):
            node.start(f"load-{number}", command)
        yield node


def install(node: Containers, program: Path) -> None:
    """Put a program into the root file system that the containers share."""
    target = node.rootfs() / "bin" / program.name
    shutil.copy2(program, target)
