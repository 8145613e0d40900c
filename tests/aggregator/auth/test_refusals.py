"""Refusals are counted, and told once a minute for each reason and who it was."""

from __future__ import annotations

from typing import Any

import pytest

from aggregator.auth.refusals import EVERY_S, Peer, Refusals, peer_class
from aggregator.auth.refused import AuthError, Reason


class Lines:
    """A log that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def warning(self, event: str, **values: Any) -> None:
        assert event == "refused"
        self.told.append(values)

    @property
    def short(self) -> list[tuple[str, str, int]]:
        return [(line["reason"], line["who"], line["times"]) for line in self.told]


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(name="log")
def _log() -> Lines:
    return Lines()


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="refusals")
def _refusals(log: Lines, clock: Clock) -> Refusals:
    return Refusals(log, clock=clock, most=3)


def refused(principal: str | None = None, reason: Reason = Reason.BAD_TOKEN) -> AuthError:
    return AuthError(reason, "no", remedy="none", principal=principal)


def test_first_refusal_is_told_at_once(refusals: Refusals, log: Lines) -> None:
    refusals.add(refused(), peer="10.0.0.5")
    assert log.told == [
        {
            "reason": "bad_token",
            "who": "private",
            "peer": "10.0.0.5",
            "times": 1,
            "problem": "no",
            "remedy": "none",
        }
    ]


def test_further_ones_are_told_a_minute_later_with_their_number(refusals: Refusals, log: Lines, clock: Clock) -> None:
    for _ in range(100):
        refusals.add(refused("a"), peer=None)
    clock.now_s += EVERY_S - 0.1
    refusals.add(refused("a"), peer=None)
    assert log.short == [("bad_token", "a", 1)]
    clock.now_s += 0.1
    refusals.add(refused("a"), peer=None)
    assert log.short == [("bad_token", "a", 1), ("bad_token", "a", 101)]
    assert refusals.counts[Reason.BAD_TOKEN] == 102


def test_who_is_proved_is_told_by_name_others_by_where_they_are(refusals: Refusals, log: Lines) -> None:
    """So guesses from a thousand addresses of one network are one line."""
    for last in range(100):
        refusals.add(refused(), peer=f"10.0.0.{last}")
    refusals.add(refused("a"), peer="10.0.0.1")
    refusals.add(refused("a", Reason.OTHER_NODE), peer="10.0.0.1")
    assert [(reason, who) for reason, who, _ in log.short] == [
        ("bad_token", "private"),
        ("bad_token", "a"),
        ("other_node", "a"),
    ]


def test_all_reasons_are_counted_from_the_start(refusals: Refusals) -> None:
    assert refusals.counts == dict.fromkeys(Reason, 0)


def test_those_beyond_the_bound_are_told_together(refusals: Refusals, log: Lines) -> None:
    for name in "abcdef":
        refusals.add(refused(name), peer=None)
    assert log.short == [("bad_token", who, 1) for who in ("a", "b", "c", "others")]
    assert refusals.counts[Reason.BAD_TOKEN] == 6


def test_nobody_is_left_out_when_others_take_their_place(refusals: Refusals, log: Lines, clock: Clock) -> None:
    """What was not told of those who made room is told with the others."""
    for name in "aabbcc":
        refusals.add(refused(name), peer=None)
    clock.now_s += EVERY_S
    refusals.add(refused("d"), peer=None)
    assert log.short[3:] == [("bad_token", "d", 1)]
    for name in "efg":
        refusals.add(refused(name), peer=None)
    assert log.short[4:] == [("bad_token", "e", 1), ("bad_token", "others", 3 + 1)]
    assert len(refusals._told) == 3
    untold = sum(told.untold for told in refusals._told.values())
    assert sum(times for *_, times in log.short) + untold == sum(refusals.counts.values()) == 10


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("127.0.0.1", Peer.LOOPBACK),
        ("::1", Peer.LOOPBACK),
        ("::ffff:127.0.0.1", Peer.LOOPBACK),
        ("10.244.0.7", Peer.PRIVATE),
        ("fd00::1", Peer.PRIVATE),
        ("169.254.1.1", Peer.LINK_LOCAL),
        ("fe80::1%eth0", Peer.LINK_LOCAL),
        ("8.8.8.8", Peer.PUBLIC),
        ("2001:4860::1", Peer.PUBLIC),
        ("::ffff:8.8.8.8", Peer.PUBLIC),
        ("testclient", Peer.UNKNOWN),
        ("", Peer.UNKNOWN),
        (None, Peer.UNKNOWN),
    ],
)
def test_peers_are_told_apart_by_the_class_of_their_address(address: str | None, peer: Peer) -> None:
    assert peer_class(address) is peer
