"""
Ask a runtime by its own program for what is only in its database.

Flow: beside inventory. Never takes longer than TIMEOUT_S; a program that isn't there is no failure.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agent.runtimes.files import MAX_BYTES, Unreadable

TIMEOUT_S: Final = 2.0
"""ctr and `podman ps` take 20 to 100 ms."""


def ask(argv: Sequence[str]) -> str | None:
    """What a program writes; None where there is no such program. Raises Unreadable when it fails or takes too long."""
    program = shutil.which(argv[0])
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *argv[1:]], stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unreadable(Path(program), f"it gave no answer: {type(error).__name__}") from error
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["without a word"]
        raise Unreadable(Path(program), f"it ended with code {done.returncode}: {lines[-1]}")
    if len(done.stdout) > MAX_BYTES:
        raise Unreadable(Path(program), f"its answer is longer than {MAX_BYTES >> 20} MiB")
    return done.stdout.decode(errors="replace")
