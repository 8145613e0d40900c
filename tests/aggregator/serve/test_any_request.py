"""Whatever is sent, the answer is never that there is a bug."""

from __future__ import annotations

import http.client

from batching import body, framed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running import MEDIA_TYPE, TOKENS, Running

METHODS = st.sampled_from(["POST", "GET", "PUT", "HEAD", "DELETE", "OPTIONS"])
PATHS = st.sampled_from(
    ["/v1/batches", "/v1/nodes", "/metrics", "/readyz", "/v1/batches/", "/%2e%2e", "//", "/v1?x=%ff"]
)
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f\x85\xa0"), max_size=30)
HEADERS = st.dictionaries(
    st.sampled_from(["Content-Type", "Content-Encoding", "Authorization", "Accept", "Cookie", "Origin", "Range"]),
    VALUES,
)
BODIES = st.one_of(st.binary(max_size=200), st.binary(max_size=200).map(framed), st.just(body(1)), st.just(b""))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(method=METHODS, path=PATHS, headers=HEADERS, sent=BODIES, known=st.booleans())
def test_no_request_finds_a_bug(
    server: Running, *, method: str, path: str, headers: dict[str, str], sent: bytes, known: bool
) -> None:
    """Nor does it end the server."""
    if known:
        headers = headers | {"Authorization": f"Bearer {TOKENS.a}", "Content-Type": MEDIA_TYPE}
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=server.context, timeout=10)
    try:
        connection.request(
            method, path, body=sent, headers={key: value.encode("latin-1") for key, value in headers.items()}
        )
        assert connection.getresponse().status not in (500, 502, 504)
    finally:
        connection.close()
    assert not server.events("server_error")
