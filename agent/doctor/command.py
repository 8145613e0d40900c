"""
Run every check, and say what it comes to.

Flow: main -> **command** -> report. `agent doctor` shows the findings; the agent requires them when it starts.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import click
from rich.console import Console

from agent.doctor import (
    aggregator,
    apiserver,
    capabilities,
    cgroup,
    clock,
    kernel,
    kubelet,
    memory,
    namespaces,
    permission,
    report,
    runtime,
    single,
    spool,
)
from agent.doctor.examined import Examined
from agent.doctor.files import Files
from agent.doctor.finding import Check, Finding, Outcome
from kinwatch.errors import NodeError, OperatorError

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
    *runtime.CHECKS,
    *kubelet.CHECKS,
    *apiserver.CHECKS,
    *aggregator.CHECKS,
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


def findings(
    examined: Examined, *, files: Files | None = None, environ: Mapping[str, str] = os.environ
) -> list[Finding]:
    """What every check finds on this node, with these settings; all of them, whatever fails."""
    return [*node_findings(examined, files or Files()), *network_findings(examined, environ)]


def node_findings(examined: Examined, files: Files) -> list[Finding]:
    """What the node itself has to say; asks nobody over a network, and takes less than a second."""
    release, machine = platform.release(), platform.machine()
    cgroups = cgroup.these_cgroups(files)
    return [
        *kernel.judge(kernel.this_kernel(files, examined.btf)),
        *capabilities.judge(capabilities.these_privileges(files, release)),
        *permission.judge(permission.this_permission(files, machine)),
        *memory.judge(memory.this_memory(files)),
        *single.judge(single.this_lock(examined.run_dir)),
        *cgroup.judge(cgroups, by_name=examined.by_name),
        *namespaces.judge(_namespaces(examined, files)),
        *spool.judge(spool.this_room(files, examined.spool) if examined.spool else None, bound=examined.spool_bytes),
        *clock.judge(clock.this_clock(), window_s=examined.window_s),
        *_runtime(examined, cgroups),
    ]


def _namespaces(examined: Examined, files: Files) -> namespaces.Namespaces:
    return namespaces.these_namespaces(
        files,
        kubelet=None if examined.not_kubelet else examined.identity.kubelet,
        by_runtime=not examined.not_runtime,
    )


def _runtime(examined: Examined, cgroups: cgroup.Cgroups) -> Sequence[Finding]:
    if examined.not_runtime:
        return _skipped(runtime.CHECKS, examined.not_runtime)
    if cgroups.watched is None:
        return _skipped(runtime.CHECKS, f"not reached: see {cgroup.MODE.name}")
    return runtime.judge(runtime.ask(examined.identity.host_root, cgroups.watched))


def network_findings(examined: Examined, environ: Mapping[str, str]) -> list[Finding]:
    """What kubelet, API server and aggregator have to say; takes half a minute at most if nobody answers."""
    said = aggregator.ask(examined.aggregator) if examined.aggregator else None
    return [*_cluster(examined, environ), *aggregator.judge(said)]


def _cluster(examined: Examined, environ: Mapping[str, str]) -> Sequence[Finding]:
    if examined.not_cluster:
        return _skipped((*kubelet.CHECKS, *apiserver.CHECKS), examined.not_cluster)
    connection = apiserver.connection_of(examined, environ)
    reachable = None if isinstance(connection, OperatorError) else connection.reachable
    answers = apiserver.ask(connection, node=examined.node)
    if examined.not_kubelet:
        return (*_skipped(kubelet.CHECKS, examined.not_kubelet), *apiserver.judge(answers, instead=False))
    asked = kubelet.ask(examined, apiserver_reachable=reachable)
    return (
        *kubelet.judge(asked, instead=answers.tells_pods),
        *apiserver.judge(answers, instead=asked.pods is not None),
    )


def _skipped(checks: Sequence[Check], reason: str) -> Sequence[Finding]:
    return [check.skipped(reason) for check in checks]


def run(examined: Examined, *, as_json: bool) -> int:
    """Show what every check finds on standard output, and give the exit code."""
    found = findings(examined)
    if as_json:
        click.echo(report.as_json(found, exit_code=exit_code(found)))
    else:
        report.show(found, Console())
    return exit_code(found)


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
