"""
What a person can set of the agent.

Flow: command line -> **settings** -> main.
"""

from __future__ import annotations

import platform
import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from agent.networks import Network
from kinwatch.errors import InputError

WINDOW_MIN_S: Final = 1.0
WINDOW_MAX_S: Final = 600.0
BTF: Final = Path("/sys/kernel/btf/vmlinux")
RUN_DIR: Final = Path("/run/kinwatch")
SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet puts a pod's token and the cluster's CA."""


HIGHEST_PORT: Final = 65535
SPOOL: Final = Path("/var/lib/kinwatch/spool")
SPOOL_BYTES: Final = 256 << 20
"""Two days of batches of 12 KB each half minute are 70 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where to listen."""

    host: str
    """An address or a name; empty: on all addresses."""
    port: int
    """0: on a free one."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def listen_on(text: str) -> Listen:
    """
    What a person wrote for --listen; InputError if it is no ADDRESS:PORT.

    The port is always there, so that an IPv6 address needs no brackets: a pod is told its own without.
    """
    host, _, port = text.strip().rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    is_port = re.fullmatch("[0-9]{1,5}", port) and int(port) <= HIGHEST_PORT
    if ":" not in text or not is_port or set(bare) & set("[]/ "):
        raise InputError(
            f"--listen {text!r} is not ADDRESS:PORT",
            remedy="give an address of this node and a port, such as 127.0.0.1:9464 or [::1]:9464; "
            ":9464 is all addresses",
        )
    return Listen(host=bare, port=int(port))


class NamesFrom(StrEnum):
    """Who tells the containers' names."""

    AUTO = "auto"
    """The cluster if there is a token or a kubeconfig, else the runtimes."""
    KUBERNETES = "kubernetes"
    RUNTIME = "runtime"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySettings:
    """Where the containers' names are asked for."""

    names: NamesFrom = NamesFrom.AUTO

    kubelet: str = "localhost"
    """HOST or HOST:PORT of this node's kubelet; localhost serves a pod with hostNetwork."""

    kubelet_ca: Path | None = None
    """What the kubelet's certificate is checked against; None: the cluster's CA."""

    kubelet_insecure: bool = False
    """Do not check the kubelet's certificate."""

    service_account: Path = SERVICE_ACCOUNT
    """Folder with `token` and `ca.crt`."""

    kubeconfig: Path | None = None
    """Credentials for the API server; None: those of the ServiceAccount."""

    host_root: Path = Path("/")
    """Where the node's files are seen."""

    @property
    def token_file(self) -> Path:
        """The ServiceAccount's token, which the kubelet renews."""
        return self.service_account / "token"

    @property
    def ca_file(self) -> Path:
        """The cluster's CA."""
        return self.service_account / "ca.crt"

    @property
    def from_cluster(self) -> bool:
        """Whether the cluster is asked."""
        if self.names is NamesFrom.AUTO:
            return self.kubeconfig is not None or self.token_file.exists()
        return self.names is NamesFrom.KUBERNETES


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """Where batches go."""

    aggregator: str
    """As https://aggregator.kinwatch.svc:8443."""

    token_file: Path | None = None
    """The agent's token for it; it is renewed by the kubelet."""

    ca_file: Path | None = None
    """What its certificate is checked against; None: the system's CAs."""

    certificate: Path | None = None
    """The agent's own, for mutual TLS."""

    key: Path | None = None

    spool: Path = SPOOL
    """Folder in which batches wait."""

    spool_bytes: int = SPOOL_BYTES
    """How much it may grow to."""


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

    selection: Path | None = None
    """File of the rules by which replicas are watched or left; None: all are watched."""

    delivery: DeliverySettings | None = None
    """Where batches go; None: nowhere, they are shown."""

    as_json: bool = False
    """JSON lines instead of tables."""

    networks: tuple[tuple[str, Network], ...] = ()
    """Networks that have a name in endpoints."""

    identity: IdentitySettings = field(default_factory=IdentitySettings)

    node: str = platform.node()
    """The node's name in snapshots; the host's by default, as the kubelet does."""

    secrets_key: Path | None = None
    """File of the installation's key, 16 bytes or more, the same on every node; None: one is made up for this run."""

    show_secrets: bool = False
    """Leave secrets in command lines and names as they are."""

    listen: Listen | None = None
    """Where probes and Prometheus are answered, on /healthz, /readyz and /metrics; None: nowhere."""

    btf: Path = BTF
    """The kernel's type information."""

    run_dir: Path = RUN_DIR
    """Folder of the lock by which one agent runs on a node."""
