"""
What a person can set of `aggregator serve`.

Flow: options -> **settings** -> start. What contradicts itself, or would let secrets out, is refused here, but for what
depends on the address that is listened on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aggregator.serve.listening import Listen
from aggregator.serve.tls import TlsFiles
from kinwatch.errors import InputError

DAY_S: Final = 86_400
LISTEN: Final = "[::]:8443"
DATA_DIR: Final = Path("/var/lib/kinwatch")
KEEP_DAYS: Final = 7.0
KEEP_BYTES: Final = 8 << 30
"""A node of 30 busy replicas sends 30 MB a day: 100 nodes fill this in three days, ten in a month."""
QUEUE: Final = 1024
"""Batches: 1,000 nodes that all send at once, or a store that does nothing for ten seconds at 100 a second."""
QUEUE_MAX: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """The settings of `aggregator serve`, valid."""

    listen: Listen
    """Where agents, readers, probes and Prometheus are answered."""

    data_dir: Path = DATA_DIR
    """Folder of the database, if it is SQLite."""

    database_url: str | None = None
    """Of PostgreSQL, with its password; None: SQLite in `data_dir`."""

    tls: TlsFiles | None = None
    """Certificate and key; None: no TLS, which only loopback may do without."""

    insecure_http: bool = False
    """Answer without TLS on other addresses than loopback too."""

    no_auth: bool = False
    """Ask nobody who they are; on loopback only."""

    tokens: Path | None = None
    """File of tokens, as the chart or a person makes it; None: tokens are those of ServiceAccounts."""

    agent_accounts: tuple[str, ...] = ()
    """ServiceAccounts of agents, NAMESPACE/NAME; none: the API server is not asked."""

    kubeconfig: Path | None = None
    """Credentials for the API server; None: those of the pod's ServiceAccount."""

    keep_days: float = KEEP_DAYS
    """Windows that ended longer ago are forgotten."""

    keep_bytes: int = KEEP_BYTES
    """The oldest windows are forgotten while all batches take more."""

    queue: int = QUEUE
    """How many batches may wait to be stored; one more is answered 429."""

    metrics_token: bool = False
    """Ask for a reader's token for /metrics too."""

    log_level: str = "info"
    """The least that is logged: `debug` has a line for each batch."""

    def check_address(self, *, loopback: bool) -> None:
        """Raise InputError if this must not be answered on an address that others than this machine reach."""
        if loopback:
            return
        if self.no_auth:
            raise InputError(
                f"--no-auth takes batches from anybody, and {self.listen} is not loopback",
                remedy="give --listen 127.0.0.1:8443 with it, or leave it out and say who agents are",
            )
        if self.tls is None and not self.insecure_http:
            raise InputError(
                f"without TLS, tokens and what replicas do would travel readable to {self.listen}",
                remedy="give --tls-cert and --tls-key, or --listen 127.0.0.1:8443; where something else does TLS, such "
                "as a service mesh, say so by --insecure-http",
            )


def tls_files(certificate: Path | None, key: Path | None, client_ca: Path | None) -> TlsFiles | None:
    """The files of TLS; InputError if some are given and others lack."""
    if certificate and key:
        return TlsFiles(certificate=certificate, key=key, client_ca=client_ca)
    if certificate or key or client_ca:
        raise InputError(
            "--tls-cert and --tls-key go together, and --client-ca wants both", remedy="give all of them, or none"
        )
    return None
