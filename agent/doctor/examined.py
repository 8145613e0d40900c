"""
What of the agent's settings the doctor looks at.

Flow: start -> **examined** -> every family of checks.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from pathlib import Path

from agent.settings import BTF, RUN_DIR, SPOOL_BYTES, DeliverySettings, IdentitySettings, NamesFrom, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregatorAddress:
    """The aggregator, and how the agent makes itself known to it."""

    url: str
    """As `https://aggregator.kinwatch.svc:8443`."""

    token_file: Path | None = None
    """File of the agent's token; None: it has none."""

    ca_file: Path | None = None
    """Certificates that the aggregator's is trusted by; None: those of the system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """The settings that preconditions hang on; what is None is not configured, and its checks say so."""

    btf: Path = BTF
    """The kernel's type information."""

    run_dir: Path = RUN_DIR
    """Folder of the lock by which one agent runs on a node."""

    window_s: float = 30.0
    """Length of a window, in seconds: a clock that is off by a quarter of it spoils comparisons between nodes."""

    by_name: bool = False
    """Whether cgroups were given by name: then nobody is asked for names, and pods need not be seen."""

    node: str = platform.node()
    """The node's name, as Kubernetes knows it."""

    identity: IdentitySettings = field(default_factory=IdentitySettings)
    """Where the containers' names are asked for."""

    aggregator: AggregatorAddress | None = None
    """Where batches go; None: nowhere, as in a dry run."""

    spool: Path | None = None
    """Folder in which batches wait for the aggregator."""

    spool_bytes: int = SPOOL_BYTES
    """How much it may grow to."""

    @property
    def not_cluster(self) -> str:
        """Why the cluster is not asked; empty if it is."""
        if self.by_name:
            return "cgroups were given by name, so nobody is asked for names"
        if not self.identity.from_cluster:
            return f"the runtimes are asked for names{self._for_want_of_a_token}"
        return ""

    @property
    def _for_want_of_a_token(self) -> str:
        if self.identity.names is NamesFrom.RUNTIME:
            return ""
        return f": there is no {self.identity.token_file}, and no kubeconfig is given"

    @property
    def not_runtime(self) -> str:
        """Why the runtimes' state is not read; empty if it is."""
        if self.by_name:
            return "cgroups were given by name, so nobody is asked for names"
        return "the cluster is asked for names, not the runtimes" if self.identity.from_cluster else ""

    @property
    def not_kubelet(self) -> str:
        """Why the kubelet is not asked; empty if it is."""
        if self.not_cluster:
            return self.not_cluster
        if self.identity.kubeconfig and not self.identity.token_file.exists():
            return f"there is no token for the kubelet at {self.identity.token_file}, and a kubeconfig is none"
        return ""


def address_of(delivery: DeliverySettings) -> AggregatorAddress:
    """Where the agent ships to."""
    return AggregatorAddress(url=delivery.aggregator, token_file=delivery.token_file, ca_file=delivery.ca_file)


def examined_of(settings: Settings) -> Examined:
    """What the agent's settings come to; a dry run ships nothing, so it has neither aggregator nor spool."""
    delivery = settings.delivery
    return Examined(
        aggregator=address_of(delivery) if delivery else None,
        spool=delivery.spool if delivery else None,
        spool_bytes=delivery.spool_bytes if delivery else SPOOL_BYTES,
        btf=settings.btf,
        run_dir=settings.run_dir,
        window_s=settings.window_s,
        by_name=bool(settings.cgroups),
        node=settings.node,
        identity=settings.identity,
    )
