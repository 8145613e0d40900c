"""
Run every check, and say what it comes to.

Flow: main -> **command** -> report. `agent doctor` shows the findings; the agent requires them when it starts.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Final, Protocol

from agent.doctor import capabilities, cgroup, clock, kernel, memory, namespaces, permission, single, spool
from agent.doctor.examined import Examined
from agent.doctor.files import Files
from agent.doctor.finding import Check, Finding, Outcome
from kinwatch.errors import NodeError

CHECKS: Final[Sequence[Check]] = (
    *kernel.CHECKS,
    *capabilities.CHECKS,
    *permission.CHECKS,
    *memory.CHECKS,
    *single.CHECKS,
    *cgroup.CHECKS,
    *namespaces.CHECKS,
    *spool.CHECKS,
    *clock.CHECKS,
)
"""All there are, in the order in which they are shown."""

EXIT_OK: Final = 0
EXIT_FAILED: Final = NodeError.exit_code


class Log(Protocol):
    """Where findings are logged; structlog's loggers are such."""

    def error(self, event: str, /, **values: object) -> object:
        """Something does not work."""

    def warning(self, event: str, /, **values: object) -> object:
        """Something does not work as well as it could."""


def findings(examined: Examined, files: Files | None = None) -> list[Finding]:
    """What every check finds on this node, with these settings; all of them, whatever fails."""
    return node_findings(examined, files or Files())


def node_findings(examined: Examined, files: Files) -> list[Finding]:
    """What the node itself has to say; asks nobody over a network."""
    release, machine = platform.release(), platform.machine()
    room = spool.this_room(files, examined.spool) if examined.spool else None
    return [
        *kernel.judge(kernel.this_kernel(files, examined.btf)),
        *capabilities.judge(capabilities.these_privileges(files, release)),
        *permission.judge(permission.this_permission(files, machine)),
        *memory.judge(memory.this_memory(files)),
        *single.judge(single.this_lock(examined.run_dir)),
        *cgroup.judge(cgroup.these_cgroups(files), pods=examined.pods),
        *namespaces.judge(namespaces.these_namespaces(files, kubelet=None)),
        *spool.judge(room, bound=examined.spool_bytes),
        *clock.judge(clock.this_clock(), window_s=examined.window_s),
    ]


def exit_code(findings: Sequence[Finding]) -> int:
    """0, or 3 if anything failed; warnings are no failures."""
    return EXIT_FAILED if any(finding.outcome is Outcome.FAILED for finding in findings) else EXIT_OK


def require(findings: Sequence[Finding], log: Log) -> None:
    """Log what is not well, once each; NodeError with every fatal failure and its remedy if there is one."""
    for finding in findings:
        if finding.stops:
            continue
        if finding.outcome is Outcome.FAILED:
            log.error("check_failed", check=finding.check, found=finding.found, remedy=finding.remedy)
        elif finding.outcome is Outcome.WARNING:
            log.warning("check_warning", check=finding.check, found=finding.found, remedy=finding.remedy)
    fatal = [finding for finding in findings if finding.stops]
    if fatal:
        raise NodeError(
            "; ".join(f"{finding.found} [{finding.check}]" for finding in fatal),
            remedy="; ".join(dict.fromkeys(finding.remedy for finding in fatal)),
        )
