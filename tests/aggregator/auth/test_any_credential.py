"""Whatever somebody sends, the answer is a principal or an AuthError."""

from __future__ import annotations

import base64
import contextlib
import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from played_cluster import AGENT, AUDIENCE, PlayedCluster
from set_time import SetTime

from aggregator.auth.access_review import AccessReviewReaders
from aggregator.auth.certificates import Certificates
from aggregator.auth.chain import AnyAgents, AnyReaders
from aggregator.auth.refused import AuthError
from aggregator.auth.remembered import Remembered
from aggregator.auth.reviews import Reviews
from aggregator.auth.static_tokens import StaticTokens
from aggregator.auth.token_review import TokenReviewAgents
from aggregator.auth.tokens import claims
from aggregator.auth.values import Credential, Principal, bearer

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([AUDIENCE, 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["aud", "exp", "sub"]), inner),
    max_leaves=6,
)
CLAIMS = st.fixed_dictionaries({}, optional={"aud": JSON | st.just(AUDIENCE), "exp": JSON, "sub": JSON})


def _jwt(payload: Any) -> str:
    encoded = base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip("=")
    return f"e30.{encoded}.c2ln"


ANY_TEXT = st.text(st.characters(exclude_categories=()))
TOKENS = ANY_TEXT | st.builds(_jwt, JSON | CLAIMS) | st.from_regex(r"[\w-]*\.[\w=-]*\.[\w-]*", fullmatch=True)
VALUES = st.recursive(
    st.none() | st.integers() | ANY_TEXT | st.sampled_from(["URI", "commonName", "organizationName", "system:nodes"]),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=6,
)
CERTIFICATES = st.dictionaries(st.sampled_from(["subject", "subjectAltName", "notAfter"]), VALUES)
CREDENTIALS = st.builds(Credential, token=st.none() | TOKENS, certificate=st.none() | CERTIFICATES)
LET_BE = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(name="static")
def _static(tmp_path: Path) -> StaticTokens:
    (tmp_path / "tokens.yaml").write_text("agents: []")
    (tmp_path / "tokens.yaml").chmod(0o600)
    return StaticTokens(tmp_path / "tokens.yaml")


@given(credential=CREDENTIALS)
@LET_BE
def test_any_credential_of_an_agent_is_answered(
    static: StaticTokens, reviews: Reviews, time: SetTime, credential: Credential
) -> None:
    reviewed = TokenReviewAgents(reviews, accounts=[AGENT], remembered=Remembered(clock=time.clock))
    for agents in (reviewed, static, Certificates(), AnyAgents(of=[static, Certificates(), reviewed])):
        with pytest.raises(AuthError) as refused:
            agents.authenticate(credential)
        assert refused.value.status in (401, 403)
        assert (refused.value.www_authenticate or "Bearer").isascii()


@given(credential=CREDENTIALS, verb=ANY_TEXT, path=ANY_TEXT)
@LET_BE
def test_any_credential_of_a_reader_is_answered(
    static: StaticTokens, reviews: Reviews, credential: Credential, verb: str, path: str
) -> None:
    readers = AnyReaders(of=[static, AccessReviewReaders(reviews)])
    with contextlib.suppress(AuthError):
        assert isinstance(readers.authorise(credential, verb=verb, path=path), Principal)


@given(verb=ANY_TEXT, path=ANY_TEXT | ANY_TEXT.map("/".__add__))
@LET_BE
def test_any_path_is_answered(cluster: PlayedCluster, reviews: Reviews, verb: str, path: str) -> None:
    token = cluster.issue("system:serviceaccount:monitoring:reader")
    with pytest.raises(AuthError) as refused:
        AccessReviewReaders(reviews).authorise(Credential(token=token), verb=verb, path=path)
    assert refused.value.status in (403, 503)


@given(header=st.none() | ANY_TEXT | ANY_TEXT.map("Bearer ".__add__))
@LET_BE
def test_any_header_is_read(header: str | None) -> None:
    token = bearer(header)
    assert token is None or (token and token == token.strip())


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer abc", "abc"),
        ("  BEARER   abc  ", "abc"),
        ("Basic abc", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("", None),
        (None, None),
    ],
)
def test_token_is_read_from_its_header(header: str | None, token: str | None) -> None:
    assert bearer(header) == token


@pytest.mark.parametrize("payload", ["[" * 9_000, "1" * 9_000, '{"a":' * 2_000])
def test_json_that_is_meant_to_hurt_is_none(payload: str) -> None:
    assert claims(f"a.{base64.urlsafe_b64encode(payload.encode()).decode()}.b") is None
