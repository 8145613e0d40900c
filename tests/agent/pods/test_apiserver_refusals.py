"""What the API server refuses, and what comes instead of it, is told with its own problem and remedy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from api_playback import PlaybackApiServer
from api_playback_replies import ANONYMOUS, NODE, NOT_FOUND, UNAUTHORIZED, Reply, forbidden
from asking import CountedPace

from agent.pods.apiserver import ApiServer
from kinwatch.apiserver.connection import by_kubeconfig
from kinwatch.apiserver.refused import LONGEST_MESSAGE, Asked, refused
from kinwatch.errors import PeerError

LIST = "/api/v1/pods"
WATCH = f"/api/v1/pods?fieldSelector=spec.nodeName%3D{NODE}&watch"
MAY = "grant the pod's service account the verbs `list` and `watch` on `pods`, in a ClusterRole"


@pytest.fixture(name="api")
def _api(tmp_path: Path) -> Iterator[PlaybackApiServer]:
    with PlaybackApiServer(tmp_path) as api:
        yield api


@pytest.fixture(name="pace")
def _pace() -> CountedPace:
    return CountedPace()


@pytest.fixture(name="source")
def _source(api: PlaybackApiServer, pace: CountedPace, tmp_path: Path) -> Iterator[ApiServer]:
    connection = by_kubeconfig(api.kubeconfig(tmp_path / "kubeconfig"))
    yield ApiServer(connection, node=NODE, pace=pace)
    connection.renew()


def failure(source: ApiServer) -> PeerError:
    """Why the listings don't go on."""
    with pytest.raises(PeerError) as failed:
        list(source.listings())
    return failed.value


def reply(status: int, text: str = "", **headers: str) -> Reply:
    return Reply(status=status, body=text.encode(), headers={key.replace("_", "-"): headers[key] for key in headers})


@pytest.mark.parametrize(
    ("asked", "answer", "problem", "remedy"),
    [
        (LIST, UNAUTHORIZED, "does not accept these credentials: Unauthorized", "its token is projected"),
        (LIST, ANONYMOUS, "shown no credentials that it knows: pods is forbidden", "auth whoami"),
        (
            LIST,
            forbidden("list", "pods"),
            'does not allow us to list pods: pods is forbidden: User "system:serviceaccount:monitoring:node-agent"',
            MAY,
        ),
        (WATCH, forbidden("watch", "pods"), "does not allow us to watch pods: ", MAY),
        (LIST, NOT_FOUND, "asked to list pods, the API server answers HTTP 404: ", "that of a Kubernetes API server"),
        (LIST, reply(302, Location="http://127.0.0.1:1/"), "answers HTTP 302", "that of a Kubernetes API server"),
    ],
    ids=["credentials", "anonymous", "list", "watch", "not found", "elsewhere"],
)
def test_refusal_that_lasts_is_told_at_once(
    api: PlaybackApiServer,
    source: ApiServer,
    pace: CountedPace,
    *,
    asked: str,
    answer: Reply,
    problem: str,
    remedy: str,
) -> None:
    api.always[asked] = answer
    error = failure(source)
    assert problem in error.problem
    assert remedy in error.remedy
    assert error.lasting
    assert pace.rests == []


@pytest.mark.parametrize(
    ("asked", "answer", "problem", "remedy"),
    [
        (LIST, reply(429, "Too many requests"), "too much to do to list pods (HTTP 429): Too many", "FlowSchema"),
        (
            LIST,
            reply(500, '{"message":"etcd is gone"}'),
            "asked to list pods, the API server answers HTTP 500: etcd",
            "",
        ),
        (WATCH, reply(503), "asked to watch pods, the API server answers HTTP 503: it does not say why", "readyz"),
        (
            LIST,
            reply(200, "<html>Welcome</html>"),
            "asked to list pods, the API server answers what is no JSON",
            "addr",
        ),
        (LIST, reply(200, '{"kind":"NodeList"}'), "answers what is no list of pods (this is no PodList)", "address"),
        (LIST, reply(200, '{"kind":"PodList","items":[]}'), "answers what is no list of pods ('metadata')", "address"),
        (LIST, reply(200, '{"kind":"PodList","metadata":{},"items":[5]}'), "no list of pods (this is no Pod", "addr"),
        (LIST, reply(200, "[]"), "answers what is no list of pods", "address"),
    ],
    ids=["429", "500", "503", "HTML", "other list", "no version", "no pod", "other JSON"],
)
def test_refusal_that_may_pass_is_borne_three_times(
    api: PlaybackApiServer,
    source: ApiServer,
    pace: CountedPace,
    *,
    asked: str,
    answer: Reply,
    problem: str,
    remedy: str,
) -> None:
    """And then it is told."""
    api.always[asked] = answer
    error = failure(source)
    assert problem in error.problem
    assert remedy in error.remedy
    assert not error.lasting
    assert pace.rests == [1.0, 2.0, 4.0]
    assert source.counts["failures"] == 4


def test_what_passes_is_forgiven(api: PlaybackApiServer, source: ApiServer, pace: CountedPace) -> None:
    """Failures are counted anew after a watch has told something."""
    api.watch_s = 0.01
    api.replies += [(LIST, reply(503))] * 3
    listings = source.listings()
    next(listings)
    next(listings)
    api.replies += [(LIST, reply(503))] * 3
    next(listings)
    next(listings)
    assert [rest for rest in pace.rests if rest > 1] == [2.0, 4.0, 2.0, 4.0]


def test_api_server_is_left_alone_for_as_long_as_it_wants(
    api: PlaybackApiServer, source: ApiServer, pace: CountedPace
) -> None:
    api.replies += [(LIST, reply(429, Retry_After="7")), (LIST, reply(503, '{"details":{"retryAfterSeconds":9}}'))]
    next(source.listings())
    assert pace.rests == [7, 9]


def test_api_server_that_wants_to_be_left_alone_for_long_is_told_of(
    api: PlaybackApiServer, source: ApiServer, pace: CountedPace
) -> None:
    """Whoever asks may have another source meanwhile."""
    api.always[LIST] = reply(429, Retry_After="60")
    assert not failure(source).lasting
    assert pace.rests == []


@pytest.mark.parametrize("odd", ["Wed, 21 Oct 2026 07:28:00 GMT", "-5", "soon"])
def test_other_words_for_how_long_are_no_number(
    api: PlaybackApiServer, source: ApiServer, pace: CountedPace, odd: str
) -> None:
    api.replies.append((LIST, reply(429, Retry_After=odd)))
    next(source.listings())
    assert pace.rests == [1.0]


def test_stream_that_always_breaks_off_is_told_of(api: PlaybackApiServer, source: ApiServer, pace: CountedPace) -> None:
    listings = source.listings()
    next(listings)
    api.breaking = True
    with pytest.raises(PeerError, match=r"broke off its answer: .*bytes read") as failed:
        next(listings)
    assert "ends connections" in failed.value.remedy
    assert not failed.value.lasting
    assert pace.rests == [1.0, 2.0, 4.0]
    assert source.counts == {"lists": 1, "watches": 4, "failures": 4}


def test_lines_that_are_never_events_are_told_of(api: PlaybackApiServer, source: ApiServer, pace: CountedPace) -> None:
    """A new list each time, and no end: something stands between."""
    api.greeting = "<html>"
    assert "asked to watch pods, the API server answers with a line that is no event" in failure(source).problem
    assert source.counts["lists"] == 4
    assert pace.rests == [1.0, 2.0, 4.0]


def test_long_words_are_cut() -> None:
    asked = Asked(doing="list pods", permission="none")
    problem = refused(500, {"message": "x" * 10_000}, asked=asked).problem
    assert problem.endswith(": " + "x" * LONGEST_MESSAGE)


@pytest.mark.parametrize("status", [None, 5, [], {"message": 5}, {"details": 5}, {"details": {"causes": None}}])
def test_status_may_be_anything(status: object) -> None:
    assert not refused(500, status, asked=Asked(doing="list pods", permission="none")).expired
