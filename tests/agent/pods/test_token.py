"""A token is read with what it claims, and what is wrong with it is known before anyone refuses it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asking import ACCOUNT, ISSUER, jwt
from hypothesis import given
from hypothesis import strategies as st

from agent.pods.token import TOKEN_BYTES, Token, claims_of, read_token


def test_token_tells_whose_it_is_and_for_whom_and_until_when(tmp_path: Path) -> None:
    """The claims are those of the pod-bound token of a real API server; the line's end is none of it."""
    file = tmp_path / "token"
    file.write_text(f"{jwt(exp=1826876684)}\n")
    token = read_token(file)
    assert token.text == jwt(exp=1826876684)
    assert token.subject == ACCOUNT
    assert token.issuer == ISSUER
    assert token.audiences == (ISSUER,)
    assert token.expires == datetime(2027, 11, 22, 9, 44, 44, tzinfo=UTC)
    assert token.absence == ""


@pytest.mark.parametrize(
    ("content", "absence"),
    [
        (None, "there is no file {file}"),
        (b"", "{file} is empty"),
        (b" \n", "{file} is empty"),
        (b"two words", "what {file} holds is no token"),
        (b"a\nb", "what {file} holds is no token"),
        (b"\xff\xfe", "what {file} holds is no token"),
        (b"a" * (TOKEN_BYTES + 1), "what {file} holds is no token"),
    ],
)
def test_file_that_holds_no_token(tmp_path: Path, content: bytes | None, absence: str) -> None:
    """Nothing of it is sent: a line break in a header would be another header."""
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    token = read_token(file)
    assert token.text == ""
    assert token.absence.startswith(absence.format(file=file))


def test_file_that_can_not_be_read(tmp_path: Path) -> None:
    assert read_token(tmp_path).absence == f"reading {tmp_path}: Is a directory"


@pytest.mark.parametrize("text", ["opaque", "not.a.token", "a.b", "a.b.c.d", "..", "e30.W10.x", "e30.bnVsbA.x"])
def test_token_that_is_no_jwt_is_sent_all_the_same(tmp_path: Path, text: str) -> None:
    """Kubelets know other tokens too; it has nothing to claim."""
    file = tmp_path / "token"
    file.write_text(text)
    token = read_token(file)
    assert token.text == text
    assert (token.claims, token.subject, token.issuer, token.audiences, token.expires) == (None, "", "", (), None)


@pytest.mark.parametrize(
    ("aud", "audiences"), [("vault", ("vault",)), ([], ()), (None, ()), (5, ()), (["a", 5, "b"], ("a", "b"))]
)
def test_audience_is_one_or_several(aud: Any, audiences: tuple[str, ...]) -> None:
    """RFC 7519, section 4.1.3."""
    assert Token(file=Path("f"), claims=claims_of(jwt(aud=aud))).audiences == audiences


@pytest.mark.parametrize("exp", [None, "soon", 1e300, -1e300, float("nan"), float("inf"), [], 10**400])
def test_expiry_that_is_no_moment_is_none(exp: Any) -> None:
    assert Token(file=Path("f"), claims=claims_of(jwt(exp=exp))).expires is None


def test_token_is_not_in_what_is_logged() -> None:
    assert "secret" not in repr(Token(file=Path("f"), text="secret", claims={"secret": 1}))


@given(st.binary(max_size=200) | st.text(alphabet="eyJ.-_0", max_size=50).map(str.encode))
def test_any_file_is_read(content: bytes) -> None:
    """Whatever stands in it, what is sent fits into one header."""
    text = content.decode("latin-1")
    assert claims_of(text) is None or isinstance(claims_of(text), dict)
