"""
Read captures: JSON lines of the agent, or a JSON array of a sysdig chisel; the first byte tells which.

Flow: sources -> **read** -> cohort. Never holds more of a source's text than one capture or one line, and refuses those
beyond a limit after reading that much. What can't be used is yielded as a Problem, and reading goes on where it can.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BufferedReader

from aggregator.chisel import CaptureError, parse_capture
from aggregator.verdict import Capture, Line, Problem
from kinwatch.jsonline import JsonLineError, decode

LIMIT_BYTES = 64 * 1024 * 1024
"""Longest line, and longest chisel capture. A busy replica's snapshot is under 1 MB."""

PROBLEMS_SHOWN = 10
"""Bad lines of one source that are told one by one; the others are counted."""

BLANK = b" \t\r\n"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Item = Line | Capture | Problem


def read(source: str, name: str, stream: BufferedReader, *, limit: int = LIMIT_BYTES) -> Iterator[Item]:
    """What a source holds. `name` is the cohort of a chisel capture, which names none itself."""
    skip_byte_order_mark(stream)
    line = 1 + skip_blanks(stream)
    match stream.peek(1)[:1]:
        case b"":
            yield _empty(source)
        case b"[":
            yield _capture(source, name, stream, limit)
        case b"{":
            yield from _at_most(_lines(source, stream, line, limit), source)
        case byte:
            yield _unknown_form(source, byte)


def skip_byte_order_mark(stream: BufferedReader) -> None:
    """Skip the mark that editors on Windows put in front of UTF-8."""
    if stream.peek(len(BYTE_ORDER_MARK)).startswith(BYTE_ORDER_MARK):
        stream.read(len(BYTE_ORDER_MARK))


def skip_blanks(stream: BufferedReader) -> int:
    """Skip blanks, however many, in bounded memory; gives the number of lines that were skipped."""
    lines = 0
    while chunk := stream.peek(1):
        blanks = chunk[: len(chunk) - len(chunk.lstrip(BLANK))]
        stream.read(len(blanks))
        lines += blanks.count(b"\n")
        if len(blanks) < len(chunk):
            break
    return lines


# --- chisel captures ------------------------------------------------------------------------------------------------


def _capture(source: str, name: str, stream: BufferedReader, limit: int) -> Capture | Problem:
    text = stream.read(limit + 1)
    if len(text) > limit:
        return _too_long(source, "the capture", limit)
    try:
        return parse_capture(text.decode(), source=source, name=name)
    except UnicodeDecodeError as error:
        return _not_utf8(source, error)
    except CaptureError as error:
        return Problem(source=source, problem=str(error), remedy=error.remedy, line=error.line)


# --- JSON lines -----------------------------------------------------------------------------------------------------


def _lines(source: str, stream: BufferedReader, number: int, limit: int) -> Iterator[Item]:
    while raw := stream.readline(limit + 1):
        if len(raw) > limit:
            yield _too_long(source, "the line", limit, line=number)
            return
        if raw.strip(BLANK):
            yield _line(source, raw, number)
        number += 1


def _line(source: str, raw: bytes, number: int) -> Line | Problem:
    try:
        return Line(source=source, snapshot=decode(raw.decode()))
    except UnicodeDecodeError as error:
        return _not_utf8(source, error, line=number)
    except JsonLineError as error:
        if not raw.endswith(b"\n") and str(error).startswith("not JSON"):
            return _cut_line(source, number)
        return Problem(
            source=source,
            line=number,
            problem=f"no snapshot: {error}",
            remedy="each line must be one snapshot, as `agent --dry-run --format json` prints it",
        )


def _at_most(items: Iterator[Item], source: str) -> Iterator[Item]:
    """The items of a source, with no more than a few of its problems and the number of the others."""
    problems = 0
    for item in items:
        if isinstance(item, Problem):
            problems += 1
            if problems > PROBLEMS_SHOWN:
                continue
        yield item
    if problems > PROBLEMS_SHOWN:
        yield Problem(
            source=source,
            problem=f"{problems - PROBLEMS_SHOWN} more lines can't be used",
            remedy="check that this is the agent's output and nothing else was written into it",
        )


# --- what can go wrong, and what to do about it ---------------------------------------------------------------------


def _empty(source: str) -> Problem:
    return Problem(
        source=source,
        problem="the source is empty",
        remedy="look at how the capture ended: an agent prints a line per replica and window, a chisel at least `[]`",
    )


def _unknown_form(source: str, byte: bytes) -> Problem:
    return Problem(
        source=source,
        problem=f"neither JSON lines nor a chisel capture: it begins with {byte!r}",
        remedy="give what `agent --dry-run --format json` or the chisel wrote; play a .scap by `sysdig -r` first",
    )


def _too_long(source: str, what: str, limit: int, *, line: int | None = None) -> Problem:
    return Problem(
        source=source,
        line=line,
        problem=f"{what} is longer than {limit / 2**20:g} MiB; reading stopped there",
        remedy="check that this is a capture; a shorter window gives smaller ones",
    )


def _not_utf8(source: str, error: UnicodeDecodeError, *, line: int | None = None) -> Problem:
    return Problem(
        source=source,
        line=line,
        problem=f"not UTF-8: byte 0x{error.object[error.start]:02x} at offset {error.start}",
        remedy="capture again, or convert the file to UTF-8; the agent and the chisel write nothing else",
    )


def _cut_line(source: str, line: int) -> Problem:
    return Problem(
        source=source,
        line=line,
        problem="the source is cut in the middle of this line",
        remedy="copy it again, or stop the agent by SIGINT, upon which it closes its last line",
    )
