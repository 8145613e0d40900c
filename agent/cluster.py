"""
Reach the cluster by the settings: the kubelet of this node, and the API server where there are credentials for it.

Flow: start -> **cluster** -> identity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from agent.identity import Kubernetes
from agent.pods.apiserver import ApiServer
from agent.pods.kubelet import Kubelet
from agent.pods.owners import ApiOwners, CachedOwners
from agent.pods.pace import Pace
from agent.pods.source import Source
from agent.selection_file import SelectionFile
from agent.settings import IdentitySettings, Settings
from kinwatch.apiserver.connection import Connection, by_kubeconfig, in_cluster
from kinwatch.errors import PeerError

log = structlog.get_logger()


def kubernetes_of(
    settings: Settings, *, own_root: str | None, environ: Mapping[str, str], monotonic_s: Callable[[], float]
) -> Kubernetes:
    """The cluster, as it tells names. Nothing is asked yet."""
    pace = Pace()
    connection = api_connection(settings.identity, environ)
    owners = CachedOwners(ApiOwners(connection), monotonic_s=monotonic_s) if connection else None
    return Kubernetes(
        sources_of(settings, connection, pace),
        owners=owners,
        pace=pace,
        selection_file=SelectionFile(settings.selection),
        own_root=own_root,
        monotonic_s=monotonic_s,
    )


def api_connection(asked: IdentitySettings, environ: Mapping[str, str]) -> Connection | None:
    """The API server; None, and the reason in the log, where there are no credentials for it."""
    if asked.kubeconfig:
        return by_kubeconfig(asked.kubeconfig)
    try:
        return in_cluster(environ, token_file=asked.token_file, ca_file=asked.ca_file)
    except PeerError as error:
        log.warning("apiserver_not_used", problem=error.problem, remedy=error.remedy)
        return None


def sources_of(settings: Settings, connection: Connection | None, pace: Pace) -> list[Source]:
    """Who is asked for the pods of this node, the best first."""
    asked = settings.identity
    sources: list[Source] = []
    if asked.token_file.exists() or not connection:  # a kubeconfig is no credential for the kubelet
        sources.append(kubelet_of(settings, connection, pace))
    if connection:
        sources.append(ApiServer(connection, node=settings.node, pace=pace))
    return sources


def kubelet_of(settings: Settings, connection: Connection | None, pace: Pace) -> Kubelet:
    """The kubelet of this node."""
    asked = settings.identity
    return Kubelet(
        asked.kubelet,
        node=settings.node,
        token_file=asked.token_file,
        ca_file=asked.kubelet_ca or asked.ca_file,
        insecure=asked.kubelet_insecure,
        pace=pace,
        apiserver_reachable=connection.reachable if connection else None,
    )
