"""Let the tests of the server start it for real, once for all that leave it as it was."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

# pytest's importlib mode leaves sys.path alone.
sys.path.insert(0, str(Path(__file__).parent))

from running import TOKENS, Running, serving, written


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Iterator[Running]:
    """A server with TLS and tokens, for all tests of a module."""
    folder = tmp_path_factory.mktemp("serve")
    with serving(folder, *written(folder, authority), "--tokens", str(TOKENS.written(folder)), ca=authority) as running:
        yield running
