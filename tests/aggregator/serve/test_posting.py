"""What is answered to who sends batches."""

from __future__ import annotations

import http.client
import json
from typing import BinaryIO

import pytest
from batching import BOMBS, BOOT, body
from running import TOKENS, Running, wait_for


def outcome(server: Running, sent: bytes, token: str = TOKENS.a) -> tuple[int, str]:
    answer = server.post(sent, token=token)
    said = answer.json()
    return answer.status, said.get("outcome") or said["reason"]


def answered(answers: BinaryIO, count: int) -> list[bytes]:
    """The first lines of so many answers."""
    lines = []
    for _ in range(count):
        lines.append(answers.readline())
        headers = http.client.parse_headers(answers)
        answers.read(int(headers["Content-Length"]))
    return lines


def test_a_batch_is_stored_once(server: Running) -> None:
    """201 says that it is stored, 200 that it was before, 409 that another one is; the first stays."""
    assert outcome(server, body(1)) == (201, "stored")
    assert outcome(server, body(1)) == (200, "duplicate")
    assert outcome(server, body(1, seen="write")) == (409, "conflict")
    assert outcome(server, body(1)) == (200, "duplicate")


def test_an_agent_speaks_for_its_own_node_only(server: Running) -> None:
    assert outcome(server, body(2), TOKENS.b) == (403, "other_node")
    assert outcome(server, body(2, node="node-b"), TOKENS.b) == (201, "stored")
    assert outcome(server, body(2, node="node-z"), TOKENS.any) == (201, "stored")


def test_who_sends_is_known_before_a_byte_of_the_body_is_read(server: Running) -> None:
    """The answer comes although the body never does."""
    with server.connection() as connection:
        connection.sendall(b"POST /v1/batches HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 401")


def test_a_refusal_carries_reason_problem_and_remedy(server: Running) -> None:
    answer = server.post(body(3))
    assert answer.status == 401
    assert sorted(answer.json()) == ["problem", "reason", "remedy"]
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="kinwatch"'


def test_a_readers_token_sends_nothing_and_an_agents_reads_nothing(server: Running) -> None:
    assert outcome(server, body(3), TOKENS.reader) == (403, "other_role")
    assert server.get("/v1/nodes", token=TOKENS.a).status == 403
    assert server.get("/v1/nodes").status == 401


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_at_a_bounded_cost(server: Running, name: str) -> None:
    make, status = BOMBS[name]
    assert server.post(make(), token=TOKENS.a).status == status
    assert server.rss_mib() < 300
    assert server.get("/healthz").status == 200


def test_what_is_too_long_is_refused_by_its_header_and_by_its_bytes(server: Running) -> None:
    """With a Content-Length before anything is read, in chunks as soon as there are too many."""
    assert outcome(server, bytes(5_000_000)) == (413, "compressed_size")
    start = body(4)[:18]
    answer = server.ask(
        "POST",
        "/v1/batches",
        body=iter([start, *[bytes(1 << 20)] * 5]),
        chunked=True,
        headers={"Content-Type": "application/vnd.kinwatch.batch", "Authorization": f"Bearer {TOKENS.a}"},
    )
    assert (answer.status, answer.json()["reason"]) == (413, "compressed_size")


def test_another_media_type_is_refused(server: Running) -> None:
    assert server.post(body(5), token=TOKENS.a, **{"Content-Type": "application/json"}).status == 415
    assert server.post(body(5), token=TOKENS.a, **{"Content-Encoding": "gzip"}).status == 415


def test_an_empty_body_is_no_batch_whatever_its_media_type(server: Running) -> None:
    """`agent doctor` asks so whether its token is taken."""
    headers = {"Authorization": f"Bearer {TOKENS.a}"}
    assert server.ask("POST", "/v1/batches", headers=headers).status == 400


def test_half_a_body_is_stored_by_nobody(server: Running) -> None:
    """Who goes away in the middle is counted, and its batch can be sent again."""
    sent, gone = body(6), server.metric("kinwatch_aggregator_gone_total")
    with server.connection() as connection:
        head = f"POST /v1/batches HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKENS.a}\r\n"
        head += f"Content-Type: application/vnd.kinwatch.batch\r\nContent-Length: {len(sent)}\r\n\r\n"
        connection.sendall(head.encode() + sent[:50])
    wait_for(lambda: server.metric("kinwatch_aggregator_gone_total") == gone + 1, "the sender to be missed")
    assert outcome(server, sent) == (201, "stored")


def test_thousands_of_pieces_of_garbage_leave_it_as_it_was(server: Running) -> None:
    """Each is answered, on one connection, and memory does not grow with them."""
    before_mib = server.rss_mib()
    head = f"POST /v1/batches HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKENS.a}\r\n"
    head += "Content-Type: application/vnd.kinwatch.batch\r\nContent-Length: 20\r\n\r\n"
    piece = head.encode() + b"garbage of 20 bytes."
    with server.connection() as connection, connection.makefile("rb") as answers:
        for _ in range(20):
            connection.sendall(piece * 100)
            assert sum(line.startswith(b"HTTP/1.1 400") for line in answered(answers, 100)) == 100
    assert server.rss_mib() - before_mib < 30
    assert outcome(server, body(7)) == (201, "stored")


def test_the_nodes_tell_what_is_missing(server: Running) -> None:
    """A sequence that was jumped over is logged, counted, and shown to readers."""
    assert outcome(server, body(1, node="node-gap"), TOKENS.any) == (201, "stored")
    assert outcome(server, body(4, node="node-gap", lost={"batches": 2}), TOKENS.any) == (201, "stored")
    told = {node["node"]: node for node in server.get("/v1/nodes", token=TOKENS.reader).json()["nodes"]}["node-gap"]
    assert (told["sequence"], told["stored"], told["missing"], told["boot"]) == (4, 2, 2, BOOT)
    gap, lost = server.event("node_gap"), server.event("batch_lost")
    assert (gap["node"], gap["first"], gap["last"]) == ("node-gap", 2, 3)
    assert (lost["node"], lost["lost"]) == ("node-gap", {"batches": 2})
    assert server.metric('kinwatch_aggregator_lost_total{what="batches"}') == 2


def test_other_paths_and_methods_say_what_there_is(server: Running) -> None:
    for method, path, status in (("GET", "/", 404), ("GET", "/docs", 404), ("GET", "/v1/batches", 405)):
        answer = server.ask(method, path)
        assert (answer.status, "POST /v1/batches" in answer.json()["remedy"]) == (status, True)


def test_openapi_names_every_path(server: Running) -> None:
    assert sorted(server.get("/openapi.json").json()["paths"]) == [
        "/healthz",
        "/metrics",
        "/readyz",
        "/v1/batches",
        "/v1/nodes",
    ]


def test_readyz_says_so_in_a_line_or_as_json(server: Running) -> None:
    assert server.get("/readyz").data == b"ready\n"
    assert server.get("/readyz?format=json").json() == {"ready": True, "reasons": []}


def test_what_is_no_http_is_told_so(server: Running) -> None:
    """Garbage, and headers without an end."""
    for sent in (b"\x16\x03garbage\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000):
        with server.connection() as connection:
            connection.sendall(sent)
            said = connection.makefile("rb").read()
        assert said.startswith(b"HTTP/1.1 400")
        assert json.loads(said.partition(b"\r\n\r\n")[2])["reason"] == "http"
