"""Which batches come of a window, and what they say was missed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import cargo
from cargo import NODE, closed, end_s, snapshot, window

from agent.pods.sources import Status
from agent.ship.packing import LOST_WINDOWS_MAX, Packer, Parcel, encoded, fitting
from agent.spool.values import Dropped, Reason, Tally, Ticket
from kinwatch.aspects import Aspect
from kinwatch.batch import Batch, Expected
from kinwatch.snapshot import Replica, Snapshot, Workload
from kinwatch.wire import LIMITS, Limits, Refusal, WireError, decode, encode

TICKET = Ticket(incarnation=cargo.BOOT, sequence=1, dropped=Dropped())


def packer(*, last_end_s: float | None = None) -> Packer:
    return Packer(cargo.names, last_end_s=last_end_s)


def lost_windows(packer: Packer, number: int) -> int:
    """How many windows are said to be missing before this one."""
    return dict(packer.closed(closed(number), more_lost={})[-1].coverage.lost).get("windows", 0)


# --- What goes into them --------------------------------------------------------------------------------------------


def test_window_becomes_a_batch() -> None:
    (parcel,) = packer().closed(closed(3, lost={"threads": 2}), more_lost={"refused": 1})
    batch = decode(encoded(parcel, TICKET, node=NODE, agent_version="1.2.3"))
    assert (batch.key.node, batch.key.boot, batch.key.sequence) == (NODE, cargo.BOOT, 1)
    assert (batch.window, batch.late, batch.agent_version) == (window(3), False, "1.2.3")
    assert batch.snapshots == (snapshot(3),)
    assert [one.replica for one in batch.expected] == [snapshot(3).replica]
    assert batch.coverage.observed_s == cargo.WINDOW_S
    assert batch.coverage.lost == {"refused": 1, "threads": 2}
    assert (batch.coverage.names_source, batch.coverage.problem) == ("kubelet", None)


def test_coverage_tells_why_names_come_from_elsewhere() -> None:
    """As it is when the batch is made."""
    status = Status(source="apiserver", problem="kubelet: HTTP 403")
    (parcel,) = Packer(lambda: status, last_end_s=None).closed(closed(0), more_lost={})
    assert (parcel.coverage.names_source, parcel.coverage.problem) == ("apiserver", "kubelet: HTTP 403")


def test_late_snapshots_go_before_the_window_a_batch_for_each_of_theirs() -> None:
    late = [snapshot(1, "a"), snapshot(1, "b"), snapshot(2, "a")]
    parcels = packer().closed(closed(3, late=late), more_lost={})
    assert [(one.window, one.late, len(one.snapshots)) for one in parcels] == [
        (window(1), True, 2),
        (window(2), True, 1),
        (window(3), False, 1),
    ]


def test_late_batch_neither_expects_anybody_nor_counts_a_loss_again() -> None:
    first, last = packer().closed(closed(3, late=[snapshot(1)]), more_lost={"refused": 1})
    assert (first.expected, first.coverage.lost, first.coverage.observed_s) == ((), {}, 0)
    assert last.coverage.lost == {"refused": 1}


def test_batch_tells_what_was_dropped_before_it() -> None:
    """The spool knows only when it is written."""
    (parcel,) = packer().closed(closed(0, lost={"threads": 1}), more_lost={})
    dropped = Dropped.of(Reason.FULL, Tally(3, 4000)) + Dropped.of(Reason.DAMAGED, Tally(1, 500))
    ticket = Ticket(incarnation=cargo.BOOT, sequence=8, dropped=dropped)
    batch = decode(encoded(parcel, ticket, node=NODE, agent_version="1"))
    assert batch.coverage.lost == {"batches": 4, "bytes": 4500, "threads": 1}
    assert batch.key.sequence == 8


# --- Windows that were missed ---------------------------------------------------------------------------------------


def test_windows_between_two_are_missed() -> None:
    one = packer()
    assert [lost_windows(one, number) for number in (0, 1, 5, 6)] == [0, 0, 3, 0]


def test_windows_while_no_agent_ran_are_missed() -> None:
    """By what the spool remembers of the life before."""
    assert lost_windows(packer(last_end_s=end_s(0)), 4) == 3
    assert lost_windows(packer(last_end_s=end_s(3)), 4) == 0


def test_first_window_of_a_new_node_misses_none() -> None:
    assert lost_windows(packer(last_end_s=None), 1000) == 0


def test_window_that_was_open_at_an_end_and_goes_on_in_the_next_life_is_not_missed() -> None:
    """It is told twice, in part each time."""
    assert lost_windows(packer(last_end_s=end_s(4)), 4) == 0


def test_clock_that_was_set_back_misses_none_then_and_later() -> None:
    one = packer()
    assert [lost_windows(one, number) for number in (100, 40, 41, 43)] == [0, 0, 0, 1]


def test_clock_that_was_set_forward_misses_what_it_jumped_over_but_not_a_century() -> None:
    one = packer()
    assert [lost_windows(one, number) for number in (0, 21, 10**8)] == [0, 20, LOST_WINDOWS_MAX]


def test_length_of_windows_may_change_between_lives() -> None:
    one = packer(last_end_s=end_s(0))
    short = replace(closed(4), window=replace(window(4), start=window(4).start, seconds=10.0))
    assert one.closed(short, more_lost={})[-1].coverage.lost == {"windows": 9}


def test_windows_that_were_dropped_on_the_way_are_missed_once() -> None:
    """They leave a gap, too."""
    one = packer()
    one.closed(closed(0), more_lost={})
    assert one.closed(closed(5), more_lost={"windows": 4})[-1].coverage.lost == {"windows": 4}
    assert one.closed(closed(8), more_lost={"windows": 1})[-1].coverage.lost == {"windows": 2}


def test_windows_that_were_dropped_while_the_clock_was_set_back_are_missed_all_the_same() -> None:
    one = packer()
    one.closed(closed(100), more_lost={})
    assert one.closed(closed(50), more_lost={"windows": 3})[-1].coverage.lost == {"windows": 3}


# --- What is too large for one --------------------------------------------------------------------------------------


def parcel_of(*snapshots: Snapshot) -> Parcel:
    (one,) = packer().closed(closed(0, snapshots, lost={"threads": 5}), more_lost={})
    return one


def parcel(*pods: str, files: int = 1) -> Parcel:
    """A parcel with a snapshot of each pod, which used so many files of its own; one of them is expected."""
    told = [snapshot(0, pod, files=[f"{pod}/{number}" for number in range(files)]) for pod in pods]
    one = parcel_of(*told)
    return replace(one, expected=one.expected[:1])


def written(parcel: Parcel, *, limits: Limits = LIMITS) -> tuple[list[Batch], list[str]]:
    """The batches that a parcel becomes, and what is said of losses."""
    batches: list[Batch] = []

    def write(one: Parcel) -> None:
        batch = decode(encoded(one, TICKET, node=NODE, agent_version="1"))
        encode(batch, limits=limits)
        batches.append(batch)

    return batches, [str(error) for error in fitting(parcel, write)]


def limits(*, strings: int = 10_000, replicas: int = 2048) -> Limits:
    return replace(LIMITS, strings=strings, replicas=replicas)


def test_what_fits_is_one_batch() -> None:
    batches, said = written(parcel("a", "b", "c"))
    assert len(batches) == 1
    assert not said


def test_too_large_a_batch_is_split_and_nothing_is_lost() -> None:
    """All but the first are late ones, and the coverage stands in the first only."""
    batches, said = written(parcel(*"abcdefg", files=50), limits=limits(strings=130))
    assert [len(one.snapshots) for one in batches] == [1, 2, 2, 2]
    assert [one.replica.pod for batch in batches for one in batch.snapshots] == list("abcdefg")
    assert [one.late for one in batches] == [False, True, True, True]
    assert [one.coverage.lost for one in batches] == [{"threads": 5}, {}, {}, {}]
    assert [one.coverage.observed_s for one in batches] == [cargo.WINDOW_S, 0, 0, 0]
    assert [len(one.expected) for one in batches] == [1, 0, 0, 0]
    assert {one.coverage.names_source for one in batches} == {"kubelet"}
    assert not said


def test_loud_container_can_not_hide() -> None:
    """What it did is cut down to what is sure to fit, and the rest is counted; its neighbours are told whole."""
    loud = snapshot(0, "loud", files=[f"{number:030000d}" for number in range(600)])
    batches, said = written(parcel_of(snapshot(0, "quiet"), loud))
    assert [one.replica.pod for batch in batches for one in batch.snapshots] == ["quiet", "loud"]
    told = batches[1].snapshots[0]
    assert 0 < len(told.features(Aspect.FILENAMES)) == 600 - told.coverage.truncated["filenames"]
    assert len(said) == 1
    assert "decompressed" in said[0]


def test_snapshot_that_no_batch_can_hold_is_counted_and_the_rest_sent_without() -> None:
    bad = replace(snapshot(0, "bad"), replica=Replica(namespace="shop", pod="\ud800"))
    one = replace(parcel_of(snapshot(0, "a"), bad, snapshot(0, "c")), expected=())
    batches, said = written(one)
    assert [one.replica.pod for batch in batches for one in batch.snapshots] == ["a", "c"]
    assert sum(batch.coverage.lost.get("snapshots", 0) for batch in batches) == 1
    assert said


def test_list_of_the_expected_that_no_batch_can_hold_is_counted_and_the_rest_sent_without() -> None:
    many = [Expected(replica=Replica(pod=f"p{number}"), workload=Workload(), resolved=True) for number in range(40)]
    one = replace(parcel("a"), expected=tuple(many))
    batches, said = written(one, limits=limits(replicas=20))
    assert [(len(batch.snapshots), batch.expected, batch.coverage.lost) for batch in batches] == [
        (0, (), {"threads": 5, "snapshots": 1, "expected": 40})
    ]
    assert len(said) == 2


def test_end_comes_where_not_even_the_coverage_can_be_sent() -> None:
    """After a bounded number of attempts, and with words."""
    tried: list[Parcel] = []

    def refuse(one: Parcel) -> None:
        tried.append(one)
        raise WireError(Refusal.VALUE, "no")

    assert list(fitting(parcel(*"abcd", files=3), refuse))
    assert len(tried) < 20


def test_until_is_the_end_of_the_window() -> None:
    assert parcel("a").until_s == (window(0).start + timedelta(seconds=30)).timestamp()
