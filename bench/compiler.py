"""
Compile the small C programs that are measured.

Flow: **compiler** -> all benches. Static, so that they run in a container that has no libraries.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

from kinwatch.errors import NodeError

PROGRAMS: Final = Path(__file__).with_name("programs")
OPTIONS: Final = ("-O2", "-Wall", "-Wextra", "-static")
WITHOUT_LIBRARY: Final = ("-nostdlib", "-ffreestanding", "-fno-builtin", "-fno-stack-protector", "-fno-pie", "-no-pie")
"""For prime.c, each of whose system calls is its own."""
TIMEOUT_S: Final = 60.0


def compiled(name: str, folder: Path) -> Path:
    """Compile programs/NAME.c into `folder`; NodeError where there is no compiler, or it fails."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise NodeError(
            "there is no C compiler on this node",
            remedy="install the packages gcc and libc6-dev, or what provides `cc`",
        )
    target = folder / name
    more = WITHOUT_LIBRARY if name == "prime" else ()
    done = subprocess.run(
        [compiler, *OPTIONS, *more, "-o", str(target), str(PROGRAMS / f"{name}.c")],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise NodeError(
            f"compiling {name}.c:\n{done.stderr.strip()}",
            remedy="install the package libc6-dev, which has the headers and the static C library",
        )
    return target
