"""Windows open and close by the clock, and each holds what was done in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.capture import Capture
from agent.drain import Reading
from agent.identify import Globs
from agent.identity import Given
from agent.loop import Loop
from agent.naming import Naming
from agent.records import Flag, Kind, NodeCount, Record
from agent.roster import Roster
from agent.show import Shown
from agent.syscalls import SyscallTable
from agent.values import SlotWindow
from kinwatch.aspects import Aspect
from kinwatch.snapshot import Snapshot, Window

START = datetime(2026, 11, 23, 2, 0, 7, tzinfo=UTC)
NOTHING = SlotWindow(events=0, calls=frozenset(), lost={}, truncated={})
PATHS = {Kind.CGROUP_MADE: b"/demo/late\0", Kind.CGROUP_GONE: b""}


def record(kind: Kind, name: str = "", *, at_s: float = 0, **others: Any) -> Record:
    plain = dict.fromkeys(("cgroup_id", "fs_magic", "family", "tgid", "tid", "parent_tgid"), 0)
    given_ = {"slot": 1, "window": 1, "mode": 0o100644, "comm": b"", "flags": Flag(0), **others}
    payload = PATHS.get(kind, name.encode() + b"\0d\0")
    return Record(**{**plain, **given_, "kind": kind, "ktime_ns": int(at_s * 1e9), "payload": payload})


class FakeSource:
    """The kernel's side: what it has is set by the test."""

    def __init__(self) -> None:
        self.window = 1
        self.waiting: list[Record] = []
        self.slot_windows: dict[tuple[int, int], SlotWindow] = {}
        self.counts = dict.fromkeys(NodeCount, 0)
        self.free = [9, 8, 7]
        self.recycled: list[int] = []

    def flip(self) -> int:
        self.window += 1
        return self.window - 1

    def drain(self) -> list[Record]:
        waiting, self.waiting = self.waiting, []
        return waiting

    def take(self, slot: int, window: int) -> SlotWindow:
        return self.slot_windows.pop((slot, window), NOTHING)

    def node_counts(self) -> Mapping[NodeCount, int]:
        return dict(self.counts)

    def free_slot(self) -> int | None:
        return self.free.pop()

    def assign(self, cgroup_id: int, slot: int) -> None:
        pass

    def leave(self, cgroup_id: int) -> None:
        pass

    def recycle(self, slot: int) -> None:
        self.recycled.append(slot)


class Stage:
    """A capture of one container, /demo/a, in slot 7, with a fake kernel."""

    def __init__(self) -> None:
        self.source = FakeSource()
        identity = Given(Globs(["/demo/*"], cohort="shop"))
        self.roster = Roster(identity.selection, self.source)
        self.roster.found(11, "/demo/a", 0)
        reading = Reading(table=SyscallTable.of("x86_64"), command_line=lambda _: None)
        self.capture = Capture(self.source, self.roster, Naming(identity.names), reading=reading, node="n1")

    def close(self, *, opened_s: float = 0, now_s: float = 30) -> list[Snapshot]:
        return list(self.capture.close(Window(start=START, seconds=30), opened_s=opened_s, now_s=now_s).snapshots)


@pytest.fixture(name="stage")
def _stage() -> Stage:
    return Stage()


def names(snapshot: Snapshot) -> frozenset[str]:
    return snapshot.features(Aspect.FILENAMES)


# --- What a window holds --------------------------------------------------------------------------------------------


def test_snapshot_has_what_was_gathered_and_what_was_missed(stage: Stage) -> None:
    stage.capture.take_in([record(Kind.FILE, "polled", slot=7)])
    stage.source.waiting = [record(Kind.FILE, "drained", slot=7)]
    stage.source.slot_windows[7, 1] = SlotWindow(
        events=5, calls=frozenset({0, 39}), lost={Kind.FILE: 2}, truncated={Kind.PROCESS: 3}
    )
    (snapshot,) = stage.close()
    assert names(snapshot) == {"polled", "drained"}
    assert snapshot.features(Aspect.SYSCALLS) == {"read", "getpid"}
    assert snapshot.coverage.events == 5
    assert snapshot.coverage.lost == {"files": 2}
    assert snapshot.coverage.truncated == dict.fromkeys(("processes", "commands", "arguments", "executables"), 3)
    assert (snapshot.node, snapshot.workload.name, snapshot.replica.cgroup) == ("n1", "shop", "/demo/a")


def test_record_of_the_next_window_waits_for_it(stage: Stage) -> None:
    """Records are written on while a window is being closed."""
    stage.source.waiting = [record(Kind.FILE, "now", slot=7), record(Kind.FILE, "next", slot=7, window=2)]
    assert [names(snapshot) for snapshot in stage.close()] == [{"now"}]
    assert [names(snapshot) for snapshot in stage.close()] == [{"next"}]
    assert [names(snapshot) for snapshot in stage.close()] == [frozenset()]


def test_record_of_nobodys_slot_is_nobodys(stage: Stage) -> None:
    stage.capture.take_in([record(Kind.FILE, "stray", slot=3)])
    assert [names(snapshot) for snapshot in stage.close()] == [frozenset()]


def test_container_that_comes_and_goes_within_a_window_is_in_it(stage: Stage) -> None:
    """With the seconds for which it was there; its slot is given back after."""
    stage.capture.take_in(
        [
            record(Kind.CGROUP_MADE, slot=5, cgroup_id=50, at_s=10),
            record(Kind.FILE, "brief", slot=5),
            record(Kind.CGROUP_GONE, slot=5, cgroup_id=50, at_s=12.5),
        ]
    )
    _, late = stage.close()
    assert (late.replica.cgroup, names(late), late.coverage.observed_s) == ("/demo/late", {"brief"}, 2.5)
    assert stage.source.recycled == [5]
    assert len(stage.close()) == 1


def test_container_that_goes_while_its_window_is_closed_goes_with_the_next(stage: Stage) -> None:
    """What it did in the next window is not dropped with it."""
    stage.capture.take_in([record(Kind.CGROUP_MADE, slot=5, cgroup_id=50, at_s=10)])
    stage.source.waiting = [
        record(Kind.FILE, "last words", slot=5, window=2),
        record(Kind.CGROUP_GONE, slot=5, cgroup_id=50, at_s=30.001),
    ]
    assert len(stage.close(now_s=30)) == 2
    assert stage.source.recycled == []
    assert [names(snapshot) for snapshot in stage.close(opened_s=30, now_s=60)] == [frozenset(), {"last words"}]
    assert stage.source.recycled == [5]


def test_cgroup_made_below_a_container_counts_to_it(stage: Stage) -> None:
    stage.capture.take_in(
        [
            record(Kind.CGROUP_MADE, slot=7, cgroup_id=50, flags=Flag.INHERITED),
            record(Kind.FILE, "inner", slot=7),
        ]
    )
    assert [names(snapshot) for snapshot in stage.close()] == [{"inner"}]


def test_observed_seconds_are_those_in_which_it_was_there_and_the_window_open(stage: Stage) -> None:
    """A window that was opened late, a container that came in the middle."""
    stage.capture.take_in([record(Kind.CGROUP_MADE, slot=5, cgroup_id=50, at_s=20)])
    assert [snapshot.coverage.observed_s for snapshot in stage.close(opened_s=12, now_s=30)] == [18, 10]


def test_cgroups_that_found_no_slot_are_lost_replicas_of_everyone(stage: Stage) -> None:
    """Since nobody knows whose they were; in the window in which it happened."""
    stage.source.counts[NodeCount.SLOTS_LOST] = 2
    (snapshot,) = stage.close()
    assert snapshot.coverage.lost == {"replicas": 2}
    (snapshot,) = stage.close()
    assert snapshot.coverage.lost == {}


def test_cgroups_that_went_unheard_are_to_be_looked_for(stage: Stage) -> None:
    stage.source.counts[NodeCount.CGROUPS_LOST] = 1
    stage.close()
    assert stage.capture.to_rescan
    stage.close()
    assert not stage.capture.to_rescan


# --- When windows open and close ------------------------------------------------------------------------------------


class FakeClock:
    """Time passes only while somebody waits; the wall's can be set."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        self._monotonic_s = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic_s(self) -> float:
        return self._monotonic_s

    def pass_(self, seconds: float) -> None:
        # The wall's clock has microseconds; a wait that is shorter lasts one.
        self._now += max(timedelta(seconds=seconds), timedelta(microseconds=1))
        self._monotonic_s += seconds

    def jump(self, seconds: float) -> None:
        """As when a person or NTP sets it."""
        self._now += timedelta(seconds=seconds)


class Told:
    """Where the snapshots go."""

    def __init__(self) -> None:
        self.windows: list[list[Snapshot]] = []

    def tell(self, snapshots: Sequence[Snapshot]) -> None:
        self.windows.append(list(snapshots))

    @property
    def starts(self) -> list[str]:
        return [f"{snapshots[0].window.start:%H:%M:%S}" for snapshots in self.windows]


def loop_of(
    stage: Stage,
    clock: FakeClock,
    told: Told,
    *,
    window_s: float = 10,
    meanwhile: Callable[[Loop], None] = lambda _: None,
) -> Loop:
    """A dry run that does `meanwhile` at each wait for records."""

    def poll(timeout_s: float) -> list[Record]:
        clock.pass_(timeout_s)
        meanwhile(loop)
        return []

    loop = Loop(
        stage.capture,
        Shown(told),
        poll=poll,
        rescan=lambda: None,
        look_up=lambda: False,
        clock=clock,
        window_s=window_s,
    )
    return loop


def test_windows_are_aligned_and_the_first_is_shown_and_not_counted(stage: Stage) -> None:
    """It began in the middle, at seven seconds past."""
    clock, told = FakeClock(), Told()
    loop_of(stage, clock, told).run(windows=2)
    assert told.starts == ["02:00:00", "02:00:10", "02:00:20"]
    observed = [snapshots[0].coverage.observed_s for snapshots in told.windows]
    assert observed == pytest.approx([3, 10, 10], abs=0.01)
    assert clock.now() >= START.replace(second=30)


def test_stop_shows_the_open_window_and_ends(stage: Stage) -> None:
    clock, told = FakeClock(), Told()

    def stop_at_15(loop: Loop) -> None:
        if clock.now() >= START.replace(second=15):
            loop.stop()

    loop_of(stage, clock, told, meanwhile=stop_at_15).run(windows=None)
    assert told.starts == ["02:00:00", "02:00:10"]
    assert told.windows[1][0].coverage.observed_s == pytest.approx(5, abs=0.2)


def test_stop_before_the_first_window_shows_it_all_the_same(stage: Stage) -> None:
    told = Told()
    loop = loop_of(stage, FakeClock(), told)
    loop.stop()
    loop.run(windows=None)
    assert told.starts == ["02:00:00"]


def test_stop_while_a_window_is_closed_shows_the_one_that_was_opened_by_it_too(stage: Stage) -> None:
    """Something may have been done in it already."""
    clock, told = FakeClock(), Told()
    loop = loop_of(stage, clock, told)
    tell = told.tell

    def told_and_stopped(snapshots: Sequence[Snapshot]) -> None:
        tell(snapshots)
        loop.stop()

    told.tell = told_and_stopped  # type: ignore[method-assign]
    loop.run(windows=None)
    assert told.starts == ["02:00:00", "02:00:10"]


def test_clock_that_is_set_forward_closes_the_window(stage: Stage) -> None:
    """And the next is the one that holds the new time."""
    clock, told = FakeClock(), Told()
    jumps = iter([3600.0])
    loop_of(stage, clock, told, meanwhile=lambda _: clock.jump(next(jumps, 0))).run(windows=1)
    assert told.starts == ["02:00:00", "03:00:00"]


def test_clock_that_is_set_back_does_not_hold_a_window_open(stage: Stage) -> None:
    """It is closed a second late at most, and the windows of the new time follow."""
    clock, told = FakeClock(), Told()
    jumps = iter([-3600.0])
    loop_of(stage, clock, told, meanwhile=lambda _: clock.jump(next(jumps, 0))).run(windows=2)
    assert max(snapshots[0].coverage.observed_s for snapshots in told.windows) <= 11.2
    assert told.starts == ["02:00:00", "01:00:10", "01:00:20"]


def test_clock_that_is_set_back_a_little_does_not_show_a_window_again(stage: Stage) -> None:
    """Though, once closed, it holds the time that it is by then."""
    clock, told = FakeClock(START.replace(second=9)), Told()
    jumps = iter([0.0] * 10 + [-3.0])
    loop_of(stage, clock, told, meanwhile=lambda _: clock.jump(next(jumps, 0))).run(windows=3)
    assert len(set(told.starts)) == len(told.starts) == 4


@given(
    window_s=st.one_of(st.integers(1, 600).map(float), st.floats(1, 600)),
    second=st.floats(0, 10_000_000, allow_nan=False),
)
def test_no_window_is_shown_twice(window_s: float, second: float) -> None:
    """However a length and its multiples are rounded."""
    stage, told = Stage(), Told()
    clock = FakeClock(START + timedelta(seconds=second))

    def to_the_end(_loop: Loop) -> None:
        clock.pass_(max(0.0, (Window.containing(clock.now(), seconds=window_s).end - clock.now()).total_seconds()))

    loop_of(stage, clock, told, window_s=window_s, meanwhile=to_the_end).run(windows=3)
    starts = [snapshots[0].window.start for snapshots in told.windows]
    assert len(set(starts)) == len(starts)
