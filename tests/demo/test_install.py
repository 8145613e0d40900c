"""What is installed is pinned, from one source, and names no registry."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ASKED = [
    *PROJECT["project"]["dependencies"],
    *PROJECT["dependency-groups"]["dev"],
    *PROJECT["build-system"]["requires"],
]


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()


@pytest.mark.parametrize("requirement", ASKED)
def test_what_pyproject_asks_for_is_locked(requirement: str) -> None:
    assert re.search(rf"^{re.escape(_name(requirement))}==", LOCK, re.MULTILINE), "run `make lock`"


def test_lock_holds_versions_and_hashes_and_no_address() -> None:
    assert not re.search(r"://|--(extra-)?index-url|--find-links", LOCK)
    for pinned in re.findall(r"^[\w.-]+==.*\n.*", LOCK, re.MULTILINE):
        assert "--hash=sha256:" in pinned
