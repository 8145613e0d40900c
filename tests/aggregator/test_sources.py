"""Which files are read, in which order, each once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from aggregator.sources import Repeated, find
from aggregator.verdict import Problem

NOBODY = 65534


@contextmanager
def without_root() -> Iterator[None]:
    """Be nobody for a while: root reads everything."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_folder_stands_for_its_capture_files_at_any_depth_sorted(tmp_path: Path) -> None:
    for name in ("b.json", "a.jsonl", "deep/er/c.ndjson", "deep/notes.txt", "x.scap"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()
    found = list(find([str(tmp_path)]))
    assert found == [str(tmp_path / name) for name in ("a.jsonl", "b.json", "deep/er/c.ndjson")]


def test_a_file_is_read_whatever_it_is_called() -> None:
    assert list(find(["/no/such/capture.txt", "-"])) == ["/no/such/capture.txt", "-"]


def test_a_folder_without_captures_is_a_problem_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    (found,) = find([str(tmp_path)])
    assert isinstance(found, Problem)
    assert ".json, .jsonl, .ndjson" in found.problem


def test_what_is_named_twice_is_read_once(tmp_path: Path) -> None:
    """By whatever name: in its folder, by another path, by a link."""
    (tmp_path / "a.json").touch()
    (tmp_path / "b.json").symlink_to("a.json")
    file = str(tmp_path / "a.json")
    assert list(find([file, str(tmp_path), "-", "-"])) == [
        file,
        Repeated(source=file),
        Repeated(source=str(tmp_path / "b.json")),
        "-",
        Repeated(source="-"),
    ]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that nobody may enter too, unlike pytest's own."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("depth", ["closed", "inner/closed"])
def test_a_folder_that_may_not_be_listed_is_a_problem(open_folder: Path, depth: str) -> None:
    closed = open_folder / depth
    closed.mkdir(parents=True)
    closed.chmod(0)
    with without_root():
        (problem,) = find([str(open_folder)])
    assert isinstance(problem, Problem)
    assert problem.source == str(closed)
    assert "Permission denied" in problem.problem


def test_files_that_may_not_be_looked_at_are_not_passed_over(open_folder: Path) -> None:
    """Opening them will tell why."""
    (open_folder / "a.json").touch()
    (open_folder / "gone.json").symlink_to("nowhere")
    open_folder.chmod(0o744)
    with without_root():
        assert list(find([str(open_folder)])) == [str(open_folder / "a.json"), str(open_folder / "gone.json")]
        assert list(find([str(open_folder / "a.json")])) == [str(open_folder / "a.json")]
