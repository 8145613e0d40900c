"""What the doctor says of kubelet and API server, by asking ones that play back what real ones answered."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from api_playback import PlaybackApiServer
from api_playback_replies import ANONYMOUS, UNAUTHORIZED, Reply, forbidden
from asking import jwt
from certificates import Certificate
from playback import PlaybackKubelet
from recordings import GRANTED, NODE

from agent.doctor import apiserver, kubelet
from agent.doctor.command import exit_code, network_findings
from agent.doctor.examined import Examined
from agent.doctor.finding import Finding, Outcome
from agent.settings import IdentitySettings, NamesFrom

TOKEN = jwt()
PODS = "/api/v1/pods"
KUBELET = [check.name for check in kubelet.CHECKS]
API_SERVER = [check.name for check in apiserver.CHECKS]


class Cluster:
    """A kubelet and an API server, and the settings by which the agent finds them."""

    def __init__(self, kubelet: PlaybackKubelet, api_server: PlaybackApiServer, folder: Path) -> None:
        self.kubelet = kubelet
        self.api_server = api_server
        self.environ = api_server.service_account(folder, bearer=TOKEN)
        kubelet.tokens[TOKEN] = GRANTED
        self.identity = IdentitySettings(
            kubelet=kubelet.address, kubelet_ca=kubelet.ca_file, service_account=folder, names=NamesFrom.KUBERNETES
        )
        self.node = NODE

    def findings(self, **changes: object) -> dict[str, Finding]:
        """What the doctor finds; whatever is named replaces what the agent is set to."""
        identity = replace(self.identity, **changes)  # type: ignore[arg-type]
        found = network_findings(Examined(node=self.node, identity=identity), self.environ)
        return {finding.check: finding for finding in found}


@pytest.fixture(name="cluster")
def _cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster in which all is well."""
    (tmp_path / "kubelet").mkdir()
    with PlaybackKubelet(tmp_path / "kubelet") as played, PlaybackApiServer(tmp_path) as api_server:
        api_server.watch_s = 0.01
        yield Cluster(played, api_server, tmp_path / "account")


def outcomes(found: dict[str, Finding], checks: list[str]) -> list[str]:
    return [found[check].outcome.value for check in checks]


def unused_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
    return port


def away(cluster: Cluster) -> None:
    """Take the API server away."""
    cluster.environ["KUBERNETES_SERVICE_PORT"] = str(unused_port())


def test_all_is_well(cluster: Cluster) -> None:
    found = cluster.findings()
    assert outcomes(found, [*KUBELET, *API_SERVER]) == ["ok"] * 9
    assert "system:serviceaccount:monitoring:agent-nodes-pods" in found["kubelet-authentication"].found
    assert NODE in found["kubelet-tls"].found
    assert found["kubelet-answer"].found.endswith(" pods")
    assert cluster.api_server.url in found["api-server"].found
    assert exit_code(list(found.values())) == 0


# --- The kubelet, hurdle by hurdle ----------------------------------------------------------------------------------


def nobody_listens(cluster: Cluster) -> None:
    cluster.identity = replace(cluster.identity, kubelet=f"127.0.0.1:{unused_port()}")


def no_address(cluster: Cluster) -> None:
    cluster.identity = replace(cluster.identity, kubelet="http://localhost")


def unknown_ca(cluster: Cluster) -> None:
    cluster.kubelet.show(Certificate.OTHER_CA)


def wrong_name(cluster: Cluster) -> None:
    cluster.node = "another-node"


def unknown_token(cluster: Cluster) -> None:
    cluster.kubelet.tokens.clear()


def no_permission(cluster: Cluster) -> None:
    cluster.kubelet.tokens[TOKEN] = "pods-no-permission"


def other_server(cluster: Cluster) -> None:
    cluster.kubelet.answer(200, b"<html>")


Change = Callable[[Cluster], None]
STOPS: list[tuple[Change, str, str, str]] = [
    (nobody_listens, "kubelet-address", "nobody listens", "status.hostIP"),
    (no_address, "kubelet-address", "http", "10250"),
    (unknown_ca, "kubelet-tls", "certificate", "CA"),
    (wrong_name, "kubelet-tls", "another-node", "node"),
    (unknown_token, "kubelet-authentication", "the kubelet refuses the token", "authentication.webhook"),
    (no_permission, "kubelet-authorisation", "may not get nodes/pods", "ClusterRole"),
    (other_server, "kubelet-answer", "is not JSON", "the kubelet's own"),
]


@pytest.mark.parametrize(("change", "check", "fact", "remedy"), STOPS, ids=[one[0].__name__ for one in STOPS])
def test_kubelet_stops_at_one_hurdle_and_those_after_it_are_skipped(
    cluster: Cluster, change: Change, check: str, fact: str, remedy: str
) -> None:
    """Nobody tells the pods then, since the API server may not; which is no reason for the agent not to start."""
    cluster.api_server.always[PODS] = forbidden("list", "pods")
    change(cluster)
    found = cluster.findings()
    place = KUBELET.index(check)
    assert outcomes(found, KUBELET) == ["ok"] * place + ["failed"] + ["skipped"] * (len(KUBELET) - place - 1)
    assert fact in found[check].found
    assert remedy in found[check].remedy
    assert not found[check].fatal
    assert all(found[name].found == f"not reached: see {check}" for name in KUBELET[place + 1 :])
    assert exit_code(list(found.values())) == 3


def test_kubelet_that_the_api_server_stands_in_for_is_warned_of(cluster: Cluster) -> None:
    no_permission(cluster)
    found = cluster.findings()
    assert found["kubelet-authorisation"].outcome is Outcome.WARNING
    assert "the API server tells the pods in its place" in found["kubelet-authorisation"].found
    assert exit_code(list(found.values())) == 0


def test_kubelet_that_can_not_ask_the_api_server_is_not_blamed_on_the_token(cluster: Cluster) -> None:
    away(cluster)
    unknown_token(cluster)
    finding = cluster.findings()["kubelet-authentication"]
    assert finding.outcome is Outcome.FAILED
    assert "the API server is away" in finding.found


def test_certificate_that_is_not_looked_at_is_warned_of(cluster: Cluster) -> None:
    cluster.kubelet.show(Certificate.OTHER_CA)
    found = cluster.findings(kubelet_insecure=True)
    assert outcomes(found, KUBELET) == ["ok", "warning", "ok", "ok", "ok"]
    assert "--kubelet-ca" in found["kubelet-tls"].remedy


# --- The API server, permission by permission -----------------------------------------------------------------------


def test_api_server_that_is_away_is_warned_of_while_the_kubelet_tells_the_pods(cluster: Cluster) -> None:
    away(cluster)
    found = cluster.findings()
    assert outcomes(found, API_SERVER) == ["warning", "skipped", "skipped", "skipped"]
    assert "is not reached" in found["api-server"].found
    assert "the kubelet tells the pods" in found["api-server"].found


@pytest.mark.parametrize("reply", [UNAUTHORIZED, ANONYMOUS, Reply(status=503, body=b"{}")])
def test_api_server_that_does_not_know_the_agent(cluster: Cluster, reply: Reply) -> None:
    no_permission(cluster)
    cluster.api_server.always[PODS] = reply
    found = cluster.findings()
    assert outcomes(found, API_SERVER) == ["failed", "skipped", "skipped", "skipped"]
    assert found["api-server"].remedy


def test_api_server_without_credentials(cluster: Cluster) -> None:
    cluster.environ.clear()
    no_permission(cluster)
    finding = cluster.findings()["api-server"]
    assert finding.outcome is Outcome.FAILED
    assert "KUBERNETES_SERVICE_HOST" in finding.found
    assert "--kubeconfig" in finding.remedy


@pytest.mark.parametrize(
    ("question", "verb", "node_name"), [(PODS + "?fieldSelector", "list", "skipped"), (PODS + "?watch", "watch", "ok")]
)
def test_the_very_permission_that_is_missing_is_named(
    cluster: Cluster, question: str, verb: str, node_name: str
) -> None:
    no_permission(cluster)
    cluster.api_server.always[question] = forbidden(verb, "pods")
    found = cluster.findings()
    assert outcomes(found, API_SERVER) == ["ok", "failed", node_name, "ok"]
    assert f"cannot {verb} resource" in found["api-server-authorisation"].found
    assert "the verbs `list` and `watch` on `pods`" in found["api-server-authorisation"].remedy


def test_owners_that_may_not_be_asked_for_are_warned_of(cluster: Cluster) -> None:
    cluster.api_server.always["/apis/batch/v1"] = forbidden("get", "jobs")
    finding = cluster.findings()["api-server-owners"]
    assert finding.outcome is Outcome.WARNING
    assert "jobs" in finding.found
    assert "`get` on `jobs.batch`" in finding.remedy
    assert "replicasets" not in finding.found


def test_node_that_has_no_pods_has_another_name(cluster: Cluster) -> None:
    cluster.api_server.pods = []
    finding = cluster.findings()["node-name"]
    assert finding.outcome is Outcome.WARNING
    assert f"no pod on a node '{NODE}'" in finding.found
    assert "spec.nodeName" in finding.remedy


def test_kubeconfig_is_no_credential_for_the_kubelet(cluster: Cluster, tmp_path: Path) -> None:
    (cluster.identity.service_account / "token").unlink()
    found = cluster.findings(kubeconfig=cluster.api_server.kubeconfig(tmp_path / "kubeconfig"))
    assert outcomes(found, KUBELET) == ["skipped"] * 5
    assert "a kubeconfig is none" in found["kubelet-address"].found
    assert outcomes(found, API_SERVER) == ["ok"] * 4


# --- Where no cluster is asked --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("examined", "fact"),
    [
        (Examined(by_name=True), "cgroups were given by name"),
        (Examined(identity=IdentitySettings(names=NamesFrom.RUNTIME)), "the runtimes are asked for names"),
        (Examined(identity=IdentitySettings(service_account=Path("/nowhere"))), "there is no /nowhere/token"),
    ],
)
def test_without_a_cluster_nobody_is_asked_and_the_reason_said(examined: Examined, fact: str) -> None:
    found = {finding.check: finding for finding in network_findings(examined, {})}
    assert outcomes(found, [*KUBELET, *API_SERVER]) == ["skipped"] * 9
    assert all(fact in found[name].found for name in [*KUBELET, *API_SERVER])
