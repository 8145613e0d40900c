"""Whatever answers at the kubelet's address, the source gives pods or says why not; it never fails in another way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from asking import SOON, CountedPace, jwt
from hypothesis import given, settings
from hypothesis import strategies as st
from playback import PlaybackKubelet
from recordings import GRANTED, recording

from agent.pods.kubelet import Kubelet
from kinwatch.errors import PeerError

EXAMPLES = 100

pods = recording(GRANTED).body
bodies = st.binary(max_size=100) | st.sampled_from(
    [
        pods,
        pods[:-1],
        pods[:99],
        b"[]",
        b"null",
        b"5",
        b"\xff",
        b'{"kind":"PodList"}',
        b'{"kind":"PodList","items":[[]]}',
    ]
)
names = st.sampled_from(["Content-Length", "Transfer-Encoding", "Content-Encoding", "Connection", "Location", "X"])
values = st.sampled_from(
    ["0", "5", "-1", "99999999999", "chunked", "gzip", "close", "keep-alive", "https://example.invalid/", ""]
) | st.text(alphabet=st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=20)
heads = st.lists(st.tuples(names, values).map(lambda header: f"{header[0]}: {header[1]}\r\n"), max_size=4).map("".join)
versions = st.sampled_from(["HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/2", "ICY"])
statuses = st.sampled_from([200, 401, 403, 404, 429, 500]) | st.integers(0, 1000)


@pytest.fixture(scope="module", name="kubelet")
def _kubelet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PlaybackKubelet, Kubelet]]:
    folder: Path = tmp_path_factory.mktemp("kubelet")
    (folder / "token").write_text(jwt())
    with PlaybackKubelet(folder) as played:
        asked = Kubelet(
            played.address,
            node=played.node,
            pace=CountedPace(),
            token_file=folder / "token",
            ca_file=played.ca_file,
            limits=SOON,
        )
        yield played, asked
        asked.close()


@settings(max_examples=EXAMPLES, deadline=None)
@given(version=versions, status=statuses, head=heads, body=bodies)
def test_any_answer_gives_pods_or_a_source_error(
    kubelet: tuple[PlaybackKubelet, Kubelet], version: str, status: int, head: str, body: bytes
) -> None:
    played, asked = kubelet
    played.write(f"{version} {status} Some\r\n{head}\r\n".encode("latin-1") + body)
    _ask(asked)


@settings(max_examples=EXAMPLES, deadline=None)
@given(wire=st.binary(max_size=60))
def test_any_bytes_give_a_source_error(kubelet: tuple[PlaybackKubelet, Kubelet], wire: bytes) -> None:
    played, asked = kubelet
    played.write(wire)
    assert not _ask(asked)


def _ask(asked: Kubelet) -> bool:
    try:
        asked.pods()
    except PeerError as error:
        return not (error.problem and error.remedy)
    return True
