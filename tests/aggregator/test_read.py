"""What a source holds, told from its first byte, and what is refused in bounded memory."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import pytest
from kinfolk import chisel_replica, chisel_text, snapshot, stream_of, text_of

from aggregator.read import PROBLEMS_SHOWN, Item, read
from aggregator.verdict import Capture, Line, Problem

GOOD = text_of(snapshot("a"))


def items(content: str | bytes, *, limit: int = 1 << 20) -> list[Item]:
    return list(read("f", "f", stream_of(content), limit=limit))


def problem(content: str | bytes, *, limit: int = 1 << 20) -> Problem:
    (found,) = [item for item in items(content, limit=limit) if isinstance(item, Problem)]
    assert found.remedy
    return found


class Endless(io.RawIOBase):
    """A stream that repeats one chunk for `size` bytes and counts what was taken from it."""

    def __init__(self, first: bytes, chunk: bytes, size: int) -> None:
        self.pending = first
        self.chunk = chunk
        self.size = size
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        piece = (self.pending or self.chunk)[: min(len(buffer), max(self.size - self.taken, 0))]
        self.pending = b""
        buffer[: len(piece)] = piece
        self.taken += len(piece)
        return len(piece)


def test_json_lines_begin_with_a_brace() -> None:
    assert [type(item) for item in items(GOOD * 2)] == [Line, Line]


def test_a_chisel_capture_begins_with_a_bracket() -> None:
    (capture,) = items(chisel_text(chisel_replica("a")))
    assert isinstance(capture, Capture)


@pytest.mark.parametrize("blank", ["\n\n  \t\r\n", "\ufeff", " " * 100_000])
def test_blanks_and_a_byte_order_mark_in_front_are_skipped(blank: str) -> None:
    assert isinstance(items(blank + GOOD)[0], Line)
    assert isinstance(items(blank + "[]")[0], Capture)


def test_blank_lines_are_skipped_and_the_last_line_needs_no_end() -> None:
    assert len(items(GOOD + "\n \n" + GOOD.rstrip())) == 2


@pytest.mark.parametrize("content", ["", "\n", " \n\t "])
def test_an_empty_source_is_a_problem(content: str) -> None:
    assert "empty" in problem(content).problem


@pytest.mark.parametrize("content", [b"\x1f\x8b\x08", b"nonsense", b"\x00\x00", b'"text"', b"3"])
def test_another_form_is_told_by_its_first_byte(content: bytes) -> None:
    assert "neither JSON lines nor a chisel capture" in problem(content).problem


def test_a_bad_line_is_told_by_its_number_and_the_others_are_read() -> None:
    found = items("\n" + GOOD + '{"window":3}\n' + GOOD)
    assert [type(item) for item in found] == [Line, Problem, Line]
    assert isinstance(found[1], Problem)
    assert found[1].line == 3


def test_a_source_cut_in_the_middle_of_a_line() -> None:
    cut = problem(GOOD + GOOD[:100])
    assert (cut.line, cut.problem) == (2, "the source is cut in the middle of this line")


@pytest.mark.parametrize("content", [b'{"a":"\xff"}\n', b'["\xff"]'])
def test_what_is_not_utf8_is_told_with_the_byte(content: bytes) -> None:
    assert "not UTF-8: byte 0xff at offset" in problem(content).problem


def test_many_bad_lines_are_counted() -> None:
    problems = [item for item in items("{nonsense}\n" * 1000) if isinstance(item, Problem)]
    assert len(problems) == PROBLEMS_SHOWN + 1
    assert problems[-1].problem == "990 more lines can't be used"


@pytest.mark.parametrize("first", [b"{", b"["])
def test_a_line_or_capture_beyond_the_limit_is_refused_after_that_much(first: bytes) -> None:
    """Two gigabytes in one line cost no more than the limit, in memory and in what is read."""
    limit = 1 << 20
    endless = Endless(first, b"a" * 65536, 2 << 30)
    tracemalloc.start()
    (found,) = read("f", "f", io.BufferedReader(endless), limit=limit)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(found, Problem)
    assert "longer than 1 MiB" in found.problem
    assert endless.taken < limit + (1 << 17)
    assert peak < 4 * limit


def test_any_number_of_blanks_is_skipped_in_bounded_memory() -> None:
    endless = Endless(b" ", b" " * 65536, 64 << 20)
    tracemalloc.start()
    (found,) = read("f", "f", io.BufferedReader(endless), limit=1 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(found, Problem)
    assert peak < 1 << 20


def test_a_sparse_file_of_two_gigabytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sparse.json"
    with path.open("wb") as sparse:
        sparse.write(b"[")
        sparse.truncate(2 << 30)
    with path.open("rb") as stream:
        (found,) = read("f", "f", stream, limit=1 << 20)
    assert isinstance(found, Problem)
    assert "longer than 1 MiB" in found.problem


def test_a_line_of_just_the_limit_is_read() -> None:
    assert isinstance(items(GOOD, limit=len(GOOD))[0], Line)
    assert isinstance(items(GOOD, limit=len(GOOD) - 1)[0], Problem)
