"""A changed selection file is taken up while the agent runs; one that can't be used changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from agent.selection import EVERYTHING, Rule, Rules
from agent.selection_file import MAX_BYTES, SelectionFile
from kinwatch.errors import InputError

Log = list[MutableMapping[str, Any]]


def only(namespace: str) -> Rules:
    return Rules(include=(Rule(namespace=namespace),))


def text(namespace: str) -> str:
    return f"include: [{{namespace: {namespace}}}]\n"


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    path = tmp_path / "selection.yaml"
    path.write_text(text("shop"))
    return path


@pytest.fixture(name="log")
def _log() -> Iterator[Log]:
    with capture_logs() as entries:
        yield entries


def test_without_a_file_everything_is_watched(log: Log) -> None:
    file = SelectionFile(None)
    file.look()
    assert (file.rules, log) == (EVERYTHING, [])


def test_file_is_read_at_the_start(path: Path, log: Log) -> None:
    """And as long as it doesn't change, nothing is said."""
    file = SelectionFile(path)
    for _ in range(3):
        file.look()
    assert (file.rules, log) == (only("shop"), [])


def test_file_that_was_written_anew_is_taken_up(path: Path, log: Log) -> None:
    file = SelectionFile(path)
    path.write_text(text("another"))
    for _ in range(3):
        file.look()
    assert file.rules == only("another")
    assert log == [{"event": "selection_changed", "log_level": "info", "file": str(path)}]


def repr_start(content: bytes) -> str:
    """The first bytes, to tell cases apart."""
    return repr(content[:16])


class ConfigMap:
    """A folder as the kubelet makes it of a ConfigMap: the file is a link through `..data`, which changes at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._version = 0
        self.file = folder / "selection.yaml"
        self.file.symlink_to("..data/selection.yaml")

    def write(self, content: str) -> None:
        """As pkg/volume/util/atomic_writer.go does it."""
        self._version += 1
        version = self._folder / f"..2026_11_22_{self._version}"
        version.mkdir()
        (version / "selection.yaml").write_text(content)
        (self._folder / "..data_tmp").symlink_to(version.name)
        (self._folder / "..data_tmp").rename(self._folder / "..data")


def test_config_map_that_was_changed_is_taken_up(tmp_path: Path, log: Log) -> None:
    """Its file changes by a link far from it; here to one of the same length."""
    config_map = ConfigMap(tmp_path)
    config_map.write(text("shop"))
    file = SelectionFile(config_map.file)
    config_map.write(text("cart"))
    file.look()
    assert file.rules == only("cart")
    assert [entry["event"] for entry in log] == ["selection_changed"]


@pytest.mark.parametrize(
    "content", [b"include: shop", b"include: [", b"\xff\xfe", b"#" * (MAX_BYTES + 1)], ids=repr_start
)
def test_file_that_can_not_be_used_keeps_the_rules_before_it(path: Path, content: bytes, log: Log) -> None:
    """What is wrong is said once, with its remedy; mended, it is taken up."""
    file = SelectionFile(path)
    path.write_bytes(content)
    for _ in range(3):
        file.look()
    assert file.rules == only("shop")
    (entry,) = log
    assert (entry["event"], entry["log_level"]) == ("selection_refused", "warning")
    assert str(path) in entry["problem"]
    assert entry["remedy"]
    path.write_text(text("mended"))
    file.look()
    assert file.rules == only("mended")


def test_file_that_went_keeps_the_rules_and_is_read_when_it_is_back(path: Path, log: Log) -> None:
    """As while somebody replaces it in two steps."""
    file = SelectionFile(path)
    path.unlink()
    for _ in range(3):
        file.look()
    assert file.rules == only("shop")
    assert [entry["event"] for entry in log] == ["selection_refused"]
    assert "No such file" in log[0]["problem"]
    path.write_text(text("back"))
    file.look()
    assert file.rules == only("back")


def test_file_that_is_written_before_it_is_looked_at_is_not_missed(path: Path) -> None:
    """Two changes between two looks are one."""
    file = SelectionFile(path)
    path.write_text(text("first"))
    path.write_text(text("second"))
    file.look()
    assert file.rules == only("second")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file"),
        (b"include: shop", "include is no list"),
        (b"\xff\xfe", "no UTF-8 text"),
        (("ä" * MAX_BYTES).encode(), "larger than 262144 bytes"),
        (b"#" * (MAX_BYTES + 1), "larger than 262144 bytes"),
    ],
    ids=["missing", "wrong", "no text", "large, cut within a character", "large"],
)
def test_agent_does_not_start_with_a_file_that_can_not_be_used(path: Path, content: bytes | None, problem: str) -> None:
    """Or else what is not to be watched would be."""
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=problem):
        SelectionFile(path)


def test_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Is a directory"):
        SelectionFile(tmp_path)


def test_largest_file_is_read(path: Path) -> None:
    path.write_bytes(text("shop").encode().ljust(MAX_BYTES, b"#"))
    assert SelectionFile(path).rules == only("shop")
