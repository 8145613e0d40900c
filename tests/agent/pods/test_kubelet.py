"""The kubelet tells the pods of its node, again and again, over one connection and with the newest token."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from asking import Asking, CountedPace, jwt
from playback import PlaybackKubelet
from playback_server import Conduct
from recordings import GRANTED, Json, recorded_pods, with_ids

from agent.pods.hurdle import Hurdle, KubeletError
from agent.pods.kubelet import BACKOFF_S
from kinwatch.errors import InputError

PODS = 10
"""In the recording."""


def test_pods_are_those_of_the_node(asking: Asking) -> None:
    """Static ones are among them, with the uid that stands in their cgroup's path."""
    pods = {pod.name: pod for pod in asking().pods()}
    assert len(pods) == PODS
    assert pods["node-cache-knode-1"].uid == "e36fa8389324342804dda9d7a02d3560"
    assert pods["node-cache-knode-1"].static
    assert "cd505c78f2311c29ffe59fd618142ddd8a8ef4b53d75faf48eb0c4649dc877ab" in {
        container.running_id for container in pods["cache-0"].containers
    }


def test_node_without_pods_has_none(played: PlaybackKubelet, asking: Asking) -> None:
    """Go writes an empty list as null, and that is no error."""
    played.answer(200, b'{"kind":"PodList","apiVersion":"v1","metadata":{},"items":null}')
    assert asking().pods() == ()


def test_listings_come_at_once_and_after_each_wait(asking: Asking, pace: CountedPace) -> None:
    listings = asking().listings()
    assert len(next(listings)) == PODS
    assert pace.waits == 0
    assert len(next(listings)) == PODS
    assert pace.waits == 1


def test_listings_end_when_it_is_over(asking: Asking, pace: CountedPace) -> None:
    listings = asking().listings()
    next(listings)
    pace.stop()
    assert list(listings) == []


def test_listings_end_when_it_is_over_between_two_attempts(
    played: PlaybackKubelet, asking: Asking, pace: CountedPace, monkeypatch: pytest.MonkeyPatch
) -> None:
    played.conduct = Conduct.RESET
    monkeypatch.setattr(pace, "rest", lambda _: pace.stop())
    assert list(asking().listings()) == []


def test_pods_that_come_and_go_are_in_the_next_listing(played: PlaybackKubelet, asking: Asking) -> None:
    old = "bcc920c4-c1eb-4f31-a96a-31f713ce8126"
    new = "00000000-c1eb-4f31-a96a-31f713ce8126"
    listings = asking().listings()
    assert {pod.uid for pod in next(listings)} >= {old}
    played.pods = with_ids(recorded_pods()[:2], {old: new})
    assert {pod.uid for pod in next(listings)} == {new, "0153bc0e-b9fa-4c5d-a657-1f8e870343bb"}


def test_an_answer_that_did_not_change_is_not_parsed_again(played: PlaybackKubelet, asking: Asking) -> None:
    """The very same tuple says so to whoever compares."""
    first, second = islice(asking().listings(), 2)
    assert first is second
    assert played.requests == 2


def test_one_connection_serves_all_requests(played: PlaybackKubelet, asking: Asking) -> None:
    list(islice(asking().listings(), 5))
    assert (played.requests, played.connections) == (5, 1)


def test_connection_that_was_closed_meanwhile_is_opened_anew(
    played: PlaybackKubelet, asking: Asking, pace: CountedPace
) -> None:
    """A kubelet that is started anew between two requests is no error, and nobody has to wait."""
    listings = asking().listings()
    next(listings)
    played.drop_connections()
    assert len(next(listings)) == PODS
    assert (played.connections, pace.rests) == (2, [])


def test_connection_that_is_reset_by_the_next_request_is_opened_anew(played: PlaybackKubelet, asking: Asking) -> None:
    """That it is closed shows only when something is sent, if the end comes late."""
    kubelet = asking()
    kubelet.pods()
    played.once(Conduct.RESET)
    assert len(kubelet.pods()) == PODS
    assert (played.requests, played.connections) == (3, 2)


def test_renewed_token_is_used_at_once(played: PlaybackKubelet, asking: Asking, token: str, token_file: Path) -> None:
    renewed = jwt(jti="renewed")
    played.tokens[renewed] = GRANTED
    kubelet = asking()
    kubelet.pods()
    token_file.write_text(f"{renewed}\n")
    kubelet.pods()
    assert played.authorizations == [f"Bearer {token}", f"Bearer {renewed}"]


def test_token_that_is_renewed_while_it_is_refused_is_read_again(
    played: PlaybackKubelet, asking: Asking, token: str, token_file: Path
) -> None:
    renewed = jwt(jti="renewed")
    played.tokens[renewed] = GRANTED
    del played.tokens[token]
    played.before_answer = lambda: token_file.write_text(renewed)
    assert len(asking().pods()) == PODS
    assert played.requests == 2


def test_refused_token_is_tried_twice_and_no_more(played: PlaybackKubelet, asking: Asking, token: str) -> None:
    del played.tokens[token]
    with pytest.raises(KubeletError) as raised:
        next(asking().listings())
    assert raised.value.hurdle is Hurdle.AUTHENTICATION
    assert played.requests == 2


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again_after_1_2_and_4_seconds(
    played: PlaybackKubelet, asking: Asking, pace: CountedPace, status: int
) -> None:
    played.answer(status, b"busy")
    with pytest.raises(KubeletError, match=f"status {status}: 'busy'") as raised:
        next(asking().listings())
    assert not raised.value.lasting
    assert tuple(pace.rests) == BACKOFF_S == (1, 2, 4)
    assert played.requests == 4


def test_what_passes_is_no_error(played: PlaybackKubelet, asking: Asking, pace: CountedPace) -> None:
    played.once(Conduct.SHORT)
    assert len(next(asking().listings())) == PODS
    assert pace.rests == [1]


def test_what_lasts_is_told_at_once(played: PlaybackKubelet, asking: Asking, pace: CountedPace) -> None:
    played.play("pods-no-permission")
    with pytest.raises(KubeletError) as raised:
        next(asking().listings())
    assert raised.value.lasting
    assert (played.requests, pace.rests) == (1, [])


def test_after_an_error_listings_begin_anew(played: PlaybackKubelet, asking: Asking) -> None:
    kubelet = asking()
    played.play("pods-no-permission")
    with pytest.raises(KubeletError):
        next(kubelet.listings())
    played.play(None)
    assert len(next(kubelet.listings())) == PODS


def test_kubelet_that_lets_anyone_read_needs_no_token(
    played: PlaybackKubelet, asking: Asking, token_file: Path
) -> None:
    token_file.unlink()
    played.tokens[None] = GRANTED
    assert len(asking().pods()) == PODS
    assert played.authorizations == [None]


def test_node_name_is_wanted(asking: Asking) -> None:
    """Without it the certificate can't be checked."""
    with pytest.raises(InputError, match="without the node's name"):
        asking(node="")


def test_source_has_a_name_and_an_address(played: PlaybackKubelet, asking: Asking) -> None:
    assert asking().name == "kubelet"
    assert asking().url == played.url


def test_pods_are_told_many_times_over(played: PlaybackKubelet, asking: Asking) -> None:
    """110 pods, as many as a node has by default, are far from the bound."""
    pods: list[Json] = [
        pod for run in range(11) for pod in with_ids(recorded_pods(), {'"uid": "': f'"uid": "{run:02}-'})
    ]
    played.pods = pods
    assert len({pod.uid for pod in asking().pods() if not pod.static}) == 99
