"""The API server is reached as a pod reaches it, or by a kubeconfig; and what keeps from it is told."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from api_playback import PlaybackApiServer

from kinwatch.apiserver import connection as connections
from kinwatch.apiserver.connection import Connection, by_kubeconfig, in_cluster
from kinwatch.apiserver.refused import Asked
from kinwatch.errors import InputError, PeerError

VERSION = "/version"
ASKED = Asked(doing="get /version", permission="none")
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(name="api")
def _api(tmp_path: Path) -> Iterator[PlaybackApiServer]:
    with PlaybackApiServer(tmp_path) as api:
        api.objects[VERSION] = {"metadata": {}, "major": "1"}
        yield api


@pytest.fixture(name="account")
def _account(tmp_path: Path) -> Path:
    """Folder of the pod's service account."""
    return tmp_path / "serviceaccount"


Joined = Callable[..., Connection]


@pytest.fixture(name="joined")
def _joined(api: PlaybackApiServer, account: Path) -> Iterator[Joined]:
    """Gives a connection as a pod has it, with another environment if wanted."""
    made: list[Connection] = []
    environ = api.service_account(account)

    def join(**changes: str) -> Connection:
        made.append(in_cluster(environ | changes, token_file=account / "token", ca_file=account / "ca.crt"))
        return made[-1]

    yield join
    for connection in made:
        connection.renew()


def version(connection: Connection) -> Any:
    return connection.get(VERSION).document(ASKED)["major"]


def failure(connection: Connection) -> PeerError:
    with pytest.raises(PeerError) as failed:
        version(connection)
    return failed.value


def test_pod_asks_with_the_token_of_its_service_account(api: PlaybackApiServer, joined: Joined) -> None:
    connection = joined()
    assert version(connection) == "1"
    assert api.requests[0].bearer == "let-me-in"
    assert api.requests[0].headers["user-agent"] == "kinwatch-agent"
    assert connection.server == api.url


def test_line_end_after_a_token_does_no_harm(api: PlaybackApiServer, account: Path, joined: Joined) -> None:
    (account / "token").write_text("abc\n")
    version(joined())
    assert api.requests[0].bearer == "abc"


def test_token_that_was_rotated_is_read_anew(api: PlaybackApiServer, account: Path, joined: Joined) -> None:
    """At once, when the old one is refused; the client by itself would go on with it for up to a minute."""
    connection = joined()
    api.tokens = {"let-me-in"}
    version(connection)
    api.tokens = {"the-next-one"}
    (account / "token").write_text("the-next-one")
    assert version(connection) == "1"
    assert [request.bearer for request in api.requests] == ["let-me-in", "let-me-in", "the-next-one"]


def test_token_that_is_refused_twice_is_told_of(api: PlaybackApiServer, joined: Joined) -> None:
    api.tokens = set()
    assert "does not accept these credentials" in failure(joined()).problem
    assert len(api.requests) == 2


def test_token_that_went_is_told_of(api: PlaybackApiServer, account: Path, joined: Joined) -> None:
    connection = joined()
    (account / "token").unlink()
    error = failure(connection)
    assert error.problem == f"reading {account / 'token'}: No such file or directory"
    assert "automountServiceAccountToken" in error.remedy
    assert api.requests == []


def test_token_that_is_no_text_is_told_of(account: Path, joined: Joined) -> None:
    (account / "token").write_text("abc\nEvil: header")
    assert failure(joined()).problem.endswith("the token is no text")


def test_process_outside_of_a_pod_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PeerError, match=r"KUBERNETES_SERVICE_PORT are not set.*--kubeconfig") as failed:
        in_cluster({"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, token_file=tmp_path, ca_file=tmp_path)
    assert failed.value.lasting


@pytest.mark.parametrize("name", ["token", "ca.crt"])
def test_pod_without_its_account_is_told_what_to_do(account: Path, joined: Joined, name: str) -> None:
    (account / name).write_text("")
    with pytest.raises(PeerError, match=rf"{name} is empty.*automountServiceAccountToken"):
        joined()
    (account / name).unlink()
    with pytest.raises(PeerError, match=rf"{name}: No such file.*automountServiceAccountToken"):
        joined()


def test_address_may_be_of_ip_version_6(joined: Joined) -> None:
    assert joined(KUBERNETES_SERVICE_HOST="fd00::1").server == f"https://[fd00::1]:{port(joined())}"


def port(connection: Connection) -> str:
    return connection.server.rpartition(":")[2]


def test_proxy_of_the_environment_does_not_catch_a_pods_requests(
    joined: Joined, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there for the way out of the cluster."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, NOWHERE)
    connection = joined()
    assert version(connection) == "1"
    assert version(connection) == "1"


def test_proxy_of_the_environment_holds_for_a_kubeconfig(
    api: PlaybackApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does for kubectl."""
    monkeypatch.setenv("HTTPS_PROXY", NOWHERE)
    monkeypatch.setenv("NO_PROXY", "")
    assert "is not reached" in failure(by_kubeconfig(api.kubeconfig(tmp_path / "config"))).problem
    assert api.requests == []


def test_kubeconfig_tells_server_and_token(api: PlaybackApiServer, tmp_path: Path) -> None:
    connection = by_kubeconfig(api.kubeconfig(tmp_path / "config", bearer="its-own"))
    assert version(connection) == "1"
    assert connection.server == api.url
    assert api.requests[0].bearer == "its-own"
    connection.renew()


def test_kubeconfigs_token_is_read_anew(api: PlaybackApiServer, tmp_path: Path) -> None:
    connection = by_kubeconfig(api.kubeconfig(tmp_path / "config", bearer="old"))
    api.tokens = {"new"}
    api.kubeconfig(tmp_path / "config", bearer="new")
    assert version(connection) == "1"
    connection.renew()


def test_kubeconfig_without_a_user_is_nobodys(api: PlaybackApiServer, tmp_path: Path) -> None:
    connection = by_kubeconfig(api.kubeconfig(tmp_path / "config", bearer=""))
    api.tokens = set()
    assert "shown no credentials that it knows" in failure(connection).problem
    assert "authorization" not in api.requests[0].headers
    connection.renew()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda _: "", "is empty"),
        (lambda _: "{", "reading"),
        (lambda _: "- a\n- b\n", "reading"),
        (lambda _: "a: b\n", "Expected key current-context"),
        (lambda config: config | {"current-context": "another"}, "another"),
        (lambda config: config | {"clusters": [{"name": "here", "cluster": {}}]}, "it names no server"),
        (lambda config: config | {"users": 5}, "reading"),
        (
            lambda config: config | {"users": [{"name": "agent", "user": {"client-certificate": "/nowhere"}}]},
            "File does not exist: /nowhere",
        ),
    ],
    ids=["empty", "no YAML", "list", "other YAML", "no such context", "no server", "users", "certificate"],
)
def test_kubeconfig_that_can_not_be_used_is_bad_input(
    api: PlaybackApiServer, tmp_path: Path, change: Callable[[Any], Any], problem: str
) -> None:
    file = api.kubeconfig(tmp_path / "config")
    changed = change(yaml.safe_load(file.read_text()))
    file.write_text(changed if isinstance(changed, str) else yaml.safe_dump(changed))
    with pytest.raises(InputError) as failed:
        by_kubeconfig(file)
    assert problem in failed.value.problem
    assert str(file) in failed.value.problem
    assert "--kubeconfig" in failed.value.remedy


def test_kubeconfig_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="config: No such file or directory"):
        by_kubeconfig(tmp_path / "config")


def test_certificate_of_another_ca_is_not_trusted(
    api: PlaybackApiServer, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    connection = by_kubeconfig(api.kubeconfig(tmp_path / "config"))
    with PlaybackApiServer(tmp_path_factory.mktemp("other")) as other:
        config = yaml.safe_load((tmp_path / "config").read_text())
        config["clusters"][0]["cluster"]["server"] = other.url
        (tmp_path / "config").write_text(yaml.safe_dump(config))
        connection.renew()
        error = failure(connection)
        assert "is not to be trusted: unable to get local issuer certificate" in error.problem
        assert "the CA is the cluster's" in error.remedy
        assert error.lasting
        assert other.requests == []
        assert connection.reachable()


def test_certificate_of_another_name_is_not_trusted(tmp_path: Path) -> None:
    with PlaybackApiServer(tmp_path, certified="10.96.0.1") as api:
        error = failure(by_kubeconfig(api.kubeconfig(tmp_path / "config")))
        assert "is not to be trusted: IP address mismatch" in error.problem
        assert error.lasting


def test_name_of_the_certificate_may_be_given(tmp_path: Path) -> None:
    """The kubeconfig's tls-server-name, as for a tunnel."""
    with PlaybackApiServer(tmp_path, certified="api.example.com") as api:
        api.objects[VERSION] = {"metadata": {}, "major": "1"}
        connection = by_kubeconfig(api.kubeconfig(tmp_path / "config", **{"tls-server-name": "api.example.com"}))
        assert version(connection) == "1"
        connection.renew()


def test_server_that_is_not_there_is_not_reached(api: PlaybackApiServer, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"https://127.0.0.1:{taken.getsockname()[1]}"
    connection = by_kubeconfig(api.kubeconfig(tmp_path / "config", server=url))
    error = failure(connection)
    assert error.problem == f"the API server at {url} is not reached: [Errno 111] Connection refused"
    assert "network" in error.remedy
    assert not error.lasting
    assert not connection.reachable()


def test_server_that_speaks_no_tls_is_told_of(api: PlaybackApiServer, tmp_path: Path) -> None:
    connection = by_kubeconfig(api.kubeconfig(tmp_path / "config", server=api.url.replace("https", "http")))
    assert not failure(connection).lasting
    assert connection.reachable()


def test_server_that_does_not_answer_is_not_waited_for(api: PlaybackApiServer, joined: Joined) -> None:
    api.hang(VERSION)
    connection = joined()
    with pytest.raises(PeerError, match=r"is not reached: .*timed out"):
        connection.get(VERSION, read_s=0.1)
    api.go_on()
    assert version(connection) == "1"


def test_server_is_reachable_if_it_takes_connections(joined: Joined, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes them and then says nothing is not."""
    assert joined().reachable()
    monkeypatch.setattr(connections, "REACH_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not joined(KUBERNETES_SERVICE_PORT=str(silent.getsockname()[1])).reachable()
    assert not joined(KUBERNETES_SERVICE_PORT="no-port").reachable()
