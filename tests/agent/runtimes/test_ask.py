"""What comes of asking a program: an answer, nothing, or a reason why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.runtimes import ask as asking
from agent.runtimes.ask import ask
from agent.runtimes.container import State, Traits
from agent.runtimes.files import MAX_BYTES, Unreadable
from agent.runtimes.storage import Podman


def test_the_answer_is_what_the_program_writes() -> None:
    """To its standard output."""
    assert ask(["sh", "-c", "echo yes; echo no >&2"]) == "yes\n"


def test_a_program_that_is_not_installed_gives_none() -> None:
    """Its absence is no failure."""
    assert ask(["kinwatch-no-such-program"]) is None


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo first >&2; echo 'no such daemon' >&2; exit 3", "it ended with code 3: no such daemon"),
        ("exit 1", "it ended with code 1: without a word"),
        (f"head -c {MAX_BYTES + 1} /dev/zero", "its answer is longer than 4 MiB"),
    ],
)
def test_a_program_that_gives_no_answer_says_why(script: str, reason: str) -> None:
    """In its own last line."""
    with pytest.raises(Unreadable) as caught:
        ask(["sh", "-c", script])
    assert caught.value.reason == reason


def test_a_program_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After 2 seconds; it is shortened here."""
    monkeypatch.setattr(asking, "TIMEOUT_S", 0.05)
    with pytest.raises(Unreadable, match="TimeoutExpired"):
        ask(["sleep", "600"])


@pytest.mark.parametrize("answer", ["{}", "no"])
def test_an_answer_of_podmans_that_is_no_list_is_a_failure(answer: str, tmp_path: Path) -> None:
    """So a change of its format is noticed."""
    state = State(id="web", pid=7, traits=Traits())
    with pytest.raises(Unreadable, match="no JSON list"):
        Podman(run=tmp_path, graph=tmp_path).asked([state], lambda _: answer)
