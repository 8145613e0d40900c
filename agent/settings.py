"""
What a person can set of the agent.

Flow: command line -> **settings** -> main.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.networks import Network

WINDOW_MIN_S: Final = 1.0
WINDOW_MAX_S: Final = 600.0
BTF: Final = Path("/sys/kernel/btf/vmlinux")
RUN_DIR: Final = Path("/run/kinwatch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The agent's settings, valid."""

    window_s: float = 30.0
    """Length of a window, in seconds, from 1 to 600. Below 5 s replicas differ by chance; above 30 s little is won."""

    windows: int | None = None
    """End after this many whole windows; None: go on until SIGINT or SIGTERM."""

    cgroups: tuple[str, ...] = ()
    """Globs of the cgroups to watch, each match a replica; none: the containers of pods."""

    cohort: str | None = None
    """Name of the cohort that the matches of `cgroups` form; None: the globs themselves."""

    as_json: bool = False
    """JSON lines instead of tables."""

    networks: tuple[tuple[str, Network], ...] = ()
    """Networks that have a name in endpoints."""

    node: str = platform.node()
    """The node's name in snapshots; the host's by default, as the kubelet does."""

    secrets_key: Path | None = None
    """File of the installation's key, 16 bytes or more, the same on every node; None: one is made up for this run."""

    show_secrets: bool = False
    """Leave secrets in command lines and names as they are."""

    btf: Path = BTF
    """The kernel's type information."""

    run_dir: Path = RUN_DIR
    """Folder of the lock by which one agent runs on a node."""
