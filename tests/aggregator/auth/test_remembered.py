"""What was answered is remembered for a short while, and asked once by all who want to know it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from set_time import START_S, SetTime

from aggregator.auth import remembered as module
from aggregator.auth.refused import AuthError, Reason
from aggregator.auth.remembered import ACCEPTED_S, REFUSED_S, Remembered


class Asked:
    """Answers with how often it was asked, or with an error."""

    def __init__(self, error: Exception | None = None) -> None:
        self.times = 0
        self.error = error

    def __call__(self) -> int:
        self.times += 1
        if self.error is not None:
            raise self.error
        return self.times


@pytest.fixture(name="remembered")
def _remembered(time: SetTime) -> Remembered[int]:
    return Remembered(clock=time.clock, most_accepted=3, most_refused=3)


def refused(reason: Reason = Reason.BAD_TOKEN) -> AuthError:
    return AuthError(reason, "no", remedy="none", retry_after_s=5)


def asked_in_vain(remembered: Remembered[int], ask: Asked) -> AuthError:
    with pytest.raises(AuthError) as error:
        remembered.get("a", ask)
    return error.value


def test_answer_holds_for_a_minute(remembered: Remembered[int], time: SetTime) -> None:
    ask = Asked()
    assert remembered.get("a", ask) == 1
    time.sleep(ACCEPTED_S - 0.1)
    assert remembered.get("a", ask) == 1
    time.sleep(0.1)
    assert remembered.get("a", ask) == 2
    assert ACCEPTED_S <= 60


def test_answer_holds_no_longer_than_the_token(remembered: Remembered[int], time: SetTime) -> None:
    ask = Asked()
    assert remembered.get("a", ask, expires_s=START_S + 20) == 1
    time.sleep(19.9)
    assert remembered.get("a", ask, expires_s=START_S + 20) == 1
    time.sleep(0.1)
    assert remembered.get("a", ask, expires_s=START_S + 20) == 2
    assert remembered.get("a", ask, expires_s=START_S + 20) == 3


@pytest.mark.parametrize("expires_s", [-1e300, 0.0, START_S])
def test_token_that_says_it_has_ended_is_asked_for_each_time(remembered: Remembered[int], expires_s: float) -> None:
    """The API server's clock counts, not ours."""
    ask = Asked()
    assert [remembered.get("a", ask, expires_s=expires_s) for _ in range(2)] == [1, 2]


def test_clock_on_the_wall_that_is_set_back_keeps_no_answer_longer(remembered: Remembered[int], time: SetTime) -> None:
    ask = Asked()
    remembered.get("a", ask)
    time.set_by_s = -3600
    time.sleep(ACCEPTED_S)
    assert remembered.get("a", ask) == 2


def test_answer_is_as_old_as_its_question(remembered: Remembered[int], time: SetTime) -> None:
    """One that took half a minute holds for half a minute more."""

    def slow() -> int:
        time.sleep(30)
        return 0

    remembered.get("a", slow)
    time.sleep(30)
    assert remembered.get("a", Asked()) == 1


def test_refusal_holds_for_ten_seconds(remembered: Remembered[int], time: SetTime) -> None:
    ask = Asked(refused())
    assert str(asked_in_vain(remembered, ask)) == str(asked_in_vain(remembered, ask)) == "no (none)"
    assert ask.times == 1
    time.sleep(REFUSED_S)
    asked_in_vain(remembered, ask)
    assert ask.times == 2


def test_refusal_that_is_remembered_is_raised_afresh(remembered: Remembered[int]) -> None:
    """One error raised by many threads would drag along where each of them was."""
    ask = Asked(refused())
    errors = [asked_in_vain(remembered, ask) for _ in range(3)]
    assert len({id(error) for error in errors}) == 3


@pytest.mark.parametrize("reason", [Reason.UNAVAILABLE, Reason.NOT_PERMITTED, Reason.BUSY])
def test_what_could_not_be_asked_is_not_remembered(remembered: Remembered[int], reason: Reason) -> None:
    ask = Asked(refused(reason))
    assert asked_in_vain(remembered, ask).retry_after_s == 5
    ask.error = None
    assert remembered.get("a", ask) == 2


def test_bug_is_not_remembered(remembered: Remembered[int]) -> None:
    ask = Asked(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        remembered.get("a", ask)
    ask.error = None
    assert remembered.get("a", ask) == 2


def test_no_more_is_remembered_than_fits(remembered: Remembered[int]) -> None:
    """The oldest goes, and is counted."""
    for question in range(5):
        remembered.get(question, Asked())
    assert remembered.tally.pushed_out == 2
    again = Asked()
    for question in (2, 3, 4):
        remembered.get(question, again)
    assert again.times == 0
    remembered.get(0, again)
    assert again.times == 1


def test_what_had_ended_is_not_counted_as_pushed_out(remembered: Remembered[int], time: SetTime) -> None:
    for question in range(3):
        remembered.get(question, Asked())
    time.sleep(ACCEPTED_S)
    remembered.get(3, Asked())
    assert remembered.tally.pushed_out == 0


def test_flood_of_refusals_pushes_out_nobody_who_was_let_in(remembered: Remembered[int]) -> None:
    ask = Asked()
    remembered.get("known", ask)
    for question in range(100):
        with pytest.raises(AuthError):
            remembered.get(question, Asked(refused()))
    assert remembered.get("known", ask) == 1
    assert remembered.tally.pushed_out == 97


def test_one_asks_for_all_who_ask_the_same(remembered: Remembered[int]) -> None:
    """Those who ask something else meanwhile don't wait for it."""
    asked, go_on, ask = threading.Event(), threading.Event(), Asked()

    def slow() -> int:
        asked.set()
        assert go_on.wait(10)
        return ask()

    with ThreadPoolExecutor(50) as pool:
        futures = [pool.submit(remembered.get, "a", slow)]
        assert asked.wait(10)
        futures += [pool.submit(remembered.get, "a", slow) for _ in range(49)]
        assert remembered.get("b", Asked()) == 1
        go_on.set()
        assert [future.result(10) for future in futures] == [1] * 50


def test_all_who_ask_the_same_are_refused_together(remembered: Remembered[int]) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slow() -> int:
        asked.set()
        assert go_on.wait(10)
        raise refused(Reason.UNAVAILABLE)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(remembered.get, "a", slow)
        assert asked.wait(10)
        second = pool.submit(remembered.get, "a", slow)
        while remembered.tally.awaited == 0:
            threading.Event().wait(0.001)
        go_on.set()
        errors = [future.exception(10) for future in (first, second)]
    assert [error.reason for error in errors if isinstance(error, AuthError)] == [Reason.UNAVAILABLE] * 2
    assert errors[0] is not errors[1]


def test_nobody_waits_for_ever(remembered: Remembered[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AWAIT_S", 0.01)
    asked, go_on = threading.Event(), threading.Event()

    def slow() -> int:
        asked.set()
        assert go_on.wait(10)
        return 1

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(remembered.get, "a", slow)
        assert asked.wait(10)
        assert asked_in_vain(remembered, Asked()).reason is Reason.BUSY
        go_on.set()
        assert first.result(10) == 1
