"""A refusal is explained by what the kubelet says, and where it says nothing by what is known of the token."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from asking import ISSUER, jwt
from hypothesis import given
from hypothesis import strategies as st

from agent.pods.hurdle import Hurdle, KubeletError
from agent.pods.refusals import refusal
from agent.pods.token import Token, claims_of

URL = "https://knode-1:10250/pods"
NOW = datetime(2026, 11, 22, 9, 53, 24, tzinfo=UTC)
FILE = Path("/run/token")
USER = "system:serviceaccount:monitoring:agent"


def token_of(**claims: object) -> Token:
    """A ServiceAccount's token; claims replace its own."""
    text = jwt(**claims)
    return Token(file=FILE, text=text, claims=claims_of(text))


def told(status: int, body: str = "", *, token: Token | None = None, apiserver: bool | None = None) -> KubeletError:
    """What is said of an answer."""
    return refusal(status, body, url=URL, token=token or token_of(), now=NOW, apiserver=apiserver)


@pytest.mark.parametrize(
    ("token", "apiserver", "problem", "remedy"),
    [
        (Token(file=FILE, absence="/run/token is empty"), None, "has none: /run/token is empty", "automountServiceAcc"),
        (Token(file=FILE, text="opaque"), None, "it is no ServiceAccount token", "mount a projected"),
        (
            token_of(exp=NOW.timestamp()),
            None,
            "expired at 2026-11-22T09:53:24Z",
            "subPath",
        ),
        (token_of(aud=["vault", "sts"]), None, "its audience is 'vault', 'sts'", "without an audience"),
        (token_of(aud="vault", iss=None), None, "mostly 'https://kubernetes.default.svc'", "without an audience"),
        (token_of(), False, "could not have the token of system:serviceaccount:monitoring:agent-nodes-pods", "wait"),
        (
            token_of(),
            None,
            "looks valid: the API server is away and the kubelet could not have it checked, or",
            "webhook",
        ),
        (
            token_of(),
            True,
            "looks valid: it was revoked (its pod or ServiceAccount is gone), or it is from an",
            "readyz",
        ),
    ],
)
def test_401_is_told_by_what_is_known_of_the_token(
    token: Token, problem: str, remedy: str, *, apiserver: bool | None
) -> None:
    """The kubelet's own words are the same for all of them."""
    error = told(401, "Unauthorized", token=token, apiserver=apiserver)
    assert problem in error.problem
    assert remedy in error.remedy
    assert error.hurdle is Hurdle.AUTHENTICATION
    assert error.lasting is (apiserver is not False)


@pytest.mark.parametrize(
    ("aud", "iss"),
    [
        ([ISSUER], ISSUER),
        (["https://kubernetes.default.svc"], "https://oidc.eks.eu-west-1.amazonaws.com/id/0A"),
        (["https://container.googleapis.com/v1/projects/p"], "https://container.googleapis.com/v1/projects/p"),
        (["https://shop.hcp.westeurope.azmk8s.io"], "https://westeurope.oic.prod-aks.azure.com/x/"),
        (["https://kubernetes.default.svc.cluster.local", "k3s"], ISSUER),
        ([], ISSUER),
    ],
)
def test_audience_of_an_api_server_is_not_suspected(aud: list[str], iss: str) -> None:
    """As Kubernetes, EKS, GKE, AKS and k3s have it."""
    assert "audience" not in told(401, token=token_of(aud=aud, iss=iss)).problem


def test_permission_that_is_missing_is_named_with_its_holder() -> None:
    error = told(403, f"Forbidden (user={USER}, verb=get, resource=nodes, subresource(s)=[pods proxy])\n")
    assert error.problem == f"{USER} may not get nodes/pods (nor nodes/proxy, which would do too)"
    assert "resources: [nodes/pods], verbs: [get]" in error.remedy
    assert "the ServiceAccount agent in the namespace monitoring" in error.remedy
    assert "prefer it to nodes/proxy, which lets its holder run commands" in error.remedy


def test_kubelet_before_1_33_knows_only_nodes_proxy() -> None:
    """One subresource, no brackets; the permission that it asks for is more than anyone should have."""
    error = told(403, f"Forbidden (user={USER}, verb=get, resource=nodes, subresource=proxy)")
    assert f"{USER} may not get nodes/proxy: this kubelet asks for no finer permission" in error.problem
    assert "resources: [nodes/proxy], verbs: [get]" in error.remedy
    assert "run commands in every container of the node, so rather upgrade to 1.33" in error.remedy


def test_user_that_is_no_service_account_is_named_as_it_is() -> None:
    error = told(403, "Forbidden (user=jane, verb=get, resource=nodes, subresource(s)=[pods proxy])")
    assert "bound to the user jane" in error.remedy


def test_anonymous_is_not_given_a_permission() -> None:
    """It is the token that is missing, or that the kubelet doesn't look at."""
    body = "Forbidden (user=system:anonymous, verb=get, resource=nodes, subresource(s)=[pods proxy])"
    ignored = told(403, body)
    assert "does not look at the token in /run/token" in ignored.problem
    assert "authentication.webhook.enabled: true" in ignored.remedy
    missing = told(403, body, token=Token(file=FILE, absence="there is no file /run/token"))
    assert "there is no file /run/token" in missing.problem
    assert ignored.hurdle is missing.hurdle is Hurdle.AUTHENTICATION


def test_403_that_is_not_the_kubelets() -> None:
    error = told(403, "<html>Blocked by policy</html>")
    assert error.problem == f"{URL} is forbidden, and not in the kubelet's words: '<html>Blocked by policy</html>'"
    assert "proxy" in error.remedy
    assert error.lasting


def test_api_server_that_could_not_be_asked_is_no_missing_permission() -> None:
    error = told(500, f"Authorization error (user={USER}, verb=get, resource=nodes, subresource(s)=[pods proxy])")
    assert error.problem == f"the kubelet could not ask the API server whether {USER} may get nodes/pods"
    assert error.hurdle is Hurdle.AUTHORISATION
    assert not error.lasting


@pytest.mark.parametrize(
    ("status", "lasting"),
    [(204, True), (301, True), (400, True), (405, True), (408, False), (429, False), (500, False), (503, False)],
)
def test_any_other_status_is_told_with_what_came_along(status: int, *, lasting: bool) -> None:
    error = told(status, "")
    assert error.problem == f"{URL} answered with status {status}: without a word"
    assert error.lasting is lasting
    assert error.hurdle is Hurdle.ANSWER


def test_long_words_are_cut() -> None:
    """A message is for a person, whoever sent it."""
    assert len(told(503, "x" * 100_000).problem) < 300
    assert len(told(403, f"Forbidden (user={'u' * 9999}, verb=get, resource=nodes, subresource=proxy)").problem) < 500
    assert len(told(401, token=token_of(aud=["a" * 9999], iss="i" * 9999)).problem) < 700


@given(
    status=st.integers(0, 999),
    body=st.text() | st.from_regex(r"Forbidden \(user=.*, verb=.*, resource=.*, subresource(\(s\)=\[.*\]|=.*)\)"),
    apiserver=st.booleans() | st.none(),
)
def test_any_answer_has_words_and_a_remedy(status: int, body: str, *, apiserver: bool | None) -> None:
    error = told(status, body, apiserver=apiserver)
    assert error.problem
    assert error.remedy
