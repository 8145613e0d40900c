"""
What of the agent's settings the doctor looks at.

Flow: main -> **examined** -> every family of checks.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SPOOL_BYTES: Final = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """The settings that preconditions hang on; what is None is not configured, and its checks say so."""

    btf: Path = Path("/sys/kernel/btf/vmlinux")
    """The kernel's type information."""

    run_dir: Path = Path("/run/kinwatch")
    """Folder of the lock by which one agent runs on a node."""

    window_s: float = 30.0
    """Length of a window, in seconds: a clock that is off by a quarter of it spoils comparisons between nodes."""

    pods: bool = True
    """Whether the containers of pods are watched, rather than cgroups given by name."""

    node: str = platform.node()
    """The node's name, as Kubernetes knows it."""

    aggregator: str | None = None
    """URL of the aggregator."""

    aggregator_token_file: Path | None = None
    """File of the token by which the agent makes itself known to the aggregator."""

    aggregator_ca: Path | None = None
    """Certificates that the aggregator's is trusted by; None: those of the system."""

    spool: Path | None = None
    """Folder in which batches wait for the aggregator."""

    spool_bytes: int = SPOOL_BYTES
    """How much it may grow to."""
