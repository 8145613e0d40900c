"""The API server tells the pods of one node, and every change of them, whatever comes between."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from api_playback import PlaybackApiServer
from api_playback_replies import NODE, TOO_OLD_TO_LIST, Reply, recorded_events
from asking import CountedPace

from agent.pods import apiserver, watch
from agent.pods.apiserver import ApiServer
from agent.pods.pod import Pod
from agent.pods.watch import BATCH_MAX, WAITING_MAX
from kinwatch.apiserver.connection import Connection, by_kubeconfig
from kinwatch.errors import PeerError

PODS = 10
"""In the recorded list."""
Listings = Iterator[tuple[Pod, ...]]


@pytest.fixture(name="api")
def _api(tmp_path: Path) -> Iterator[PlaybackApiServer]:
    """An API server; whatever is asked of it, it is asked for the pods of one node."""
    with PlaybackApiServer(tmp_path) as api:
        yield api
        asked = [request for request in api.requests if "pods" in request.path]
        assert all(request.query["fieldSelector"] == f"spec.nodeName={NODE}" for request in asked)


@pytest.fixture(name="connection")
def _connection(api: PlaybackApiServer, tmp_path: Path) -> Iterator[Connection]:
    connection = by_kubeconfig(api.kubeconfig(tmp_path / "kubeconfig"))
    yield connection
    connection.renew()


@pytest.fixture(name="pace")
def _pace() -> CountedPace:
    return CountedPace()


@pytest.fixture(name="source")
def _source(connection: Connection, pace: CountedPace) -> ApiServer:
    return ApiServer(connection, node=NODE, pace=pace)


@pytest.fixture(name="listings")
def _listings(source: ApiServer, pace: CountedPace) -> Iterator[Listings]:
    """The listings; whoever waits for one in vain is not kept waiting."""
    listings = source.listings()
    alarm = threading.Timer(20, pace.stop)
    alarm.start()
    yield listings
    alarm.cancel()
    listings.close()


def names(pods: tuple[Pod, ...]) -> set[str]:
    return {pod.name for pod in pods}


def there(api: PlaybackApiServer) -> set[str]:
    return {pod["metadata"]["name"] for pod in api.pods}


def until(listings: Listings, holds: Callable[[tuple[Pod, ...]], bool]) -> tuple[Pod, ...]:
    """The first listing of which something holds."""
    return next(pods for pods in listings if holds(pods))


def queries(api: PlaybackApiServer, *, watch: bool) -> list[dict[str, str]]:
    return [request.query for request in api.requests if request.is_watch is watch]


def test_pods_are_those_that_are_listed(listings: Listings) -> None:
    """A static one is told with the uid that its cgroups bear."""
    pods = {pod.name: pod for pod in next(listings)}
    assert len(pods) == PODS
    assert pods["node-cache-knode-1"].uid == "e36fa8389324342804dda9d7a02d3560"
    assert pods["node-cache-knode-1"].static
    assert pods["orders-68bc66c8b7-whfdw"].owner is not None


def test_list_is_asked_of_the_api_servers_memory_and_watched_from(api: PlaybackApiServer, listings: Listings) -> None:
    next(listings)
    api.push("DELETED", api.pods[0])
    next(listings)
    assert queries(api, watch=False) == [{"fieldSelector": f"spec.nodeName={NODE}", "resourceVersion": "0"}]
    (followed,) = queries(api, watch=True)
    assert followed["resourceVersion"] == "653"
    assert followed["allowWatchBookmarks"] == "true"
    assert int(followed["timeoutSeconds"]) <= 60


def test_recorded_watch_leads_to_the_pods_that_it_led_to(api: PlaybackApiServer, listings: Listings) -> None:
    """Eight pods came and seven went in two minutes, in 85 events."""
    next(listings)
    api.play(recorded_events())
    pods = until(listings, lambda pods: names(pods) == there(api))
    assert len(pods) == PODS + 8 - 7
    assert "web-7bdb4cc484-hgwb2" in names(pods)


def test_watch_without_a_list_tells_the_same(api: PlaybackApiServer, listings: Listings) -> None:
    """The recording of a watch that began with all pods as events."""
    api.pods = []
    api.events.clear()
    api.version = 1
    assert next(listings) == ()
    api.play(recorded_events("watch-pods-initial-events.jsonl"))
    until(listings, lambda pods: names(pods) == there(api) and len(pods) == PODS + 1)


@pytest.fixture(name="unhurried")
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than a busy machine pauses between two events that were sent together."""
    monkeypatch.setattr(watch, "TOGETHER_S", 0.5)


@pytest.mark.usefixtures("unhurried")
def test_events_that_come_together_are_told_together(api: PlaybackApiServer, listings: Listings) -> None:
    next(listings)
    api.pods = api.pods[5:]
    assert len(next(listings)) == PODS - 5


@pytest.mark.usefixtures("unhurried")
def test_stream_that_never_pauses_is_told_of_all_the_same(api: PlaybackApiServer, listings: Listings) -> None:
    next(listings)
    pod = api.pods[0]
    with api.changed:
        for _ in range(BATCH_MAX):
            api.push("MODIFIED", pod)
        api.push("DELETED", pod)
    assert len(next(listings)) == PODS
    assert len(next(listings)) == PODS - 1


def test_change_that_does_not_matter_here_gives_the_same_tuple(api: PlaybackApiServer, listings: Listings) -> None:
    """So that the caller sees without a comparison that nothing is to be done."""
    before = next(listings)
    api.push("MODIFIED", api.pods[0])
    assert next(listings) is before


def test_nothing_is_lost_while_the_caller_is_busy(api: PlaybackApiServer, listings: Listings) -> None:
    """More events than may wait here hold up the API server, not the caller."""
    next(listings)
    pod = api.pods[0]
    with api.changed:
        for _ in range(3 * WAITING_MAX):
            api.push("MODIFIED", pod)
        api.push("DELETED", pod)
    until(listings, lambda pods: len(pods) == PODS - 1)


def test_watch_that_ends_in_time_gives_the_same_tuple_and_is_resumed(
    api: PlaybackApiServer, listings: Listings, pace: CountedPace, source: ApiServer
) -> None:
    api.watch_s = 0.05
    before = next(listings)
    assert next(listings) is before
    assert next(listings) is before
    api.push("DELETED", api.pods[0])
    until(listings, lambda pods: len(pods) == PODS - 1)
    assert {query["resourceVersion"] for query in queries(api, watch=True)} <= {"653", "654"}
    assert source.counts["lists"] == 1
    assert set(pace.rests) == {apiserver.BETWEEN_S}


def test_bookmark_moves_on_from_where_a_watch_is_resumed(api: PlaybackApiServer, listings: Listings) -> None:
    api.watch_s = 0.05
    next(listings)
    api.play([event for event in recorded_events() if event["type"] == "BOOKMARK"][:1])
    until(listings, lambda _: queries(api, watch=True)[-1]["resourceVersion"] == "962")


def test_quiet_watch_gives_the_same_tuple_now_and_then(
    listings: Listings, monkeypatch: pytest.MonkeyPatch, source: ApiServer
) -> None:
    monkeypatch.setattr(apiserver, "GLANCE_S", 0.01)
    monkeypatch.setattr(apiserver, "QUIET_S", 0.05)
    before = next(listings)
    assert next(listings) is before
    assert next(listings) is before
    assert source.counts["watches"] == 1


def test_listings_end_when_it_is_over(listings: Listings, pace: CountedPace, api: PlaybackApiServer) -> None:
    next(listings)
    threading.Timer(0.1, pace.stop).start()
    assert list(listings) == []
    api.wait_for(lambda api: api.watching == 0)


def test_listings_that_are_let_go_of_end_their_watch(listings: Listings, api: PlaybackApiServer) -> None:
    next(listings)
    api.push("DELETED", api.pods[0])
    next(listings)
    listings.close()
    api.wait_for(lambda api: api.watching == 0)
    assert "watch" not in {thread.name for thread in threading.enumerate()}


def test_stream_that_breaks_off_within_a_line_is_resumed(
    api: PlaybackApiServer, listings: Listings, pace: CountedPace, source: ApiServer
) -> None:
    """From the last event that came whole; what happened meanwhile is told."""
    next(listings)
    first, second, *_ = api.pods
    api.push("DELETED", first)
    next(listings)
    with api.changed:
        api.cut()
        api.push("DELETED", second)
    assert len(until(listings, lambda pods: second["metadata"]["name"] not in names(pods))) == PODS - 2
    next_listing = threading.Thread(target=lambda: next(listings))
    next_listing.start()
    api.wait_for(lambda api: len(queries(api, watch=True)) == 2)
    api.push("DELETED", api.pods[0])
    next_listing.join()
    assert pace.rests == [1.0]
    assert source.counts == {"lists": 1, "watches": 2, "failures": 1}


def test_version_that_is_too_old_leads_to_a_new_list(
    api: PlaybackApiServer, listings: Listings, pace: CountedPace, source: ApiServer
) -> None:
    """The API server says so within a stream that begins with HTTP 200; it's asked again at once, for nothing older."""
    next(listings)
    api.pods = api.pods[4:]
    api.forget()
    assert len(until(listings, lambda pods: len(pods) < PODS)) == PODS - 4
    assert source.counts["expired"] == 1
    assert [query["resourceVersion"] for query in queries(api, watch=False)] == ["0", "653"]
    assert pace.rests == []


def test_watch_may_be_refused_as_too_old_at_once(api: PlaybackApiServer, listings: Listings, source: ApiServer) -> None:
    api.replies.append(("/api/v1/pods?fieldSelector=spec.nodeName%3Dknode-1&watch", TOO_OLD_TO_LIST))
    next(listings)
    api.pods = api.pods[1:]
    assert len(next(listings)) == PODS - 1
    assert source.counts["expired"] == 1


def test_version_that_is_always_too_old_is_no_endless_loop(
    api: PlaybackApiServer, listings: Listings, pace: CountedPace
) -> None:
    api.forgotten = api.version + 1
    with pytest.raises(PeerError, match="does not keep what was asked for any more: too old resource version"):
        list(listings)
    assert pace.rests == [2.0, 4.0]


TOO_LARGE = Reply(
    status=504,
    body=json.dumps(
        {"message": "Too large resource version", "details": {"causes": [{"reason": "ResourceVersionTooLarge"}]}}
    ).encode(),
)


@pytest.mark.parametrize("reply", [TOO_OLD_TO_LIST, TOO_LARGE], ids=["too old", "set back"])
def test_list_that_can_not_be_as_new_as_asked_is_asked_of_the_store_by_pages(
    api: PlaybackApiServer, listings: Listings, reply: Reply
) -> None:
    """As after the API server's store was compacted, or set back to a backup."""
    api.replies.append(("/api/v1/pods", reply))
    api.page = 4
    assert len(next(listings)) == PODS
    _, *pages = queries(api, watch=False)
    assert [(page["limit"], page.get("continue"), page.get("resourceVersion")) for page in pages] == [
        ("500", None, None),
        ("500", "4", None),
        ("500", "8", None),
    ]


def test_page_that_is_too_old_leads_to_a_new_list(api: PlaybackApiServer, listings: Listings) -> None:
    api.page = 4
    api.replies.append(("/api/v1/pods?fieldSelector=spec.nodeName%3Dknode-1&limit=500&continue=4", TOO_OLD_TO_LIST))
    assert len(next(listings)) == PODS


@pytest.mark.parametrize(
    "line", ["{", "no JSON", "5", "[]", "{}", '{"type":"ADDED"}', '{"type":"ADDED","object":{"metadata":{}}}']
)
def test_line_that_is_no_event_leads_to_a_new_list(
    api: PlaybackApiServer, listings: Listings, source: ApiServer, line: str
) -> None:
    """What came before may not be whole either."""
    next(listings)
    with api.changed:
        api.tell(line)
        api.pods = api.pods[1:]
    assert len(until(listings, lambda pods: len(pods) < PODS)) == PODS - 1
    assert source.counts["lists"] == 2


def test_error_in_a_stream_is_borne_and_watched_on_from(
    api: PlaybackApiServer, listings: Listings, pace: CountedPace
) -> None:
    next(listings)
    with api.changed:
        api.tell('{"type":"ERROR","object":{"kind":"Status","metadata":{},"code":500,"message":"etcd is gone"}}')
        api.push("DELETED", api.pods[0])
    until(listings, lambda pods: len(pods) == PODS - 1)
    assert pace.rests == [1.0]


@pytest.mark.parametrize("node", ["", "a,metadata.namespace=b", "Upper", "-a", "a" * 254])
def test_name_that_no_node_has_is_not_asked_for(
    api: PlaybackApiServer, connection: Connection, pace: CountedPace, node: str
) -> None:
    with pytest.raises(PeerError, match="no name of a Kubernetes node"):
        next(ApiServer(connection, node=node, pace=pace).listings())
    assert api.requests == []


def test_client_is_not_imported_before_it_is_needed() -> None:
    """It costs 0.4 s and 22 MB, which an agent that asks the kubelet alone need not pay."""
    program = "import sys, agent.pods.apiserver, agent.pods.owners; sys.exit('kubernetes' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3])
